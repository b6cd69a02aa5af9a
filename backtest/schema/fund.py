"""Tables on insurance fund and vault: movements and events."""

from __future__ import annotations

from backtest.schema.table import Table, columns

TABLES = (
    Table(
        name="fund",
        grain="movement of fund or vault",
        doc="Every change of cash or inventory of the fund and the vault.",
        columns=columns("""
        movement_id          int   number, from 1
        step                 int   step, 0 for the opening
        ts                   ts    time of the step
        pool                 str   fund or vault
        serves               str   symbols the fund or vault serves where there are several, joined by +; else empty
        cause                str   opening, or a cause of the ledger that moves a pool
        symbol               str   symbol, empty for the opening
        liquidation_id       int   liquidation that caused it, null otherwise
        lots                 int   signed change of inventory
        mark_px              float mark at the end of the round, null for the opening
        inventory_change_usd money value of that change at mark_px; of an inverse contract with the opposite sign
        amount_usd           money change of cash
        cash_usd             money cash of that fund or vault after the movement
        """),
    ),
    Table(
        name="fund_events",
        grain="event of a fund or vault",
        doc="Deleveraging on and off by a fund's drawdown, a fund empty and restored, and the first claim refused.",
        columns=columns("""
        event_id       int   number, from 1
        step           int   step
        ts             ts    time of the step
        pool           str   fund or vault
        serves         str   symbols the fund or vault serves where there are several, joined by +; else empty
        symbol         str   symbol, empty where the event is the whole fund's
        event          str   adl_on, adl_off, depleted, restored or refused; of a vault refused alone
        cause          str   of adl_on: drawdown, empty; of refused (not taken whole): floor, limit, trigger, margin
        equity_usd     money equity of the fund or vault
        peak_usd       money largest equity of the fund in the window; 0 without a drawdown rule
        basis_usd      money base of the drawdown: profit of the fund from the symbol, or the equity of the fund
        basis_peak_usd money largest basis_usd in the window
        drawdown_ratio float (basis_usd - basis_peak_usd) / peak_usd, null without a peak
        """),
    ),
)
