"""Two instruments, a tier table and a scenario, small enough to check by hand."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import numpy as np
import numpy.typing as npt

from backtest.book.book import PositionBook
from backtest.book.synthesis import synthesize
from backtest.mechanics.margin import Tiers, deductions
from backtest.scenario.fields import PARAMS, Scenario
from backtest.scenario.values import build
from backtest.scenario.watched import WatchedPosition
from backtest.venue.instrument import Instrument
from backtest.venue.margin_table import MarginSchedule
from tests.support.plain import PLAIN_BOOK

USD = 10**6
BTC = Instrument.of("BTC/USDT:USDT", "BTC", tick=Decimal("0.1"), lot=Decimal("0.001"))
SOL = Instrument.of("SOL/USDT:USDT", "SOL", tick=Decimal("0.01"), lot=Decimal("0.01"))
XRP = Instrument.of("XRP/USDT:USDT", "XRP", tick=Decimal("0.0001"), lot=Decimal("0.1"))
FIRST = {"BTC": 1_000_000, "SOL": 20_000, "XRP": 25_000}  # 100,000 and 200 and 2.5 USD, in mark quanta

FLOORS = [0, 50_000 * USD, 1_000_000 * USD]
RATES = [4_000_000, 10_000_000, 50_000_000]
TIERS = MarginSchedule(Tiers.of(list(zip(FLOORS, RATES, deductions(FLOORS, RATES), strict=True))), (100.0, 20.0, 5.0))

FILLER = {"text": "none", "float": 1.0, "int": 0, "coins": ("BTC",), "per_coin": 1.0, "vaults": ()}


def scenario(**fields: Any) -> Scenario:
    """Return a scenario of a plain book and the fields given; rules that play no part hold fillers."""
    values = {
        param.name: FILLER[param.kind] if isinstance(param.default, str) and param.kind in FILLER else param.default
        for param in PARAMS
        if param.name != "open_interest_usd"
    }
    return build(values | PLAIN_BOOK | {"open_interest_usd": 1e7, "positions": 100} | fields)


def watched(
    name: str, coin: str, side: Any, size_base: float, entry_px: float, leverage: float, **more: Any
) -> WatchedPosition:
    """Return a position of mine to follow."""
    return WatchedPosition(
        name=name, coin=coin, side=side, size_base=size_base, entry_px=entry_px, leverage=leverage, **more
    )


def marks(*instruments: Instrument) -> npt.NDArray[np.int64]:
    """Return the first mark of each instrument, in mark quanta."""
    return np.array([FIRST[item.coin] for item in instruments])


def draw(
    instruments: Sequence[Instrument] = (BTC,),
    seed: int = 1,
    profiles: Sequence[Any] | None = None,
    reach_frac: float = 0.0,
    lows: Any = None,
    tiers: MarginSchedule = TIERS,
    inclusive: bool = False,
    **fields: Any,
) -> PositionBook:
    """Draw a book; ``reach_frac`` is how far the mark had been from the first one, each way, unless ``lows`` says."""
    mark0 = marks(*instruments)
    return synthesize(
        scenario(coins=tuple(item.coin for item in instruments), **fields),
        instruments,
        [tiers] * len(instruments),
        mark0,
        profiles=profiles or [None] * len(instruments),
        lows=np.rint(mark0 * (1 - reach_frac)).astype(np.int64) if lows is None else lows,
        highs=np.rint(mark0 * (1 + reach_frac)).astype(np.int64),
        inclusive=inclusive,
        rng=np.random.Generator(np.random.PCG64(seed)),
    )


def rows_of(book: PositionBook, symbol: int, side: int) -> dict[str, npt.NDArray[np.int64]]:
    """Return the columns of one side of a symbol."""
    mine = (book.symbol == symbol) & (book.side == side)
    return {name: getattr(book, name)[mine] for name in ("account_id", "lots", "entry_value", "collateral", "cohort")}
