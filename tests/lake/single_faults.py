"""Faults of one field, put into real bars at random: which of them rules and plausibility notice.

``python -m tests.lake.single_faults --cases 10000 --seed 1`` prints the share noticed by fault, field and place, and
the smallest isolated wick that is noticed. Places are quiet (ranges below the lower quartile of the file) or crash
(above the upper decile). Bars are the sample's, and those of ``../shared/data`` where it exists.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import polars as pl

from backtest.assets import asset
from backtest.errors import DataError
from backtest.lake.checks import check_bars
from backtest.lake.plausible import judge_bars, judge_rates
from backtest.lake.series import BAR_COLUMNS

SHARED = Path(__file__).parents[3] / "shared" / "data"
PRICES = BAR_COLUMNS[1:5]
AROUND = 120  # bars on either side that are judged with a faulty one
FACTORS = {"0": 0.0, "x0.01": 0.01, "x0.1": 0.1, "x10": 10.0, "x100": 100.0}
Cells = dict[str, float]


@dataclass(frozen=True)
class Tape:
    """Real bars of a file with the seconds of a bar, and the rows of quiet and of crash."""

    name: str
    bars: pl.DataFrame
    bar_s: int

    @property
    def places(self) -> dict[str, np.ndarray]:
        """Return rows of narrow and of wide bars that traded, away from the ends."""
        ranges = np.log((self.bars["high"] / self.bars["low"]).to_numpy())
        inside = np.arange(len(ranges))
        inside = (inside > 0) & (inside < len(ranges) - 1) & (ranges > 0)
        low, high = np.quantile(ranges, (0.25, 0.9))
        return {"quiet": np.flatnonzero(inside & (ranges <= low)), "crash": np.flatnonzero(inside & (ranges >= high))}


def sample_tapes() -> list[Tape]:
    """Return the bars of the committed sample."""
    return [Tape(path.stem, _bars(pl.read_csv(path)), 60) for path in sorted(asset("data", "sample").glob("*.csv"))]


def shared_files() -> list[Path]:
    """Return all files of bars of the folder of shared data, none where it does not exist."""
    return sorted((SHARED / "ohlcv").glob("*/*/*/*.parquet"))


def shared_tapes(files: Sequence[Path]) -> Iterator[Tape]:
    """Give the bars of files of the folder of shared data."""
    for path in files:
        bars = _bars(pl.read_parquet(path))
        step = bars["ts"].diff().median()
        yield Tape(path.relative_to(SHARED).as_posix(), bars, int(step.total_seconds()))  # type: ignore[union-attr]


def _bars(frame: pl.DataFrame) -> pl.DataFrame:
    ts = pl.from_epoch("ts", "ms").cast(pl.Datetime("us"))
    return frame.select(ts, pl.col(BAR_COLUMNS[1:]).cast(pl.Float64))


@cache
def minute_tapes() -> tuple[Tape, ...]:
    """Return minute bars of trades: the sample, and those of Binance's perpetuals where shared data exist."""
    wanted = (SHARED / "ohlcv").glob("binance-usdm/*/trade/*_1m.parquet")
    return (*sample_tapes(), *shared_tapes(sorted(wanted)))


def scaled(field: str, factor: float) -> Callable[[Cells, Cells], Cells]:
    """Return the fault that multiplies a field."""
    return lambda bar, before: bar | {field: bar[field] * factor}


def swapped(one: str, other: str) -> Callable[[Cells, Cells], Cells]:
    """Return the fault that exchanges two fields."""
    return lambda bar, before: bar | {one: bar[other], other: bar[one]}


FAULTS: dict[str, Callable[[Cells, Cells], Cells]] = {
    **{f"{field} {name}": scaled(field, factor) for field in PRICES for name, factor in FACTORS.items()},
    **{f"volume {name}": scaled("volume", factor) for name, factor in FACTORS.items()},
    "volume x1000": scaled("volume", 1000.0),
    "volume negative": scaled("volume", -1.0),
    "whole bar x0.1": lambda bar, before: bar | {name: bar[name] * 0.1 for name in PRICES},
    "whole bar x10": lambda bar, before: bar | {name: bar[name] * 10 for name in PRICES},
    "whole bar 0": lambda bar, before: bar | dict.fromkeys(PRICES, 0.0),
    "high and low swapped": swapped("high", "low"),
    "open and high swapped": swapped("open", "high"),
    "low and volume swapped": swapped("low", "volume"),
    "open and close swapped": swapped("open", "close"),
    "stale bar": lambda bar, before: dict(before),
    "stale close": lambda bar, before: bar | {"close": min(max(before["close"], bar["low"]), bar["high"])},
}


