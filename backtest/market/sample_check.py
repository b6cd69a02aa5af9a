"""The committed sample against the same days of the lake: cells that differ, bars that one side lacks."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from backtest.catalogue.facts import Sample
from backtest.lake.markets import symbols_of
from backtest.lake.place import Place
from backtest.lake.read import read_series
from backtest.lake.series import SERIES
from backtest.market.tape import sample_bars

HEADER = ("file", "ts", "column", "sample", "lake")


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleCheck:
    """A file of the sample beside the lake.

    Attributes
    ----------
    bars, compared
        Bars of the file, and those of them that the lake has too; without any the days are not in the lake.
    rows
        One for each differing cell, with the keys of ``HEADER``; ``column`` is ``bar`` where one side lacks it.
    """

    file: str
    bars: int
    compared: int
    rows: tuple[Mapping[str, Any], ...]


def place_of(sample: Sample) -> Place:
    """Return where the lake has the bars of a file: at the venue that the sample names."""
    return Place(sample.venue, symbols_of(sample.venue, sample.coin)[0], "ohlcv")


def check_sample(samples: Iterable[Sample]) -> list[SampleCheck]:
    """Return each file of the sample beside the lake, in their order.

    Raises
    ------
    DataError
        A file of the sample or of the lake cannot be read.
    """
    return [_check(sample) for sample in dict.fromkeys(samples)]


def _check(sample: Sample) -> SampleCheck:
    ours = sample_bars((sample,), sample.start, sample.end)
    theirs = read_series(place_of(sample), sample.start, sample.end)
    joined = ours.join(theirs, on="ts", how="inner")
    if not joined.height:
        return SampleCheck(file=sample.file, bars=ours.height, compared=0, rows=())
    rows = [*_cells(joined), *_lacking(ours, theirs, "there", "none"), *_lacking(theirs, ours, "none", "there")]
    return SampleCheck(
        file=sample.file,
        bars=ours.height,
        compared=joined.height,
        rows=tuple({"file": sample.file, **row} for row in sorted(rows, key=lambda row: (row["ts"], row["column"]))),
    )


def _cells(joined: pl.DataFrame) -> list[dict[str, Any]]:
    """Return the cells of common bars that differ; the columns of the lake end in ``_right``."""
    out = []
    for name in SERIES["ohlcv"].columns:
        if name == "ts":
            continue
        other = f"{name}_right"
        differing = joined.filter(pl.col(name).ne_missing(pl.col(other))).select("ts", name, other)
        out += [_row(ts, name, repr(ours), repr(theirs)) for ts, ours, theirs in differing.iter_rows()]
    return out


def _lacking(some: pl.DataFrame, others: pl.DataFrame, sample: str, lake: str) -> list[dict[str, Any]]:
    return [_row(ts, "bar", sample, lake) for ts in some.join(others, on="ts", how="anti")["ts"]]


def _row(ts: dt.datetime, column: str, sample: str, lake: str) -> dict[str, Any]:
    return {"ts": ts, "column": column, "sample": sample, "lake": lake}
