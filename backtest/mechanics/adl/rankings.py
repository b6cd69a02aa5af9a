"""Rankings of the ADL queue: each venue's score as one exact rational of integers, with a float as filter.

Equity stands for BitMEX's mark value less bankrupt value, and for the account value of Hyperliquid; the balance
is equity less unrealised PnL. All of them belong to the isolated position. One unit of the currency is 1 USD.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import TypedDict

from backtest.mechanics.adl.candidates import Candidates
from backtest.mechanics.exact import QUANTA_PER_USD, Floats, Ints
from backtest.mechanics.margin import maintenance
from backtest.mechanics.numeric import np
from backtest.mechanics.rule import Rule, declared

Filter = Callable[[Candidates], Floats]

Ratio = Callable[[Candidates, int], tuple[int, int]]  # numerator, and a denominator above zero

Whole = Callable[[Candidates, int], int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranking(Rule):
    """A ranking of the candidates; ``mark``: V primary source, S secondary, U not verified (``source`` says why)."""

    mark: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredRanking(Ranking):
    """A ranking by score: the float filter over all candidates, and the exact score of one as a ratio."""

    approximate: Filter
    ratio: Ratio

    def exact(self, rows: Candidates, i: int) -> Fraction:
        """Return the exact score of a candidate."""
        return Fraction(*self.ratio(rows, i))


def _move(rows: Candidates) -> Floats:
    return rows.pnl / rows.entry_value


def _leverage(rows: Candidates) -> Floats:
    return rows.value / rows.equity


def _value_exact(rows: Candidates, i: int) -> int:
    return int(rows.value[i])


def _equity_exact(rows: Candidates, i: int) -> int:
    return int(rows.equity[i])


def _maintenance(rows: Candidates) -> Ints:
    return maintenance(rows.notional.astype(np.int64), rows.tiers)


def _maintenance_exact(rows: Candidates, i: int) -> int:
    return int(maintenance(rows.notional[i : i + 1].astype(np.int64), rows.tiers)[0])


def _wallet_balance(rows: Candidates) -> Floats:
    balance: Floats = np.maximum(rows.equity - rows.equity_pnl, QUANTA_PER_USD)
    return balance


def _wallet_balance_exact(rows: Candidates, i: int) -> int:
    return max(int(rows.equity[i]) - int(rows.equity_pnl[i]), QUANTA_PER_USD)


def _margin_ratio(rows: Candidates) -> Floats:
    ratio: Floats = _maintenance(rows) / np.maximum(rows.equity, QUANTA_PER_USD)
    return ratio


def _equity_of_ratio_exact(rows: Candidates, i: int) -> int:
    return max(int(rows.equity[i]), QUANTA_PER_USD)


class _Score(TypedDict):
    approximate: Filter
    ratio: Ratio


def _divided_when_losing(risk: Filter, numerator: Whole, denominator: Whole) -> _Score:
    """Return filter and score of: PnL % times a measure of risk, numerator / denominator; divided by it when losing."""

    def approximate(rows: Candidates) -> Floats:
        move, factor = _move(rows), risk(rows)
        losing = np.flatnonzero(rows.pnl < 0)
        factor[losing] = 1.0 / factor[losing]
        return np.multiply(move, factor, out=move)

    def ratio(rows: Candidates, i: int) -> tuple[int, int]:
        pnl, entry_value = int(rows.pnl[i]), int(rows.entry_value[i])
        above, below = numerator(rows, i), denominator(rows, i)
        return (pnl * above, entry_value * below) if pnl > 0 else (pnl * below, entry_value * above)

    return {"approximate": approximate, "ratio": ratio}


def _product(rows: Candidates) -> Floats:
    return _move(rows) * _leverage(rows)


def _product_exact(rows: Candidates, i: int) -> tuple[int, int]:
    return int(rows.pnl[i]) * int(rows.value[i]), int(rows.entry_value[i]) * int(rows.equity[i])


def _return(rows: Candidates) -> Floats:
    return rows.pnl / _wallet_balance(rows)


def _return_exact(rows: Candidates, i: int) -> tuple[int, int]:
    return int(rows.pnl[i]), _wallet_balance_exact(rows, i)


def _binance(rows: Candidates) -> Floats:
    required = _maintenance(rows) if rows.account_maintenance is None else rows.account_maintenance
    score: Floats = np.maximum(rows.equity_pnl, 0) / _wallet_balance(rows) * (required / rows.equity)
    return score


def _binance_exact(rows: Candidates, i: int) -> tuple[int, int]:
    required = _maintenance_exact(rows, i) if rows.account_maintenance is None else int(rows.account_maintenance[i])
    return max(int(rows.equity_pnl[i]), 0) * required, _wallet_balance_exact(rows, i) * int(rows.equity[i])


def _hyperliquid(rows: Candidates) -> Floats:
    if rows.side > 0:
        return _literal(rows)
    return rows.entry_value / rows.equity  # entry / mark x notional / account value


def _hyperliquid_exact(rows: Candidates, i: int) -> tuple[int, int]:
    if rows.side > 0:
        return _literal_exact(rows, i)
    return int(rows.entry_value[i]), int(rows.equity[i])


def _literal(rows: Candidates) -> Floats:
    return rows.value / rows.entry_value * _leverage(rows)


def _literal_exact(rows: Candidates, i: int) -> tuple[int, int]:
    return int(rows.value[i]) ** 2, int(rows.entry_value[i]) * int(rows.equity[i])


def _leverage_then_profit(rows: Candidates, i: int) -> tuple[int, int]:
    """Return effective leverage, with larger PnL and then lower balance as its last digits.

    Money is below 2**62, so unequal leverages differ by over 2**-124 and PnL weighs under 2**-128; unequal PnL
    differs by 2**-190 and the balance weighs under 2**-193. The float does not see either.
    """
    pnl, equity = int(rows.pnl[i]), int(rows.equity[i])
    return (int(rows.value[i]) << 256) + ((pnl << 66) + pnl - equity) * equity, equity << 256


OF_ACCOUNTS = frozenset({"binance", "aevo", "bybit"})  # ask for profit or maintenance of the whole account

_BY_LEVERAGE = _divided_when_losing(_leverage, _value_exact, _equity_exact)

RANKINGS: Mapping[str, Ranking] = declared(
    "ranking",
    {
        "bitmex": ScoredRanking(
            **_BY_LEVERAGE,
            sentence="Winners are closed by PnL % x effective leverage, losers by PnL % divided by it.",
            source="BitMEX: PnL% x effective leverage, divided when losing; bitmex.com/app/autoDeleveraging",
            mark="V",
        ),
        "binance": ScoredRanking(
            approximate=_binance,
            ratio=_binance_exact,
            sentence="Winners are closed by PnL over wallet balance x margin ratio, losers score zero.",
            source="Binance: max(0, UPnL) / max(1, WB) x MM / (WB + UPnL); dev.binance.vision forum 17801",
            mark="V",
        ),
        "bybit": ScoredRanking(
            approximate=_return,
            ratio=_return_exact,
            sentence="Winners are closed by PnL over the margin of the position.",
            source="Bybit: by leveraged return; its expression was not found. Here UPnL / max(1, margin of the "
            "position), the margin as it stands in place of that at opening",
            mark="U",
        ),
        "bybit_effective": ScoredRanking(
            approximate=_product,
            ratio=_product_exact,
            sentence="Winners are closed by PnL % x effective leverage, losers by the same product.",
            source="Bybit: by leveraged return; its expression was not found. Here PnL% x effective leverage, supposed "
            "for cross margin",
            mark="U",
        ),
        "okx": ScoredRanking(
            approximate=_product,
            ratio=_product_exact,
            sentence="Winners are closed by PnL % x effective leverage, losers by the same product.",
            source="OKX: PnL% x effective leverage; okx.com/help/iv-introduction-to-auto-deleveraging-adl, 2025-11. "
            "The text makes no exception for losing positions: the same product",
            mark="V",
        ),
        "hyperliquid": ScoredRanking(
            approximate=_hyperliquid,
            ratio=_hyperliquid_exact,
            sentence="Candidates are closed by (mark / entry, of shorts entry / mark) x (notional / account value).",
            source="Hyperliquid: (mark / entry) x (notional / account value); gitbook auto-deleveraging. Entry / mark "
            "for shorts is a reading, as the printed ratio falls when a short gains",
            mark="U",
        ),
        "hyperliquid_literal": ScoredRanking(
            approximate=_literal,
            ratio=_literal_exact,
            sentence="Candidates are closed by (mark / entry) x (notional / account value), shorts too.",
            source="Hyperliquid as printed: mark / entry for shorts too; gitbook auto-deleveraging",
            mark="V",
        ),
        "htx": ScoredRanking(
            **_BY_LEVERAGE,
            sentence="Winners are closed by PnL % divided by equity / notional, losers by PnL % times it.",
            source="HTX: PnL% / margin ratio, times when losing; htx.com/support/64914554002695. The text does not "
            "define the ratio; a lower one is closed earlier: read as equity / notional, which is BitMEX's expression",
            mark="S",
        ),
        "aevo": ScoredRanking(
            approximate=_binance,
            ratio=_binance_exact,
            sentence="Winners are closed by PnL over balance x maintenance margin over equity, losers score zero.",
            source="Aevo: UPnL / max(1, balance) x MM / (balance + UPnL), 0 when losing; docs.aevo.xyz. The venue "
            "leaves out BTC, ETH, SOL and options",
            mark="V",
        ),
        "extended": ScoredRanking(
            **_divided_when_losing(_margin_ratio, _maintenance_exact, _equity_of_ratio_exact),
            sentence="Winners are closed by PnL % x maintenance margin over equity, losers by PnL % divided by it.",
            source="Extended: PnL% x R, divided when losing, R = MM / max(equity, 1); "
            "docs.extended.exchange, 2026-04-06",
            mark="V",
        ),
        "ethereal": ScoredRanking(
            approximate=_leverage,
            ratio=_leverage_then_profit,
            sentence="Candidates are closed by effective leverage, then PnL, then the lowest balance.",
            source="Ethereal: effective leverage, then UPnL, then lowest balance; its documentation. Accounts have no "
            "age here: last by account id in place of the newest",
            mark="V",
        ),
        "random": Ranking(
            sentence="Candidates are closed in the order of their accounts from a pseudo-random start.",
            source="dYdX v4: a pseudo-random start, then by account; keeper/deleveraging.go at 84d4664b",
            mark="V",
        ),
        "none": Ranking(
            sentence="The venue has no ADL: no winner is closed.",
            source="Deribit and Drift socialise what is left; see on_exhausted",
            mark="V",
        ),
    },
)

LOSERS: Mapping[str, Rule] = declared(
    "losers",
    {
        "last": Rule(sentence="Losing candidates follow after all winners.", source="Binance: a loser scores 0"),
        "ranked": Rule(
            sentence="Losing candidates stand where their score puts them.",
            source="BitMEX, Bybit, OKX, Hyperliquid, dYdX: the texts make no exception",
        ),
        "excluded": Rule(sentence="Losing candidates are not in the queue.", source="this engine: for comparison"),
    },
)


def scored(ranking: str) -> ScoredRanking | None:
    """Return the ranking of a name if it orders by score; None of ``random``, of ``none`` and of no ranking.

    Examples
    --------
    >>> scored("binance").mark, scored("random")
    ('V', None)
    """
    rule = RANKINGS.get(ranking)
    return rule if isinstance(rule, ScoredRanking) else None


def score_words(ranking: str, allocation: str = "queue") -> str:
    """Return how the score in the queue is computed, with its source and mark; empty where nobody has one.

    Examples
    --------
    >>> score_words("okx")[:103]
    'The highest score is closed first. Winners are closed by PnL % x effective leverage, losers by the same'
    >>> score_words("random"), score_words("okx", "pro_rata")
    ('', '')
    """
    if allocation == "water_filling":
        return "The factor leverage of the account; the highest are lowered to one level."
    rule = scored(ranking)
    if rule is None or allocation != "queue":
        return ""
    return f"The highest score is closed first. {rule.sentence} {rule.source} [{rule.mark}]."
