"""Tables of money that moves: funding and every leg of the ledger."""

from __future__ import annotations

from backtest.schema.table import Table, columns

TABLES = (
    Table(
        name="funding",
        grain="funding event x symbol x side x cohort",
        doc="Funding accrued, exact to a millionth of a quantum.",
        columns=columns("""
        step           int     step at which the index moved
        ts             ts      time
        symbol         str     symbol
        side           str     long or short
        cohort         str     leverage bucket, or market, fund, vault
        rate           float   rate charged; longs pay when positive
        mark_px        float   first mark walked in the bar of the event
        lots           int     lots of the cohort
        amount_usd     money12 signed, received is plus
        notional_basis str     price the payment is charged on: mark or oracle
        notional_px    float   that price
        fetched_rate   float   rate as fetched; differs from rate where clipped
        clipped        bool    true if the fetched rate is beyond the venue's cap of its day
        """),
    ),
    Table(
        name="ledger",
        grain="leg",
        doc="Cash and lots: every leg of every entry; each entry sums to zero.",
        columns=columns("""
        entry_id   int   entry; its legs sum to zero in cash and, per symbol, in lots
        step       int   step, 0 for the opening
        ts         ts    time of the step
        cause      str   opening, book, fee, residual, takeover, adl, difference, exhausted, unwind, funding, \
net, shortfall (paid by the fund), socialised or exit (voluntary)
        symbol     str   symbol, empty for opening cash
        owner      str   account, fund, vault, venue, market, rounding, uncovered or opening
        serves     str   symbols the fund or vault serves where there are several, joined by +; else empty
        account_id int   account, null for other owners and for the summed opening of accounts
        lots       int   signed change of lots
        amount_usd money change of cash
        """),
    ),
)
