"""The monitor of the funds: whether a drawdown has deleveraging on, when a fund is empty, what it first refused."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from backtest.engine.ledger import Ledger
from backtest.engine.owners import Owner
from backtest.engine.records import NONE, FundRow
from backtest.mechanics.drawdown import Peak, drawdown_ratio, is_triggered, recovery_amount
from backtest.mechanics.fund import lots_within_floor


@dataclass(frozen=True, slots=True)
class Levels:
    """Equity of a symbol's fund and its peak; then what the drawdown compares, and the peak of that. In quanta."""

    equity: int
    peak: int
    basis: int
    basis_peak: int


class FundMonitor:
    """What is remembered of the funds.

    ``on``: symbols for which deleveraging is on; ``triggered``: by the drawdown alone. ``fund_peaks`` and
    ``pnl_peaks`` are empty without a trigger. ``empty`` and ``refused`` are by fund, ``refused_by_vault`` by vault.
    """

    def __init__(self, ledger: Ledger) -> None:
        funds, trigger = ledger.funds, ledger.world.rules.drawdown
        self.ledger, self.trigger, self.step = ledger, trigger, 0
        symbols = len(ledger.fund_of)
        # what the funds begin with is what they had before
        window = trigger.window_s * ledger.world.per_second if trigger else 0
        self.fund_peaks = [Peak(window, fund.cash) for fund in funds] if trigger else []
        by_symbol = trigger is not None and trigger.kind == "pnl_ratio"
        self.pnl_peaks = [Peak(window, 0) for _ in range(symbols)] if trigger and by_symbol else []
        self.triggered = [False] * symbols
        self.on = [trigger is not None and funds[number].cash <= 0 for number in ledger.fund_of]
        self.empty = [fund.cash <= 0 for fund in funds]
        self.refused = [False] * len(funds)
        self.refused_by_vault = [False] * len(ledger.vaults)

    def _peaks(self) -> Iterator[Peak]:
        yield from self.fund_peaks
        yield from self.pnl_peaks

    def expires_at(self) -> int | None:
        """Return the last moment at which all peaks are as they stand; None if time does not change them."""
        return min((at for peak in self._peaks() if (at := peak.expires_at()) is not None), default=None)

    def enter(self, step: int) -> None:
        """Move the window to a step; the values of the last step run held until the step before this one."""
        moments = self.ledger.world.moments
        if self.trigger and step > self.step:
            for peak in self._peaks():
                peak.advance(int(moments[step - 1]), int(moments[step]))
        self.step = step

    def leave(self) -> None:
        """End the step: decide once more, keep the values for the window, note funds that ran dry or came back."""
        self.decide()
        for number, fund in enumerate(self.ledger.funds):
            equity = self.ledger.equity(fund)
            if (equity <= 0) != self.empty[number]:
                self.empty[number] = equity <= 0
                self._note(number, NONE, "depleted" if equity <= 0 else "restored", "")
            if self.fund_peaks:
                self.fund_peaks[number].set(equity)
        for symbol, peak in enumerate(self.pnl_peaks):
            peak.set(self.profit(symbol))

    def profit(self, symbol: int) -> int:
        """Return a fund's profit with a symbol: cash since the start plus inventory at mark, funding included."""
        fund = self.ledger.fund_for(symbol)
        return fund.earned[symbol] + self.ledger.inventory_value(fund, symbol)

    def _levels(self, symbol: int) -> Levels:
        number = self.ledger.fund_of[symbol]
        equity = self.ledger.equity(self.ledger.funds[number])
        peak = self.fund_peaks[number].highest(equity)
        if not self.pnl_peaks:
            return Levels(equity, peak, equity, peak)
        profit = self.profit(symbol)
        return Levels(equity, peak, profit, self.pnl_peaks[symbol].highest(profit))

    def decide(self) -> None:
        """Switch deleveraging on and off, symbol by symbol."""
        if self.trigger is None:
            return
        for symbol, was_on in enumerate(self.on):
            now = self._levels(symbol)
            ratio = drawdown_ratio(now.basis, now.basis_peak, now.peak)
            self.triggered[symbol] = is_triggered(self.triggered[symbol], ratio, now.equity, self.trigger, symbol)
            on = self.triggered[symbol] or now.equity <= 0
            if on != was_on:
                self.on[symbol] = on
                cause = "" if not on else "drawdown" if self.triggered[symbol] else "empty"
                self._note(self.ledger.fund_of[symbol], symbol, "adl_on" if on else "adl_off", cause)

    def missing(self, symbol: int) -> int:
        """Return the quanta that a symbol's inventory has to gain by ADL: back to the trigger, and above zero."""
        if self.trigger is None or not self.on[symbol]:
            return 0
        now, wanted = self._levels(symbol), 0
        if self.triggered[symbol] and now.peak > 0:
            wanted = recovery_amount(now.basis, now.basis_peak, now.peak, self.trigger.trigger[symbol])
        return max(wanted, 1 - now.equity)

    def refuse(self, *, symbol: int, value_sign: int, lots: int, bankruptcy_value: int) -> None:
        """Note the first claim that a fund does not take whole, and whether trigger, floor or limit is in its way."""
        ledger = self.ledger
        number = ledger.fund_of[symbol]
        if self.refused[number]:
            return
        self.refused[number] = True
        headroom = ledger.equity(ledger.funds[number]) - ledger.world.rules.fund_floor

        def fits(headroom: int) -> bool:
            return lots_within_floor(value_sign, lots, bankruptcy_value, ledger.values[symbol], headroom) == lots

        cause = "trigger" if self.on[symbol] and not fits(0) else "limit" if fits(headroom) else "floor"
        self._note(number, symbol, "refused", cause)

    def refuse_by_vault(self, vault: Owner, symbol: int) -> None:
        """Note the first claim that a vault refuses for the sake of its margin."""
        if self.refused_by_vault[vault.number]:
            return
        self.refused_by_vault[vault.number] = True
        self.ledger.record.fund_events.append(
            FundRow(
                step=self.ledger.record.step,
                pool=vault.code,
                number=vault.number,
                symbol=symbol,
                event="refused",
                cause="margin",
                equity=self.ledger.equity(vault),
                peak=None,
                basis=None,
                basis_peak=None,
            )
        )

    def _note(self, number: int, symbol: int, event: str, cause: str) -> None:
        levels = self._levels(symbol) if self.trigger and symbol != NONE else None
        self.ledger.record.fund_events.append(
            FundRow(
                step=self.ledger.record.step,
                number=number,
                symbol=symbol,
                event=event,
                cause=cause,
                equity=levels.equity if levels else self.ledger.equity(self.ledger.funds[number]),
                peak=levels.peak if levels else None,
                basis=levels.basis if levels else None,
                basis_peak=levels.basis_peak if levels else None,
            )
        )
