"""ADL scores: each venue's ranking as one exact rational of integers, with a float as filter.

Equity stands for BitMEX's mark value less bankrupt value, and for the account value of Hyperliquid; the wallet balance
is equity less unrealised PnL. All of it is that of the isolated position. One unit of the currency is 1 USD.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from backtest.mechanics.exact import QUANTA_PER_USD, Bools, Floats, Ints
from backtest.mechanics.margin import Tiers, maintenance


@dataclass(frozen=True, slots=True)
class Candidates:
    """Accounts on the opposite side, in quanta: one row each, ascending account id; floats in the filter.

    ``value`` is lots at mark, ``pnl`` unrealised profit without funding, ``equity`` cash plus signed value, funding
    included. In cross margin ``equity`` is the account's, and so are ``account_pnl`` and ``account_maintenance``
    (None: those of the position).
    """

    side: int
    lots: Ints
    entry_value: Ints
    value: Ints
    pnl: Ints
    equity: Ints
    tiers: Tiers
    account_pnl: Ints | None = None
    account_maintenance: Ints | None = None

    def alike(self) -> Bools:
        """Return which rows hold the same amounts as the one before them."""
        out = np.zeros(len(self.lots), dtype=bool)
        columns = (self.entry_value, self.value, self.pnl, self.equity, self.account_pnl, self.account_maintenance)
        out[1:] = np.logical_and.reduce([column[1:] == column[:-1] for column in columns if column is not None])
        return out

    @property
    def borne(self) -> Ints:
        """Return the profit that stands against the equity: the account's in cross margin."""
        return self.pnl if self.account_pnl is None else self.account_pnl


Filter = Callable[[Candidates], Floats]
Exact = Callable[[Candidates, int], Fraction]


@dataclass(frozen=True, slots=True)
class Ranking:
    """A ranking: the float filter over all candidates, the exact score of one, and where its rule comes from.

    ``mark``: V primary source, S secondary source, U not verified, which ``source`` then explains.
    """

    approximate: Filter
    exact: Exact
    source: str
    mark: str


def _move(rows: Candidates) -> Floats:
    return rows.pnl / rows.entry_value


def _move_exact(rows: Candidates, i: int) -> Fraction:
    return Fraction(int(rows.pnl[i]), int(rows.entry_value[i]))


def _leverage(rows: Candidates) -> Floats:
    return rows.value / rows.equity


def _leverage_exact(rows: Candidates, i: int) -> Fraction:
    return Fraction(int(rows.value[i]), int(rows.equity[i]))


def _maintenance(rows: Candidates) -> Ints:
    return maintenance(rows.value.astype(np.int64), rows.tiers)


def _maintenance_exact(rows: Candidates, i: int) -> int:
    return int(maintenance(rows.value[i : i + 1], rows.tiers)[0])


def _wallet(rows: Candidates) -> Floats:
    wallet: Floats = np.maximum(rows.equity - rows.borne, QUANTA_PER_USD)
    return wallet


def _wallet_exact(rows: Candidates, i: int) -> int:
    return max(int(rows.equity[i]) - int(rows.borne[i]), QUANTA_PER_USD)


def _margin_ratio(rows: Candidates) -> Floats:
    ratio: Floats = _maintenance(rows) / np.maximum(rows.equity, QUANTA_PER_USD)
    return ratio


def _margin_ratio_exact(rows: Candidates, i: int) -> Fraction:
    return Fraction(_maintenance_exact(rows, i), max(int(rows.equity[i]), QUANTA_PER_USD))


def _divided_when_losing(risk: Filter, risk_exact: Exact) -> tuple[Filter, Exact]:
    """Return filter and score of: PnL % times a measure of risk, divided by it when losing."""

    def approximate(rows: Candidates) -> Floats:
        move, factor = _move(rows), risk(rows)
        losing = np.flatnonzero(rows.pnl < 0)
        factor[losing] = 1.0 / factor[losing]
        return np.multiply(move, factor, out=move)

    def exact(rows: Candidates, i: int) -> Fraction:
        move, factor = _move_exact(rows, i), risk_exact(rows, i)
        return move * factor if move > 0 else move / factor

    return approximate, exact


def _product(rows: Candidates) -> Floats:
    return _move(rows) * _leverage(rows)


def _product_exact(rows: Candidates, i: int) -> Fraction:
    return Fraction(int(rows.pnl[i]) * int(rows.value[i]), int(rows.entry_value[i]) * int(rows.equity[i]))


def _return(rows: Candidates) -> Floats:
    return rows.pnl / _wallet(rows)


def _return_exact(rows: Candidates, i: int) -> Fraction:
    return Fraction(int(rows.pnl[i]), _wallet_exact(rows, i))


