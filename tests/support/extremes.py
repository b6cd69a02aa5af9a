"""What the tests of extreme tapes share: bars to bend, books to break, and all that must hold of a finished run."""

from __future__ import annotations

import datetime as dt
import itertools
import math
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import polars as pl

from backtest.lake.place import Place
from backtest.lake.series import schema_of
from backtest.lake.write import write_day
from backtest.report import render_html
from backtest.run.execute import execute
from backtest.run.prepare import prepare
from backtest.run.resolve import resolve
from backtest.run.run import StoredRun
from backtest.run.summary import block
from backtest.scenario.reading import check_values
from backtest.schema.tables import TABLES
from backtest.venue.reading import get_venue, host_of, venue_names
from tests.support.plain import LONG_STEPS

EVENT = "2026-01-19"
START = dt.datetime.fromisoformat(f"{EVENT}T04:24:00")
COIN_MARGINED = tuple(name for name in venue_names() if get_venue(name).face("BTC"))  # one coin a run
VENUES = tuple(name for name in venue_names() if name not in COIN_MARGINED)
EVERY = bool(os.environ.get("CRASHBOOK_EVERY_TAPE"))
COINS = ("BTC", "SOL")
FIRST = {"BTC": 50_000.0, "SOL": 100.0}
MINUTES = 12
NO_WORDS = re.compile(r"<style>.*?</style>|<script>.*?</script>|data:[^\"')]*|<[^>]*>", re.DOTALL)
NOT_FINITE = re.compile(r".{0,40}\b(?:nan|inf|infinity)\b.{0,40}", re.IGNORECASE)
Bars = dict[str, list[list[float]]]
ROW = {"account": "", "symbol": "BTC", "side": "long", "quantity_base": 0.0, "entry_px": 50_000.0,
       "collateral_usd": 0.0, "margin_mode": "isolated"}  # fmt: skip


def paired(venues: Sequence[str], cases: Iterable[Any], shift: int = 0) -> list[tuple[str, Any]]:
    """Return pairs in which each venue and each case stands at least once; all with ``CRASHBOOK_EVERY_TAPE``."""
    cases = list(cases)
    if EVERY:
        return list(itertools.product(venues, cases))
    many = max(len(venues), len(cases))
    return [(venues[(k + shift) % len(venues)], cases[k % len(cases)]) for k in range(many)]


def some(*venues: str) -> Sequence[str]:
    """Return the venues given, one for each kind of rule that a tape meets; all with ``CRASHBOOK_EVERY_TAPE``."""
    return VENUES if EVERY else venues


def walking(minutes: int = MINUTES, volume: float = 20.0, fall: float = 0.99) -> Bars:
    """Return sound bars: two minutes flat, then a fall of 1 % a minute, and a return to the first price at the end."""
    out: Bars = {}
    for coin in COINS:
        ends = [FIRST[coin] * (1 if minute < 2 else fall ** min(minute - 1, 8)) for minute in range(minutes)]
        ends[-2:] = [FIRST[coin]] * 2
        ends = [round(price, 1) for price in ends]
        starts = [ends[0], *ends[:-1]]
        out[coin] = [[a, max(a, b), min(a, b), b, volume * 50_000 / FIRST[coin]]
                     for a, b in zip(starts, ends, strict=True)]  # fmt: skip
    return out


def spiked(bars: Bars, bar: int, low: float | None = None, high: float | None = None) -> Bars:
    """Return bars with one whose extremes lie elsewhere: a price that comes back within the minute."""
    out = {coin: [list(row) for row in rows] for coin, rows in bars.items()}
    for rows in out.values():
        rows[bar][1], rows[bar][2] = high or rows[bar][1], rows[bar][2] if low is None else low
    return out


def jumped(bars: Bars, first: int, factors: Sequence[float]) -> Bars:
    """Return bars that stand still, from ``first`` on at a multiple of the first price each: gaps and nothing else."""
    out = {coin: [list(row) for row in rows] for coin, rows in bars.items()}
    for coin, rows in out.items():
        prices = [1.0] * first + list(factors) + [factors[-1]] * (len(rows) - first - len(factors))
        for row, factor in zip(rows, prices, strict=True):
            row[:4] = [round(FIRST[coin] * factor, 1)] * 4
    return out


