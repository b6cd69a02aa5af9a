"""Days of the lake as they lie on disk: which files a folder has, what rows and source they hold, which are damaged."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from backtest.assets import kind_of, lake_folder
from backtest.errors import DataError
from backtest.lake.digests import rows_digest
from backtest.lake.read import read_file
from backtest.lake.series import schema_of
from backtest.lake.states import DayState, read_standing, standing_of
from backtest.mechanics.exact import Ints
from backtest.times import EPOCH

if TYPE_CHECKING:
    import polars as pl


NAMES_SHOWN = 3
FIRST_DAY = EPOCH.date()


def day_names(folder: Path) -> tuple[dict[dt.date, Path], list[str]]:
    """Return the files of a folder by the day they are named by, in order, and the names of others."""
    days, unnamed = {}, []
    for path in sorted(folder.glob("*.parquet")):
        try:
            day = dt.date.fromisoformat(path.stem)
        except ValueError:
            day = None
        if (kind := kind_of(path)) != "file":
            unnamed.append(f"{path.name} (a {kind})")
        elif day and day.isoformat() == path.stem:
            days[day] = path
        elif not path.name.startswith("."):
            unnamed.append(path.name)
    return days, unnamed


@dataclass(frozen=True, slots=True)
class Loaded:
    """Rows of the readable files in the order stored, how many each day has, and the faults of the others."""

    frame: pl.DataFrame
    rows: Mapping[dt.date, int]
    sources: tuple[str, ...]
    faults: Mapping[dt.date, str]
    states: Mapping[dt.date, DayState | None] = field(default_factory=dict)

    def days(self) -> Iterator[tuple[dt.date, pl.DataFrame]]:
        """Give the rows of each file."""
        offset = 0
        for day, rows in self.rows.items():
            yield day, self.frame.slice(offset, rows)
            offset += rows


def load_days(series: str, files: Mapping[dt.date, Path]) -> Loaded:
    """Read many files at once; one by one only if one of them cannot be read."""
    import polars as pl
    import pyarrow.parquet as pq

    kinds = schema_of(series)
    try:
        footers = {day: pq.read_metadata(path) for day, path in files.items()}
        frame = pl.read_parquet([*files.values()], columns=[*kinds], hive_partitioning=False, glob=False)
        rows = {day: each.num_rows for day, each in footers.items()}
        whole = dict(frame.schema) == kinds and sum(rows.values()) == frame.height
        standings = {day: standing_of(each.metadata) for day, each in footers.items()}
    except (KeyboardInterrupt, SystemExit, MemoryError):
        raise
    except BaseException:  # there is no file, or damaged bytes, which break the readers in many ways
        whole = False
    if whole:
        sources = dict.fromkeys(each.source for each in standings.values())
        states = {day: each.state for day, each in standings.items()}
        return Loaded(frame, rows, tuple(filter(None, sources)), {}, states)
    return _one_by_one(series, files)


def _one_by_one(series: str, files: Mapping[dt.date, Path]) -> Loaded:
    import polars as pl

    kinds = schema_of(series)
    frames, sources, faults, states = {}, [], {}, {}
    for day, path in files.items():
        try:
            frame, source = read_file(path)
        except DataError:
            faults[day] = f"{path.name} is not a whole Parquet file"
            continue
        lacking = [name for name, kind in kinds.items() if frame.schema.get(name) != kind]
        if lacking:
            faults[day] = f"{path.name} has no column {', '.join(lacking)} of the type of the series"
            continue
        frames[day] = frame.select([*kinds])
        sources.append(source)
        states[day] = read_standing(path).state
    whole = pl.concat([pl.DataFrame(schema=kinds), *frames.values()])
    rows = {day: frame.height for day, frame in frames.items()}
    return Loaded(whole, rows, tuple(filter(None, dict.fromkeys(sources))), faults, states)


def changed_days(
    loaded: Loaded, files: Mapping[dt.date, Path], entries: Mapping[str, Mapping[str, Any]]
) -> Iterator[dt.date]:
    """Give the days whose rows are not those of the journal, in order."""
    digests = {day: rows_digest(frame) for day, frame in loaded.days()}
    for day, path in files.items():
        entry = entries.get(path.relative_to(lake_folder()).as_posix(), {})
        if day not in digests or digests[day] != entry.get("sha256"):
            yield day


def misplaced(loaded: Loaded) -> Iterator[str]:
    """Give, as text, the files that hold rows of another day than their name says."""
    import polars as pl

    named = np.repeat([(day - FIRST_DAY).days for day in loaded.rows] or [0], [*loaded.rows.values()] or [0])
    misplaced = loaded.frame["ts"].dt.date().to_physical() != pl.Series(named, dtype=pl.Int32)
    if misplaced.any():
        found = occurrences(named[misplaced.arg_true().to_numpy()])
        yield first_few(
            f"{FIRST_DAY + dt.timedelta(days=day)}.parquet has {count} rows of another day" for day, count in found
        )


def occurrences(values: Ints) -> list[tuple[int, int]]:
    """Return each value with how often it occurs, in order of the values.

    Examples
    --------
    >>> occurrences(np.array([8, 4, 8]))
    [(4, 1), (8, 2)]
    """
    found, counts = np.unique(values, return_counts=True)
    return [*zip(found.tolist(), counts.tolist(), strict=True)]


def first_few(names: Iterable[str]) -> str:
    """Return the first few names and how many more there are.

    Examples
    --------
    >>> first_few("abcde")
    'a, b, c and 2 more'
    """
    listed = [*names]
    more = len(listed) - NAMES_SHOWN
    return ", ".join(listed[:NAMES_SHOWN]) + (f" and {more} more" if more > 0 else "")
