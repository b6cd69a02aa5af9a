"""Tables along the path: one row per price, or per bar, and symbol."""

from __future__ import annotations

from backtest.schema.table import Table, columns

TABLES = (
    Table(
        name="steps",
        grain="step x symbol",
        doc="The path: one price per row, with what happened at it.",
        columns=columns("""
        step                 int   number of the price, from 1
        ts                   ts    time of the price
        bar_ts               ts    open of the bar the price belongs to
        symbol               str   symbol
        jump                 bool  true where no time passes before this price
        bridged              bool  true where the bar was missing and the last price stands for it
        trade_px             float traded price at the step
        mark_px              float mark price at the step
        mark_low_px          float least mark walked since the price before, over all rounds of the step
        mark_high_px         float highest mark walked likewise
        trade_low_px         float low of the bar's trade range, displaced as trade prices are in any round of the step
        trade_high_px        float high of the bar's trade range, displaced likewise
        tape_mark_px         float mark of the tape; mark_px differs from it on the feedback path only
        lot_value_usd        money value of a lot at mark_px
        long_lots            int   open long lots of accounts after the step
        short_lots           int   open short lots of accounts after the step
        long_oi_usd          money open long interest of accounts at mark after the step
        short_oi_usd         money open short interest of accounts at mark after the step
        liquidations         int   positions in breach for which lots moved in this step
        liquidated_long_usd  money notional of the long lots that left accounts by book or take-over, at their mark
        liquidated_short_usd money the same for short lots
        adl_usd              money notional closed by ADL at mark, bankrupt side counted once
        liquidity_left_lots  int   liquidity left in the bar after the step
        flow_lots            int   signed lots of forced orders and unwinding through the book: bought +, sold -
        rounds               int   rounds of detection at the step; above 1 where impact moved a mark
        rounds_capped        bool  true where max_rounds ended the step before marks came to rest
        fund_usd             money cash of the fund, or of all funds, after the step
        fund_equity_usd      money fund cash plus inventory at mark, over all symbols
        own_fund_usd         money cash of the fund that serves this symbol
        own_fund_equity_usd  money cash plus inventory at mark of that fund
        adl_on               bool  true while the fund's drawdown rule has deleveraging on for this symbol
        vault_usd            money cash of the vault, or of all vaults, after the step
        vault_equity_usd     money vault cash plus inventory at mark, over all symbols
        own_vault_usd        money cash of the vault that serves this symbol
        own_vault_equity_usd money cash plus inventory at mark of that vault
        vault_leverage       float gross inventory of that vault at mark over its equity; null without equity
        vault_excess_usd     money equity of that vault less the maintenance margin of its inventory; below 0 in breach
        pool_lots            int   signed inventory of fund and vault in this symbol
        residual_usd         money sum of all cash after the step; 0
        """),
    ),
    Table(
        name="potential",
        grain="bar x symbol",
        doc="At the end of each bar: notional liquidated by a further 10 bps, against notional the book absorbs.",
        columns=columns("""
        bar_ts       ts    open of the bar
        symbol       str   symbol
        side         str   side in danger: long where the bar's mark fell or stood still, short where it rose
        mark_px      float mark at the end of the bar
        ahead_lots   int   lots of isolated positions of that side whose breach mark lies within 10 bps
        ahead_usd    money their notional at that mark
        absorbed_usd float notional whose impact is 10 bps by the run's impact and liquidity; null if none has any
        potential    float ahead_usd / absorbed_usd; above 1 a small move carries itself on
        """),
    ),
)
