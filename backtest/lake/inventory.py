"""Inventory of the lake: counts, gaps, duplicates, stale marks and digests, from the rows and not from file names.

Of the whole lake every run of neighbouring days of a folder is one row, so that the years between two crashes are no
gap; of an event, every folder that has a day of its window, and every coin that has no trade bars at all.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import numpy as np

from backtest.assets import inside, lake_folder, link_on_the_way
from backtest.errors import DataError
from backtest.lake.checks import Facts, check_rows, describe, gaps_text
from backtest.lake.clock import count_stale, on_grid, step_s
from backtest.lake.cloud import refresh
from backtest.lake.digests import rows_digest
from backtest.lake.holdings import changed_days, day_names, first_few, load_days, misplaced
from backtest.lake.manifest import read_manifest
from backtest.lake.markets import chain, known_symbols
from backtest.lake.place import Place
from backtest.lake.series import SERIES, TIMEFRAMES
from backtest.lake.states import DayState, states_text
from backtest.lake.suspect import Suspect
from backtest.lake.witnesses import suspect_level, suspects_of
from backtest.mechanics.exact import Ints
from backtest.times import Window, days_between, find_gaps, runs_of

if TYPE_CHECKING:
    from pathlib import Path

    import polars as pl

    from backtest.catalogue.events import CrashEvent

WORKERS = 4
MINUTE_US = 60_000_000
NO_TIMES: Ints = np.array([], dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Holding:
    """One place of the lake, counted; ``expected`` is None where the series has no clock.

    Attributes
    ----------
    stale_marks
        Funding times without a mark bar opened in the 15 minutes before; None if there is no mark or no funding.
    sources
        Where the rows come from, as stored in the files.
    changed
        Days whose rows are not those that were entered in the journal; None if not looked at.
    faults
        Rules that are broken.
    suspects
        Values that nothing around them bears out; not looked for where a rule is broken.
    note
        Anything else a reader must know.
    states
        State of each day whose file tells it.
    """

    place: Place
    expected: int | None
    facts: Facts
    stale_marks: int | None = None
    sources: tuple[str, ...] = ()
    changed: tuple[dt.date, ...] | None = None
    faults: tuple[str, ...] = ()
    suspects: tuple[Suspect, ...] = ()
    note: str = ""
    states: Mapping[dt.date, DayState | None] = field(default_factory=dict)

    @property
    def absent(self) -> bool:
        """Return whether this stands for a coin without trade bars at any venue."""
        return not self.place.venue

    def row(self) -> dict[str, Any]:
        """Return a row of the table of ``crashbook data``."""
        place, facts, clock = self.place, self.facts, self.expected is not None
        changed = f"changed since it was entered: {first_few(map(str, self.changed))}" if self.changed else ""
        return {
            "series": place.series,
            "venue": place.venue,
            "symbol": place.symbol,
            "timeframe": place.timeframe,
            "expected": self.expected,
            "rows": facts.rows,
            "missing": facts.missing if clock else None,
            "gaps": len(facts.gaps) if clock else None,
            "longest_gap_s": facts.longest_gap_s if clock else None,
            "gap_times": gaps_text(facts.gaps),
            "duplicates": facts.duplicates,
            "stale_marks": self.stale_marks,
            "suspects": len(self.suspects),
            "worst_suspect": max(self.suspects, key=lambda each: each.severity).text() if self.suspects else "",
            "first_ts": facts.first,
            "last_ts": facts.last,
            "source": ", ".join(self.sources),
            "sha256": facts.sha256,
            "state": states_text(self.states.items()),
            "changed": None if self.changed is None else len(self.changed),
            "note": "; ".join(text for text in (*self.faults, changed, self.note) if text),
        }


HEADER = tuple(Holding(Place("", "", "ohlcv", "1m"), None, Facts()).row())


def holdings(event: CrashEvent | None = None, *, journal: bool = True) -> list[Holding]:
    """Return the places of the lake, counted: those of an event, or all.

    Parameters
    ----------
    event
        Only its window, coins and venues; files of other days are not opened.
    journal
        Compare every day with its digest in the journal, which takes as long as all else together.
    """
    refresh()
    entries = read_manifest() if journal else None
    places = lake_places() if event is None else event_places(event)
    with ThreadPoolExecutor(WORKERS) as workers:  # most of the work is reading and hashing, outside the interpreter
        stretches = [(place, stretch) for place in places for stretch in _stretches(place, event)]
        held = [*workers.map(lambda one: _hold(one[0], one[1], event, entries), stretches)]
    marks: dict[tuple[str, str], list[Ints]] = {}
    for holding, opens in held:
        if holding and holding.place.series == "mark_ohlcv":
            marks.setdefault(holding.place.market, []).append(opens)
    out = [_with_marks(holding, opens, marks.get(holding.place.market)) for holding, opens in held]
    return out if event is None else [*_absent(event, out), *out]


def _with_marks(holding: Holding, times: Ints, marks: Sequence[Ints] | None) -> Holding:
    """Compare funding times with the opens of the same market's mark bars."""
    if holding.place.series != "funding":
        return holding
    if not marks:
        return replace(holding, note="there are no mark bars to compare the funding times with")
    return replace(holding, stale_marks=count_stale(times, np.sort(np.concatenate(marks))))


