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
)
