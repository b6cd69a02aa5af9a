"""ADL scores: each venue's ranking as one exact rational of integers, with a float as filter."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from backtest.mechanics.exact import QUANTA_PER_USD, Floats, Ints
from backtest.mechanics.margin import Tiers, maintenance


@dataclass(frozen=True, slots=True)
class Candidates:
    """Accounts on the opposite side, in quanta: one row each, ascending account id; floats in the filter.

    ``value`` is lots at mark, ``pnl`` unrealised profit without funding, ``equity`` cash plus signed value, funding
    included.
    """

    side: int
    lots: Ints
    cost: Ints
    value: Ints
    pnl: Ints
    equity: Ints
    tiers: Tiers


@dataclass(frozen=True, slots=True)
class Ranking:
    """A ranking: the float filter over all candidates, the exact score of one, and the source of the rule."""

    approximate: Callable[[Candidates], Floats]
    exact: Callable[[Candidates, int], Fraction]
    source: str


def _bitmex(rows: Candidates) -> Floats:
    move = rows.pnl / rows.cost
    leverage = rows.value / rows.equity
    losing = np.flatnonzero(rows.pnl < 0)
    leverage[losing] = 1.0 / leverage[losing]
    return np.multiply(move, leverage, out=move)


def _bitmex_exact(rows: Candidates, i: int) -> Fraction:
    move = Fraction(int(rows.pnl[i]), int(rows.cost[i]))
    leverage = Fraction(int(rows.value[i]), int(rows.equity[i]))
    return move * leverage if move > 0 else move / leverage


def _binance(rows: Candidates) -> Floats:
    wallet = np.maximum(rows.equity - rows.pnl, QUANTA_PER_USD)
    need = maintenance(rows.value.astype(np.int64), rows.tiers)
    score: Floats = np.maximum(rows.pnl, 0) / wallet * (need / rows.equity)
    return score


def _binance_exact(rows: Candidates, i: int) -> Fraction:
    profit = max(int(rows.pnl[i]), 0)
    wallet = max(int(rows.equity[i]) - int(rows.pnl[i]), QUANTA_PER_USD)
    need = int(maintenance(rows.value[i : i + 1], rows.tiers)[0])
    return Fraction(profit * need, wallet * int(rows.equity[i]))


def _hyperliquid(rows: Candidates) -> Floats:
    if rows.side > 0:
        return _literal(rows)
    return rows.cost / rows.equity  # entry / mark x notional / account value


def _hyperliquid_exact(rows: Candidates, i: int) -> Fraction:
    if rows.side > 0:
        return _literal_exact(rows, i)
    return Fraction(int(rows.cost[i]), int(rows.equity[i]))


def _literal(rows: Candidates) -> Floats:
    return rows.value / rows.cost * (rows.value / rows.equity)


def _literal_exact(rows: Candidates, i: int) -> Fraction:
    value = int(rows.value[i])
    return Fraction(value, int(rows.cost[i])) * Fraction(value, int(rows.equity[i]))


RANKINGS: dict[str, Ranking | None] = {
    "bitmex": Ranking(
        _bitmex,
        _bitmex_exact,
        "BitMEX: PnL% x effective leverage, divided when losing; bitmex.com/app/autoDeleveraging",
    ),
    "binance": Ranking(
        _binance,
        _binance_exact,
        "Binance: max(0, UPnL) / max(1, WB) x MM / (WB + UPnL); dev.binance.vision forum 17801",
    ),
    "hyperliquid": Ranking(
        _hyperliquid,
        _hyperliquid_exact,
        "Hyperliquid: (mark / entry) x (notional / account value), entry / mark for shorts; gitbook auto-deleveraging",
    ),
    "hyperliquid_literal": Ranking(
        _literal, _literal_exact, "Hyperliquid as printed: mark / entry for shorts too; gitbook auto-deleveraging"
    ),
    "random": None,  # dYdX v4: a pseudo-random start, then by account; keeper/deleveraging.go at 84d4664b
}