def lake_places() -> list[Place]:
    """Return every folder of days on disk; a folder whose name this program would not give is not of the lake."""
    found = []
    for series in SERIES.values():
        frames = TIMEFRAMES if series.bars else ("",)
        for folder in sorted(inside(lake_folder(), series.name).glob("venue=*/symbol=*")):
            venue, symbol = (unquote(part.partition("=")[2]) for part in folder.parts[-2:])
            places = [Place(venue, symbol, series.name, frame) for frame in frames]
            found += [
                place
                for place in places
                if place.folder.is_dir()
                and folder in {place.folder, place.folder.parent}
                and not link_on_the_way(lake_folder(), place.folder)
            ]
    return found


def event_places(event: CrashEvent) -> list[Place]:
    """Return the folders of an event's coins: the venues a fetch asks in their order, then any other in the lake."""
    places = lake_places()
    venues = list(dict.fromkeys((*chain(event), *(place.venue for place in places))))
    names = [(venue, symbol) for coin in event.coins for venue in venues for symbol in known_symbols(venue, coin)]
    by_name: dict[tuple[str, str, str], list[Place]] = {}
    for place in places:
        by_name.setdefault((place.series, place.venue, place.symbol), []).append(place)
    return [place for series in SERIES for name in names for place in by_name.get((series, *name), [])]


