"""The snapshot to roll from, the fills after it and the snapshot after them: of parts on disk, or of a folder."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from backtest.errors import DataError, UsageError
from backtest.fetch.reservoir.layout import DATASETS, DEX
from backtest.fetch.reservoir.parquet import Part, open_part
from backtest.fetch.reservoir.place import Folder, Listed
from backtest.fetch.reservoir.plan import LOOK_BACK, snapshot_time
from backtest.fetch.reservoir.pull import folder_of, gathered, part_paths, read_part, read_parts
from backtest.times import DAY, Window, days_between

if TYPE_CHECKING:
    import polars as pl

SNAPSHOTS = "global/snapshots/perp/all"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Positions and account values of one time."""

    at: dt.datetime
    positions: pl.DataFrame
    values: pl.DataFrame | None


@dataclass(frozen=True, slots=True)
class Rollable:
    """What a roll takes; ``later`` is the next snapshot, where the fills up to it are there too."""

    first: Snapshot
    fills: pl.DataFrame | None
    later: Snapshot | None


def of_parts(event: str, to: dt.datetime, on: dt.date | None = None) -> Rollable | None:
    """Return the last snapshot before a time that ``crashbook fetch`` has read for an event; None if there is none.

    Parameters
    ----------
    on
        Only of this day.

    Raises
    ------
    DataError
        Snapshots are there, but all are of another day or later, or one is damaged.
    """
    times = {path: snapshot_time(path.stem.rpartition("-")[2]) for path in part_paths(event, "positions")}
    if not times:
        return None
    fit = [at for at in times.values() if at < to and on in {None, at.date()}]
    if not fit:
        known = ", ".join(f"{at:%Y-%m-%d %H:%M:%S}" for at in sorted(set(times.values())))
        asked = f"of {on} before {to}" if on else f"before {to}"
        raise DataError(f"no snapshot {asked} is on disk for {event}; there are {known}; give --from or --to to fit")
    at = max(fit)
    rows = [read_part(path) for path, time in times.items() if time == at]
    return Rollable(Snapshot(at, _joined(rows), read_parts(event, "account_values")), read_parts(event, "fills"), None)


def of_folder(file: Path, to: dt.datetime, dexes: Sequence[str] = (DEX,)) -> Rollable:
    """Return a snapshot of an archive in a folder, with the fills after it and the snapshot after a time.

    Parameters
    ----------
    file
        A snapshot of positions, ``ROOT/global/snapshots/perp/all/date=DAY/BLOCK_MILLISECONDS.parquet``.
    to
        To where it is rolled.

    Raises
    ------
    UsageError
        The file lies in no such folder, or is later than ``to``.
    DataError
        Fills of a day between are not there, or a file is not as documented.
    """
    where, at = file.absolute(), snapshot_time(file.name)
    root = where.parents[5] if len(where.parents) > 5 else where.parent
    if where.parent.parent != root / SNAPSHOTS or not where.is_file():
        layout = f"ARCHIVE/{SNAPSHOTS}/date=DAY/BLOCK_MILLISECONDS.parquet"
        raise UsageError(f"{file.name}: no snapshot of an archive; give {layout}, an event, or the day of a snapshot")
    if at >= to:
        raise UsageError(f"{file.name}: the snapshot is of {at}, not before {to}; give an earlier one or a later --to")
    place = Folder(root)
    mine = next(each for each in _listed(place, "positions", at.date()) if each.key.endswith(file.name))
    later = _next(place, to, dexes)
    end = snapshot_time(later.key) if later else to
    fills = _fills(place, dexes, (at, end))
    after = None if later is None else _snapshot(place, later, dexes)
    return Rollable(_snapshot(place, mine, dexes), fills, after)


def events_with(day: dt.date) -> list[str]:
    """Return the events whose parts on disk have a snapshot of a day."""
    root = folder_of("x").parent
    found = sorted(root.glob(f"*/positions-*-{day.isoformat()}-*.parquet")) if root.is_dir() else []
    return list(dict.fromkeys(path.parent.name for path in found))


def _next(place: Folder, to: dt.datetime, dexes: Sequence[str]) -> Listed | None:
    """Return the first snapshot from a time on, if there are fills of all days before it."""
    for after in range(LOOK_BACK + 1):
        day = to.date() + after * DAY
        if after and not all(_listed(place, "fills", day, dex) for dex in dexes):
            return None
        found = [each for each in _listed(place, "positions", day) if snapshot_time(each.key) >= to]
        if found:
            return min(found, key=lambda each: snapshot_time(each.key))
    return None


def _listed(place: Folder, name: str, day: dt.date, dex: str = DEX) -> list[Listed]:
    return place.listing(DATASETS[name].folder.format(dex=dex, day=day))


def _fills(place: Folder, dexes: Sequence[str], window: Window) -> pl.DataFrame:
    rows = []
    for dex in dexes:
        for day in days_between(*window):
            found = _listed(place, "fills", day, dex)
            if not found:
                raise DataError(f"{place.name}: no fills of {day} at {dex}; positions cannot be rolled; add the file")
            rows += [_rows(place, "fills", each, Part(dex, (), window)) for each in found]
    return _joined(rows)


def _snapshot(place: Folder, listed: Listed, dexes: Sequence[str]) -> Snapshot:
    at = snapshot_time(listed.key)
    values = [each for each in _listed(place, "account_values", at.date()) if snapshot_time(each.key) <= at]
    last = max(values, key=lambda each: snapshot_time(each.key), default=None)
    stated = None if last is None else _rows(place, "account_values", last, Part())
    return Snapshot(at, _joined([_rows(place, "positions", listed, Part(dex)) for dex in dexes]), stated)


def _rows(place: Folder, name: str, listed: Listed, part: Part) -> pl.DataFrame:
    return gathered(open_part(place, DATASETS[name], listed, part))


def _joined(rows: Sequence[pl.DataFrame]) -> pl.DataFrame:
    import polars as pl

    return pl.concat(rows, how="vertical_relaxed")