def _binance(rows: Candidates) -> Floats:
    need = _maintenance(rows) if rows.account_maintenance is None else rows.account_maintenance
    score: Floats = np.maximum(rows.borne, 0) / _wallet(rows) * (need / rows.equity)
    return score


def _binance_exact(rows: Candidates, i: int) -> Fraction:
    need = _maintenance_exact(rows, i) if rows.account_maintenance is None else int(rows.account_maintenance[i])
    return Fraction(max(int(rows.borne[i]), 0) * need, _wallet_exact(rows, i) * int(rows.equity[i]))


def _hyperliquid(rows: Candidates) -> Floats:
    if rows.side > 0:
        return _literal(rows)
    return rows.entry_value / rows.equity  # entry / mark x notional / account value


def _hyperliquid_exact(rows: Candidates, i: int) -> Fraction:
    if rows.side > 0:
        return _literal_exact(rows, i)
    return Fraction(int(rows.entry_value[i]), int(rows.equity[i]))


def _literal(rows: Candidates) -> Floats:
    return rows.value / rows.entry_value * _leverage(rows)


def _literal_exact(rows: Candidates, i: int) -> Fraction:
    return Fraction(int(rows.value[i]), int(rows.entry_value[i])) * _leverage_exact(rows, i)


def _leverage_then_profit(rows: Candidates, i: int) -> Fraction:
    """Return effective leverage, with larger PnL and then lower balance as its last digits.

    Money is below 2**62, so unequal leverages differ by over 2**-124 and PnL weighs under 2**-128; unequal PnL
    differs by 2**-190 and the balance weighs under 2**-193. The float does not see either.
    """
    pnl, equity = int(rows.pnl[i]), int(rows.equity[i])
    return _leverage_exact(rows, i) + Fraction(pnl, 2**190) - Fraction(equity - pnl, 2**256)


OF_ACCOUNTS = frozenset({"binance", "aevo", "bybit"})  # ask for profit or maintenance of the whole account
_BY_LEVERAGE = _divided_when_losing(_leverage, _leverage_exact)

RANKINGS: dict[str, Ranking | None] = {
    "bitmex": Ranking(
        *_BY_LEVERAGE,
        "BitMEX: PnL% x effective leverage, divided when losing; bitmex.com/app/autoDeleveraging",
        "V",
    ),
    "binance": Ranking(
        _binance,
        _binance_exact,
        "Binance: max(0, UPnL) / max(1, WB) x MM / (WB + UPnL); dev.binance.vision forum 17801",
        "V",
    ),
    "bybit": Ranking(
        _return,
        _return_exact,
        "Bybit: by leveraged return; its expression was not found. Here UPnL / max(1, margin of the position), the "
        "margin as it stands in place of that at opening",
        "U",
    ),
    "bybit_effective": Ranking(
        _product,
        _product_exact,
        "Bybit: by leveraged return; its expression was not found. Here PnL% x effective leverage, supposed for cross "
        "margin",
        "U",
    ),
    "okx": Ranking(
        _product,
        _product_exact,
        "OKX: PnL% x effective leverage; okx.com/help/iv-introduction-to-auto-deleveraging-adl, 2025-11. The text "
        "makes no exception for losing positions: the same product",
        "V",
    ),
    "hyperliquid": Ranking(
        _hyperliquid,
        _hyperliquid_exact,
        "Hyperliquid: (mark / entry) x (notional / account value); gitbook auto-deleveraging. Entry / mark for shorts "
        "is a reading, as the printed ratio falls when a short gains",
        "U",
    ),
    "hyperliquid_literal": Ranking(
        _literal,
        _literal_exact,
        "Hyperliquid as printed: mark / entry for shorts too; gitbook auto-deleveraging",
        "V",
    ),
    "htx": Ranking(
        *_BY_LEVERAGE,
        "HTX: PnL% / margin ratio, times when losing; htx.com/support/64914554002695. The text does not define the "
        "ratio; a lower one is closed earlier: read as equity / notional, which is BitMEX's expression",
        "S",
    ),
    "aevo": Ranking(
        _binance,
        _binance_exact,
        "Aevo: UPnL / max(1, balance) x MM / (balance + UPnL), 0 when losing; docs.aevo.xyz. The venue leaves out BTC, "
        "ETH, SOL and options",
        "V",
    ),
    "extended": Ranking(
        *_divided_when_losing(_margin_ratio, _margin_ratio_exact),
        "Extended: PnL% x R, divided when losing, R = MM / max(equity, 1); docs.extended.exchange, 2026-04-06",
        "V",
    ),
    "ethereal": Ranking(
        _leverage,
        _leverage_then_profit,
        "Ethereal: effective leverage, then UPnL, then lowest balance; its documentation. Accounts have no age here: "
        "last by account id in place of the newest",
        "V",
    ),
    "random": None,  # dYdX v4 [V]: a pseudo-random start, then by account; keeper/deleveraging.go at 84d4664b
}
