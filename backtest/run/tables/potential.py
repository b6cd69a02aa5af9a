"""The ``potential`` table: liquidations ahead of the price against what the book takes for the same move."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from backtest.engine.potential import MOVE, closes
from backtest.engine.world import LONG
from backtest.mechanics.exact import Floats, Ints
from backtest.mechanics.impact import absorbed
from backtest.run.tables.arrow import nullable, side_name
from backtest.run.tables.shared import Columns, Shared


def potential(s: Shared) -> tuple[int, Columns]:
    """Return the columns of ``potential``: one row per bar and symbol, symbols within a bar in order."""
    walk, symbols = s.world.walk, len(s.symbols)
    bars = int(walk.bar[-1]) + 1
    ends = closes(s.done.outcome.prices, 0, bars - 1)
    mark, side = np.ascontiguousarray(ends.mark.T), np.ascontiguousarray(ends.side.T)
    ahead = np.zeros((bars, symbols), dtype=np.int64)
    for row in s.record.ahead:
        ahead[row.bar, row.symbol] = row.lots
    value_per_lot = np.stack([s.world.contracts[k].values_per_lot(mark[:, k]) for k in range(symbols)], axis=1)
    room = np.stack([_room(s, k, side[:, k]) for k in range(symbols)], axis=1) * (value_per_lot / 1e6)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = ahead * (value_per_lot / 1e6) / room
    first = s.bar_ts[:: walk.parts]
    return bars * symbols, {
        "bar_ts": np.repeat(first, symbols).astype("datetime64[us]"),
        "symbol": s.symbol(np.tile(np.arange(symbols), bars)),
        "side": side_name(side.ravel()),
        "mark_px": (mark * s.mark_unit).ravel(),
        "ahead_lots": ahead.ravel(),
        "ahead_usd": (ahead * value_per_lot).ravel(),
        "absorbed_usd": nullable(room.ravel(), ~np.isfinite(room.ravel())),
        "potential": nullable(ratio.ravel(), ~np.isfinite(ratio.ravel())),
    }


def _room(s: Shared, symbol: int, side: Ints) -> Floats:
    """Return the lots whose impact is the move, bar by bar; infinite where no number of lots moves the price."""
    rules, world = s.world.rules, s.world
    scale, move = rules.scale[symbol], Fraction(1, MOVE)
    volume = world.volume[symbol].astype(np.float64) * float(scale)
    if not world.order_books:
        whole = absorbed(rules.impact, rules.strength, move, Fraction(1))
        return np.full(len(volume), np.inf) if whole is None else volume * float(whole)
    found = [
        absorbed(rules.impact, rules.strength, move, Fraction(0), world.bands(symbol, bar, -LONG * int(sign), scale))
        for bar, sign in enumerate(side.tolist())
    ]
    return np.array([np.inf if lots is None else float(lots) for lots in found])