def _absent(event: CrashEvent, held: Sequence[Holding]) -> Iterator[Holding]:
    """Give a row for each coin of an event without trade bars."""
    there = {
        (each.place.venue, each.place.symbol)
        for each in held
        if SERIES[each.place.series].needed and each.place.timeframe == "1m" and each.facts.rows
    }
    for coin in event.coins:
        if not any(symbol in known_symbols(venue, coin) for venue, symbol in there):
            gap = (event.start, event.end)
            length_s = int((event.end - event.start).total_seconds())
            facts = Facts(missing=length_s // 60, longest_gap_s=length_s, gaps=(gap,))
            note = f"no venue has trade bars of the window; crashbook fetch {event.id}"
            yield Holding(Place("", coin, "ohlcv", "1m"), length_s // 60, facts, note=note)


@dataclass(frozen=True, slots=True)
class _Stretch:
    """Days of a folder that make one row: their files, files not named by a day, and the window they should fill."""

    files: Mapping[dt.date, Path]
    unnamed: Sequence[str]
    window: Window | None


def _stretches(place: Place, event: CrashEvent | None) -> Iterator[_Stretch]:
    """Give the rows of a folder: the window of an event if it has a day of it, else every run of neighbouring days."""
    files, unnamed = day_names(place.folder)
    if SERIES[place.series].state:
        if files or unnamed:
            yield _Stretch(files, unnamed, None)
        return
    if event is not None:
        window = (event.start, event.end)
        mine = {day: path for day, path in files.items() if day in set(days_between(*window))}
        if mine:
            yield _Stretch(mine, unnamed, window)
        return
    if not files and unnamed:
        yield _Stretch({}, unnamed, None)
    for first, end in runs_of(sorted(files)):
        mine = {day: path for day, path in files.items() if first <= day < end}
        yield _Stretch(mine, unnamed, (dt.datetime.combine(first, dt.time()), dt.datetime.combine(end, dt.time())))


def _hold(
    place: Place, stretch: _Stretch, event: CrashEvent | None, entries: Mapping[str, Mapping[str, Any]] | None
) -> tuple[Holding, Ints]:
    """Return a stretch of a place, counted, and the times of its rows in microseconds."""
    import polars as pl

    files, unnamed, window = stretch.files, stretch.unnamed, stretch.window
    loaded = load_days(place.series, files)
    changed = None if entries is None else tuple(changed_days(loaded, files, entries))
    faults = [*loaded.faults.values(), *misplaced(loaded)]
    frame = loaded.frame
    if window and (event or faults):  # else all rows lie in it
        frame = frame.filter(pl.col("ts").is_null() | pl.col("ts").is_between(*window, closed="left"))
    measured = _measure(place, frame, window, _times(place, loaded.frame))
    faults += [measured.fault] if measured.fault else []
    if unnamed:
        faults.append(f"not named by a day: {first_few(unnamed)}")
    holding = Holding(
        place=place,
        expected=measured.expected,
        facts=measured.facts,
        sources=loaded.sources,
        changed=changed,
        faults=tuple(faults),
        suspects=() if measured.fault else (*suspect_level(place, measured.kept), *suspects_of(place, measured.kept)),
        states=loaded.states,
    )
    # marks of the whole first day may be those of the window's first funding time
    kept = {"mark_ohlcv": loaded.frame, "funding": frame}.get(place.series)
    return holding, NO_TIMES if kept is None else _times(place, kept)


def _times(place: Place, frame: pl.DataFrame) -> Ints:
    """Return the times of rows in microseconds; venues stamp statistics and funding some milliseconds late."""
    ts: Ints = frame["ts"].drop_nulls().to_physical().to_numpy()
    return ts if SERIES[place.series].bars else np.unique((ts + MINUTE_US // 2) // MINUTE_US * MINUTE_US)


@dataclass(frozen=True, slots=True)
class _Measured:
    """Intervals expected of a stretch (None without a clock), its rows, their facts, and the rule they break."""

    expected: int | None
    kept: pl.DataFrame
    facts: Facts
    fault: str


def _measure(place: Place, frame: pl.DataFrame, window: Window | None, times: Ints) -> _Measured:
    """Count the rows of a stretch and check the rules of their series.

    Parameters
    ----------
    times
        Those of all days opened: they show the step even where the window holds one row.
    """
    step = step_s(place, times)
    grid = on_grid(window, times, step) if window and step else None
    bar_s, fault = place.bar_s, ""
    try:
        kept, facts = _check(place, frame, grid)
    except DataError as error:  # "series: symbol: fault; allowed: ...; fix"
        fault = str(error).removeprefix(f"{place.series}: {place.symbol}: ").split("; ")[0]
        kept = frame.drop_nulls("ts").sort("ts", maintain_order=True).unique("ts", keep="first", maintain_order=True)
        facts = describe(kept, 0, bar_s, grid)
        again = frame.height - frame.unique().height
        facts = replace(facts, rows=frame.height, duplicates=again, sha256=rows_digest(frame))
    if grid and not bar_s:
        gaps = find_gaps(_times(place, frame), grid, step)
        lengths = [int((end - start).total_seconds()) for start, end in gaps]
        facts = replace(facts, gaps=gaps, missing=sum(lengths) // step, longest_gap_s=max(lengths, default=0))
    expected = int((grid[1] - grid[0]).total_seconds()) // step if grid else None
    return _Measured(expected, kept, facts, fault)


def _check(place: Place, frame: pl.DataFrame, grid: Window | None) -> tuple[pl.DataFrame, Facts]:
    """Apply the rules of a series, those of a replay where it has any.

    Raises
    ------
    DataError
        A rule is broken.
    """
    import polars as pl

    series = SERIES[place.series]
    bar_s, key = place.bar_s, series.key
    if series.rules:
        return check_rows(frame, series.rules, place.symbol, series.name, bar_s=bar_s, window=grid)
    kept = frame.unique(maintain_order=True) if key else frame
    if frame["ts"].null_count():
        raise DataError(f"a time that cannot be read ({frame['ts'].null_count()} such rows)")
    if series.ordered and (frame["ts"].diff() < dt.timedelta(0)).any():
        late = frame.filter(pl.col("ts").diff() < dt.timedelta(0))
        raise DataError(f"time running backwards at {late['ts'][0].isoformat()} ({late.height} such rows)")
    if key and kept.n_unique(key) < kept.height:
        raise DataError(f"{kept.height - kept.n_unique(key)} rows contradict another of the same {' and '.join(key)}")
    for day in kept.partition_by("ts", maintain_order=True) if series.fault else ():
        if series.fault and (wrong := series.fault(day)):
            raise DataError(f"{wrong.partition(';')[0]} on {day['ts'][0]:%Y-%m-%d}")
    return kept, describe(kept, frame.height - kept.height, bar_s, grid)