def without_volume(bars: Bars, minutes: range) -> Bars:
    """Return bars with nothing traded in some minutes: the venue is down, its marks move on."""
    return {
        coin: [[*row[:4], 0.0 if minute in minutes else row[4]] for minute, row in enumerate(rows)]
        for coin, rows in bars.items()
    }


def store(venue: str, bars: Bars, series: str = "ohlcv", minutes: Mapping[str, range] | None = None) -> None:
    """Put bars into the lake under a venue's own symbols; ``minutes`` are those kept of a coin."""
    for coin, rows in bars.items():
        kept = (minutes or {}).get(coin, range(len(rows)))
        frame = pl.DataFrame(
            {
                "ts": [START + dt.timedelta(minutes=minute) for minute in kept],
                **{name: [rows[minute][k] for minute in kept]
                   for k, name in enumerate(("open", "high", "low", "close", "volume"))},
            },
            schema_overrides={"ts": pl.Datetime("us")},
        )  # fmt: skip
        write_day(frame, Place(host_of(venue), get_venue(venue).symbol(coin), series), START.date())


def store_funding(venue: str, every: int, minutes: int, rates: Sequence[float]) -> None:
    """Put funding rates into the lake, one in so many minutes, in turn."""
    times = [START + dt.timedelta(minutes=minute) for minute in range(0, minutes, every)]
    given = [rates[k % len(rates)] for k in range(len(times))]
    for coin in COINS:
        frame = pl.DataFrame({"ts": times, "rate": given}, schema=schema_of("funding"))
        write_day(frame, Place(host_of(venue), get_venue(venue).symbol(coin), "funding"), START.date())


def row(
    account: str, side: str, size: float, leverage: float = 5.0, coin: str = "BTC", **values: Any
) -> dict[str, Any]:
    """Return a position of an imported book, entered at the first price."""
    entry = {"symbol": coin, "side": side, "quantity_base": size, "entry_px": FIRST[coin]}
    return {**ROW, **entry, "account": account, "collateral_usd": round(size * FIRST[coin] / leverage, 2), **values}


def fields(venue: str, minutes: int = MINUTES, **changes: Any) -> dict[str, Any]:
    """Return a small scenario on the stored bars."""
    start, end = START, START + dt.timedelta(minutes=minutes)
    small = {"venue": venue, "coins": COINS, "positions": 200, "start": start, "end": end, "positions_per_account": 2.0,
             "open_interest_usd": 2e6, "mark_half_life_s": 0.0, **LONG_STEPS}  # fmt: skip
    return check_values({**small, **changes}, "test")


def replayed(
    venue: str, positions: Sequence[Mapping[str, Any]] = (), minutes: int = MINUTES, **changes: Any
) -> StoredRun:
    """Replay the stored bars under a profile, with an imported book if there are positions; no price is too odd."""
    book = pl.DataFrame(list(positions)) if positions else None
    changes = {"allow_suspect": True} | changes
    return execute(prepare(resolve(EVENT, fields(venue, minutes, **changes)), book), fresh=True)


def sound(run: StoredRun, page: str | None = None) -> StoredRun:
    """Assert all that holds of every run: audits, conservation, finite figures, a page with given words; return it."""
    assert [audit.name for audit in run.audits() if not audit.passed] == []
    assert set(run.steps["residual_usd"]) == {Decimal(0)}
    for name in (name for name in TABLES if run.meta.tables[name].rows):
        frame: pl.DataFrame = getattr(run, name)
        for column in frame.select(pl.selectors.float()):
            assert column.is_finite().all(), (name, column.name)
    words = f"{block(run)} {' '.join(run.meta.notes)} {' '.join(run.meta.assumptions)}"
    if page is not None:
        text = NO_WORDS.sub(" ", render_html(run))
        assert page in text
        words += text
    assert not NOT_FINITE.findall(words)
    return run


def uncovered(run: StoredRun) -> Decimal:
    """Return the losses that nobody bore, as the ledger has them."""
    value = run.summary()["uncovered_usd"]
    assert value is not None
    assert math.isfinite(value)
    return Decimal(value)


def fates(run: StoredRun) -> list[tuple[Any, ...]]:
    """Return what became of every position."""
    return run.positions.sort("position_id").select("final_lots", "final_cash_usd").rows()