def noticed(tape: Tape, row: int, fault: Callable[[Cells, Cells], Cells]) -> bool | None:
    """Return whether a fault in a row is refused or doubted at its own place; None where it changes nothing."""
    start = max(row - AROUND, 0)
    window = tape.bars.slice(start, AROUND + row - start + 1)
    at = row - start
    bar, before = (dict(zip(BAR_COLUMNS[1:], window.row(k)[1:], strict=True)) for k in (at, at - 1))
    wrong = fault(bar, before)
    if wrong == bar:
        return None
    spoilt = window.with_columns(
        pl.when(pl.int_range(pl.len()) == at).then(wrong[name]).otherwise(pl.col(name)).alias(name) for name in wrong
    )
    try:
        check_bars(spoilt, "a coin", tape.bar_s, "a tape")
    except DataError:
        return True
    return any(suspect.ts == window["ts"][at] for suspect in judge_bars(spoilt, tape.bar_s))


def measure(cases: int, seed: int, tapes: Sequence[Tape] | None = None) -> dict[tuple[str, str], tuple[int, int]]:
    """Return how many of how many faults were noticed, by fault and place."""
    rng = np.random.default_rng(seed)
    tapes = minute_tapes() if tapes is None else tapes
    places = [tape.places for tape in tapes]
    hits: Counter[tuple[str, str]] = Counter()
    tried: Counter[tuple[str, str]] = Counter()
    kinds = [(name, where) for name in FAULTS for where in ("quiet", "crash")]
    for case in range(cases):
        name, where = kinds[case % len(kinds)]
        number = int(rng.integers(len(tapes)))
        row = int(rng.choice(places[number][where]))
        found = noticed(tapes[number], row, FAULTS[name])
        if found is not None:
            tried[name, where] += 1
            hits[name, where] += found
    return {kind: (hits[kind], tried[kind]) for kind in kinds}


def shared_rates() -> list[pl.DataFrame]:
    """Return the funding rates of the folder of shared data, none where it does not exist."""
    files = sorted((SHARED / "funding").glob("*/*.parquet"))
    ts = pl.from_epoch("ts", "ms").cast(pl.Datetime("us"))
    return [pl.read_parquet(path).select(ts, rate="funding_rate").drop_nulls() for path in files]


def measure_rates(cases: int, seed: int) -> tuple[int, int]:
    """Return how many of how many real rates are noticed when a hundred times too large, as in percent."""
    rng = np.random.default_rng(seed)
    tables, hits = shared_rates(), 0
    for _ in range(cases if tables else 0):
        table = tables[int(rng.integers(len(tables)))]
        row = int(rng.integers(4, table.height - 4))
        near = table.slice(row - 4, 9)
        rates = near["rate"].to_list()
        rates[4] *= 100
        found = judge_rates(near.with_columns(rate=pl.Series(rates)))
        hits += any(suspect.ts == near["ts"][4] for suspect in found)
    return hits, cases if tables else 0


def smallest_wicks(cases: int, seed: int, tapes: Sequence[Tape] | None = None) -> dict[str, list[float]]:
    """Return, by place, the smallest fall of one low that is noticed at random rows, as fractions, in order."""
    rng = np.random.default_rng(seed)
    tapes = minute_tapes() if tapes is None else tapes
    found: dict[str, list[float]] = {"quiet": [], "crash": []}
    for case in range(cases):
        where = ("quiet", "crash")[case % 2]
        tape = tapes[int(rng.integers(len(tapes)))]
        row = int(rng.choice(tape.places[where]))
        low, high = 0.0, 1.0
        for _ in range(9):
            middle = (low + high) / 2
            low, high = (low, middle) if noticed(tape, row, scaled("low", 1 - middle)) else (middle, high)
        found[where].append(high)
    return {where: sorted(each) for where, each in found.items()}


def main(words: list[str] | None = None) -> None:
    """Print rates of detection."""
    parser = argparse.ArgumentParser(prog="python -m tests.lake.single_faults", description=__doc__)
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args(words)
    print(f"seed {asked.seed}, {asked.cases} cases, {len(minute_tapes())} files")
    for (name, where), (hits, tried) in measure(asked.cases, asked.seed).items():
        print(f"{name:24} {where:6} {hits:5} of {tried:5}  {hits / max(tried, 1):6.1%}")
    hits, tried = measure_rates(asked.cases // 10, asked.seed)
    print(f"rate x100: {hits} of {tried}")
    for where, wicks in smallest_wicks(max(asked.cases // 50, 2), asked.seed).items():
        shown = ", ".join(f"{wicks[round(share * (len(wicks) - 1))]:.1%}" for share in (0, 0.05, 0.5, 0.95, 1))
        print(f"smallest wick noticed, {where}: {shown} (least, 5 %, median, 95 %, most)")


if __name__ == "__main__":
    main()
