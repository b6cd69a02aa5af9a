"""Tables on the book: accounts and positions at the start and at the end."""

from __future__ import annotations

from backtest.schema.table import Table, columns

TABLES = (
    Table(
        name="accounts",
        grain="account",
        doc="Accounts with their cash before and after.",
        columns=columns("""
        account_id       int   identity within the run
        name             str   name given by the scenario or the imported book, empty otherwise
        watched          bool  true for a position of the scenario's [[watch]]
        hedged           bool  true if the scenario declares an outside leg that offsets it
        cohort           str   leverage bucket its first position was drawn from, or imported, or watch
        margin_mode      str   isolated, cross, or mixed where an account has positions of both kinds
        positions        int   positions at the start
        collateral_usd   money collateral posted at the start
        opening_cash_usd money cash at the start: collateral less signed entry value
        final_cash_usd   money cash at the end, unsettled funding included
        final_equity_usd money cash plus lots at the last mark
        """),
    ),
    Table(
        name="positions",
        grain="position at the start",
        doc="The book at the start, and the fate of each position.",
        columns=columns("""
        position_id             int   row of the book, from 0
        account_id              int   owner
        symbol                  str   symbol
        side                    str   long or short
        cohort                  str   leverage bucket
        margin_mode             str   isolated or cross; a lone cross position of an account is isolated in all respects
        lots                    int   size in lots
        quantity_base           float size in base units, of an inverse contract in contracts
        entry_value_usd         money value at entry
        entry_px                float average entry price
        collateral_usd          money margin posted; of cross positions only the sum over the account counts
        leverage                float notional over equity at the first mark, of a cross position those of its account
        liquidation_px          float first mark in breach without funding, in cross of its account alone; null if none
        isolated_liquidation_px float the same, had the position nothing but its own collateral; null if none
        bankruptcy_px           float price at which the collateral is gone (in cross the account's); null if none
        opening_cash_usd        money cash at the start
        final_lots              int   lots left at the end
        final_cash_usd          money cash at the end, unsettled funding included
        final_equity_usd        money cash plus lots at the last mark
        fate                    str   open, liquidated, deleveraged, part_liquidated, part_deleveraged, both, netted, \
exited, part_exited
        """),
    ),
)
