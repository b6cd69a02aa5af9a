"""Funds under watch: whether their drop has deleveraging on, when they are empty, what they first refused."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from backtest.engine.records import NONE, Recorder
from backtest.mechanics.drawdown import DrawdownTrigger, Peak, drawdown_ratio, is_triggered, recovery_amount
from backtest.mechanics.fund import Pool, lots_within_floor

if TYPE_CHECKING:
    from backtest.engine.state import State


@dataclass(slots=True)
class Watch:
    """What is remembered of the funds.

    ``on``: symbols for which deleveraging is on; ``dropped``: by the ratio alone. ``fund_peaks`` and ``pnl_peaks``
    are empty without a rule. ``empty`` and ``refused`` are by fund.
    """

    rule: DrawdownTrigger | None
    fund_peaks: list[Peak]
    pnl_peaks: list[Peak]
    dropped: list[bool]
    on: list[bool]
    empty: list[bool]
    refused: list[bool]

    @staticmethod
    def begin(rule: DrawdownTrigger | None, funds: list[Pool], fund_of: list[int]) -> Watch:
        """Start with the funds full: what they begin with is what they had before."""
        symbols = len(fund_of)
        return Watch(
            rule,
            [Peak(rule.window, fund.cash) for fund in funds] if rule else [],
            [Peak(rule.window, 0) for _ in range(symbols)] if rule and rule.kind == "pnl_ratio" else [],
            [False] * symbols,
            [rule is not None and funds[number].cash <= 0 for number in fund_of],
            [fund.cash <= 0 for fund in funds],
            [False] * len(funds),
        )

    def peaks(self) -> Iterator[Peak]:
        """Return all peaks."""
        yield from self.fund_peaks
        yield from self.pnl_peaks

    def leaves(self) -> int | None:
        """Return the last moment at which all peaks are as they stand; None if time does not change them."""
        return min((moment for peak in self.peaks() if (moment := peak.expires_at()) is not None), default=None)


def enter(state: State, last: int) -> None:
    """Move the window to the present step; the values of step ``last`` held until the step before this one."""
    if state.watch.rule and state.step > last:
        held, clock = state.clock_at(state.step - 1), state.clock_at(state.step)
        for peak in state.watch.peaks():
            peak.advance(held, clock)


def profit(state: State, fund: Pool, symbol: int) -> int:
    """Return what a symbol has brought its fund since the start: cash and inventory at mark, funding included."""
    due = fund.lots[symbol] * (state.index[symbol] - fund.index[symbol]) // 1_000_000
    value: int = state.kind[symbol] * fund.lots[symbol] * state.value_per_lot(symbol)
    return fund.earned[symbol] + value - due


def _levels(state: State, symbol: int) -> tuple[int, int, int, int]:
    """Return of a symbol's fund: equity and its peak, then what the ratio compares: the present value and its peak."""
    watch, number = state.watch, state.fund_of[symbol]
    fund = state.funds[number]
    balance = state.pool_equity(fund)
    top = watch.fund_peaks[number].highest(balance)
    if not watch.pnl_peaks:
        return balance, top, balance, top
    now = profit(state, fund, symbol)
    return balance, top, now, watch.pnl_peaks[symbol].highest(now)


def judge(state: State, recorder: Recorder) -> None:
    """Switch deleveraging on and off, symbol by symbol."""
    watch = state.watch
    if watch.rule is None:
        return
    for symbol in range(len(watch.on)):
        balance, top, now, peak = _levels(state, symbol)
        watch.dropped[symbol] = is_triggered(
            watch.dropped[symbol], drawdown_ratio(now, peak, top), balance, watch.rule, symbol
        )
        on = watch.dropped[symbol] or balance <= 0
        if on != watch.on[symbol]:
            watch.on[symbol] = on
            cause = "" if not on else "drawdown" if watch.dropped[symbol] else "empty"
            _note(state, recorder, state.fund_of[symbol], symbol, "adl_on" if on else "adl_off", cause)


def missing(state: State, symbol: int) -> int:
    """Return the quanta that a symbol's inventory has to bring by ADL: back to the trigger, and above zero."""
    watch = state.watch
    if watch.rule is None or not watch.on[symbol]:
        return 0
    balance, top, now, peak = _levels(state, symbol)
    wanted = recovery_amount(now, peak, top, watch.rule.trigger[symbol]) if watch.dropped[symbol] and top > 0 else 0
    return max(wanted, 1 - balance)


def leave(state: State, recorder: Recorder) -> None:
    """End the step: judge once more, keep the values for the window, note funds that ran dry or came back."""
    watch = state.watch
    judge(state, recorder)
    for number, fund in enumerate(state.funds):
        equity = state.pool_equity(fund) if fund.holds else fund.cash
        if (equity <= 0) != watch.empty[number]:
            watch.empty[number] = equity <= 0
            _note(state, recorder, number, NONE, "depleted" if equity <= 0 else "restored", "")
        if watch.fund_peaks:
            watch.fund_peaks[number].set(state.pool_equity(fund))
    for symbol, peak in enumerate(watch.pnl_peaks):
        peak.set(profit(state, state.fund_for(symbol), symbol))


def refused(state: State, recorder: Recorder, symbol: int, sign: int, lots: int, owed: int) -> None:
    """Note the first claim that a fund does not take whole, and whether trigger, floor or limit is in its way."""
    number = state.fund_of[symbol]
    if state.watch.refused[number]:
        return
    state.watch.refused[number] = True
    each, fund = state.value_per_lot(symbol), state.funds[number]
    headroom = state.pool_equity(fund) - state.world.rules.fund_floor
    if state.watch.on[symbol] and lots_within_floor(sign, lots, owed, each, 0) < lots:
        cause = "trigger"
    else:
        cause = "floor" if lots_within_floor(sign, lots, owed, each, headroom) < lots else "limit"
    _note(state, recorder, number, symbol, "refused", cause)


def _note(state: State, recorder: Recorder, number: int, symbol: int, event: str, cause: str) -> None:
    balance = state.pool_equity(state.funds[number])
    now = peak = top = None
    if state.watch.rule and symbol != NONE:
        balance, top, now, peak = _levels(state, symbol)
    recorder.pool_events.append(
        {"step": state.step, "fund": number, "symbol": symbol, "event": event, "cause": cause, "balance": balance,
         "fund_peak": top, "now": now, "peak": peak}
    )  # fmt: skip
