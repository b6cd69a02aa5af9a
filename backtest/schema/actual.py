"""Tables of the venue's own fills, from its public data."""

from __future__ import annotations

from backtest.schema.table import Table, columns

FILL = """
        ts                  ts    time of the fill
        block_ts            ts    time of its block
        seq                 int   place of the fill in its block; (block_ts, seq) is the order of emission
        symbol              str   symbol
        account             str   account whose position was closed, by the venue's name
        side                str   side of that position
        quantity_base       float size closed
        px                  float price of the fill
        notional_usd        money size at that price
        start_position_base float signed position before the fill
        closed_pnl_usd      money profit realised against entry
        fee_usd             money fee paid
        mark_px             float mark price given with the fill, null if none"""

TABLES = (
    Table(
        name="actual_liquidations",
        grain="fill",
        doc="Liquidations of the venue without ADL, from its public fills; empty unless imported.",
        columns=columns(
            FILL
            + """
        method str market for the order book, backstop for a take-over, empty if not given
            """
        ),
    ),
    Table(
        name="actual_adl",
        grain="fill",
        doc="Winners deleveraged by the venue, from its public fills; empty unless imported.",
        columns=columns(
            FILL
            + """
        method             str how the bankrupt side was being closed, empty if not given
        liquidated_account str bankrupt party, mostly the liquidator vault, empty if not given
            """
        ),
    ),
    Table(
        name="actual_positions",
        grain="position of the venue at the start",
        doc="What the venue's snapshot says of every position; empty unless the book is a true one.",
        columns=columns("""
        account_id             int   owner in the run, null for a position that the market holds
        account                str   owner by the venue's name
        symbol                 str   symbol
        side                   str   long or short
        quantity_base          float size at the start of the run
        snapshot_quantity_base float size at the snapshot, 0 if it was opened since
        mark_px                float mark at the snapshot
        liquidation_px         float the venue's own liquidation price at the snapshot, null if none
        model_liquidation_px   float the same worked out from the margin tables, null if none
        account_value_usd      money account value at the snapshot, null if none is known
        account_mode           str   standard, dex_abstraction, unified or portfolio_margin, empty if not known
        leverage_type          str   cross or isolated, empty if not known
        left_out               str   why the market holds it, empty if the run does
        """),
    ),
)
