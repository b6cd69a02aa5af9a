"""The table of liquidations."""

from __future__ import annotations

from backtest.schema.table import Table, columns

TABLES = (
    Table(
        name="liquidations",
        grain="position in breach x step with lots moved",
        doc="Every liquidation, in order.",
        columns=columns("""
        liquidation_id       int   number, from 1, in order of crossing
        cascade_id           int   run of steps with liquidations without a quiet minute between them
        step                 int   step of the breach
        round                int   round of the step in which it was found; above 1 where impact had moved a mark
        ts                   ts    time of the crossing, interpolated in the step
        symbol               str   symbol
        account_id           int   owner
        position_id          int   position
        side                 str   side of the liquidated position
        cohort               str   leverage bucket
        lots                 int   lots at detection
        quantity_base        float the same in base units
        mark_px              float mark at which maintenance was breached
        end_mark_px          float mark at the end of the round, at which lots the book did not take are valued
        equity_usd           money equity at mark_px, of a cross position its part of the account's (venue's rule)
        maintenance_usd      money maintenance margin at mark_px that the equity stands against
        notional_usd         money lots at that mark
        closed_usd           money lots that left the account (all but remaining_lots) at that mark
        end_notional_usd     money all lots at end_mark_px
        bankruptcy_value_usd money value of all lots at which the collateral is gone
        bankruptcy_px        float price at which the lots have that value, null if none
        skipped_book         bool  no order was sent: equity below zero, or beyond the venue's orders per block
        refused              bool  the fill would have been worse than the bankruptcy value
        book_lots            int   lots the order book took
        book_usd             money value of the book fills
        book_px              float average fill price, null without a fill
        fee_usd              money liquidation fee
        residual_usd         money collateral left after fee, positive ADL differences included
        returned_usd         money part of residual_usd kept by the account; the rest goes to fund or vault
        takeover_lots        int   lots taken over at their bankruptcy value
        takeover_usd         money bankruptcy value of those lots
        takeover_by          str   fund or vault, empty without a take-over
        adl_lots             int   lots sent to ADL, unmatched ones included unless they are deferred
        adl_usd              money bankruptcy value of those lots
        remaining_lots       int   lots that stay on the account until the next price
        on_tape              bool  the tape's marks reach this breach too; false: only displaced ones do
        """),
    ),
)
