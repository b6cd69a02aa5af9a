"""The price at which ADL closes, and what becomes of lots that no candidate takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from backtest.mechanics.contract import Contract
from backtest.mechanics.rule import Rule, declared


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosePrice(Rule):
    """The close value per lot from contract, mark and mark three seconds before; None: the bankruptcy value."""

    value_per_lot: Callable[[Contract, int, int], int | None]


def _at_bankruptcy(contract: Contract, mark: int, previous_mark: int) -> int | None:
    return None


def _at_mark(contract: Contract, mark: int, previous_mark: int) -> int | None:
    return contract.value_per_lot(mark)


def _at_previous_mark(contract: Contract, mark: int, previous_mark: int) -> int | None:
    return contract.value_per_lot(previous_mark)


CLOSE_PRICES: Mapping[str, ClosePrice] = declared(
    "close_price",
    {
        "bankruptcy": ClosePrice(
            value_per_lot=_at_bankruptcy,
            sentence="ADL closes at the bankruptcy price of the position that went bankrupt.",
            source="BitMEX, Binance, Bybit, dYdX v4",
        ),
        "mark": ClosePrice(
            value_per_lot=_at_mark,
            sentence="ADL closes at the mark at the end of the step.",
            source="OKX help, 2025-11",
        ),
        "previous_mark": ClosePrice(
            value_per_lot=_at_previous_mark,
            sentence="ADL closes at the mark of three seconds before.",
            source="Hyperliquid gitbook, auto-deleveraging: the previous mark price",
        ),
    },
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Exhaustion(Rule):
    """What becomes of lots without a candidate: ``receiver`` holds them afterwards, a class of accounts bears the loss.

    ``receiver`` is ``market``, ``fund`` or ``account`` (they stay); ``bearers`` is ``none``, ``winners`` or ``both``
    sides of the symbol.
    """

    receiver: str
    bearers: str = "none"


EXHAUSTION: Mapping[str, Exhaustion] = declared(
    "on_exhausted",
    {
        "uncovered": Exhaustion(
            receiver="market",
            sentence="Lots that no candidate takes are closed at the mark; the loss is uncovered.",
            source="not published by BitMEX, Binance, Bybit, OKX and Hyperliquid; the loss is shown, not hidden",
        ),
        "fund_negative": Exhaustion(
            receiver="fund",
            sentence="Lots that no candidate takes go to the fund at their bankruptcy price, whatever its floor.",
            source="this engine: for comparison",
        ),
        "waits": Exhaustion(
            receiver="account",
            sentence="Lots that no candidate takes stay with the account and are tried again at the next price.",
            source="dYdX v4-chain, keeper/deleveraging.go at 84d4664b",
        ),
        "socialised_winners": Exhaustion(
            receiver="market",
            bearers="winners",
            sentence="Lots that no candidate takes are closed at the mark; the loss is borne by the fund down to "
            "its floor, then pro rata by accounts that have gained since the start, each at most its gain; the rest is "
            "uncovered.",
            source="Deribit, socialised losses over the winners of a session; support.deribit.com",
        ),
        "socialised_both": Exhaustion(
            receiver="market",
            bearers="both",
            sentence="Lots that no candidate takes are closed at the mark; the loss is borne by the fund down to "
            "its floor, then by every open lot of the symbol, longs and shorts alike; without one it is uncovered.",
            source="Drift v2: cumulative funding moved on both sides; drift-labs/protocol-v2, 0ae3e3b1",
        ),
    },
)
