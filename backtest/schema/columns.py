"""Every column of every result table: name, kind (of ``schema.Kind``) and meaning; a name's suffix is the unit."""

from __future__ import annotations

# what the two tables of a venue's own fills share
FILL = """
        ts ts                   time of the fill
        block_ts ts             time of its block
        seq int                 place of the fill in its block; (block_ts, seq) is the order of emission
        symbol str              symbol
        account str             account whose position was closed, by the venue's name
        side str                side of that position
        quantity_base float     size closed
        px float                price of the fill
        notional_usd money      size at that price
        start_position_base float    signed position before the fill
        closed_pnl_usd money    profit realised against entry
        fee_usd money           fee paid
        mark_px float           mark price given with the fill, null if none"""

# name, what one row is, what the table is for, columns
DECLARED: tuple[tuple[str, str, str, str], ...] = (
    (
        "runs",
        "run",
        "One row: event, rules, seed, window and digests of the run.",
        """
        event_id str            event of the catalogue
        venue str               venue profile whose rules ran
        symbols str             simulated symbols, comma separated
        ranking str             ADL ranking, as resolved
        allocation str          who pays in an ADL wave: queue, or pro_rata, which ranks nobody
        seed int                seed of the synthetic book and of random rankings
        intrabar str            order in which a bar's prices are walked
        start_ts ts             open of the first bar
        end_ts ts               close of the last bar
        bar_s int               length of a bar
        bars int                bars walked
        steps int               prices walked (steps count from 1)
        accounts int            accounts in the book
        positions int           positions at the start
        price_source str        venue whose bars were walked
        price_label str         measured or proxy
        mark_label str          measured, or the model of the mark
        open_interest_label str where the open interest comes from
        book_label str          synthetic or imported
        liquidity_label str     how the liquidity was set
        scenario_sha256 str     digest of the canonical scenario
        data_sha256 str         digest of the market rows used
        code_sha256 str         digest of the sources that decide results
        """,
    ),
    (
        "coverage",
        "series x symbol",
        "Expected and available data of the window.",
        """
        series str              ohlcv, mark_ohlcv, funding, pre_roll
        symbol str              symbol simulated
        source str              venue and file the rows came from
        label str               measured, proxy, modelled or missing
        expected_rows int       intervals in the window
        rows int                intervals present
        gaps int                runs of missing rows inside the span used
        longest_gap_s int       length of the longest gap
        duplicates int          rows dropped because their time was already there
        bridged int             missing bars walked at the last price (only with --allow-gaps)
        first_ts ts             open of the first row
        last_ts ts              open of the last row
        sha256 str              digest of the rows used
        note str                remark on the series
        """,
    ),
    (
        "steps",
        "step x symbol",
        "The path: one price per row, with what happened at it.",
        """
        step int                number of the price, from 1
        ts ts                   time of the price
        bar_ts ts               open of the bar the price belongs to
        symbol str              symbol
        jump bool               true where no time passes before this price
        bridged bool            true where the bar was missing and the last price stands for it
        trade_px float          traded price at the step
        mark_px float           mark price at the step
        trade_low_px float      low of the bar's trade range, displaced as the trade price is
        trade_high_px float     high of the bar's trade range, displaced likewise
        tape_mark_px float      mark of the tape; mark_px differs from it on the feedback path only
        lot_value_usd money     value of a lot at mark_px
        long_lots int           open long lots of accounts after the step
        short_lots int          open short lots of accounts after the step
        long_oi_usd money       open long interest of accounts at mark after the step
        short_oi_usd money      open short interest of accounts at mark after the step
        liquidations int        positions in breach for which lots moved in this step
        liquidated_long_usd money    notional of the long lots that left accounts by book or take-over, at their mark
        liquidated_short_usd money   the same for short lots
        adl_usd money           notional closed by ADL at mark, bankrupt side counted once
        liquidity_left_lots int liquidity left in the bar after the step
        flow_lots int           signed lots of forced orders and unwinding through the book: bought +, sold -
        rounds int              rounds of detection at the step; above 1 where impact moved a mark
        rounds_capped bool      true where max_rounds ended the step before marks came to rest
        fund_usd money          cash of the fund, or of all funds, after the step
        fund_equity_usd money   fund cash plus inventory at mark, over all symbols
        own_fund_usd money      cash of the fund that serves this symbol
        own_fund_equity_usd money    cash plus inventory at mark of that fund
        adl_on bool             true while the fund's drawdown rule has deleveraging on for this symbol
        vault_usd money         cash of the vault after the step
        vault_equity_usd money  vault cash plus inventory at mark, over all symbols
        pool_lots int           signed inventory of fund and vault in this symbol
        residual_usd money      sum of all cash after the step; 0
        """,
    ),
    (
        "criticality",
        "bar x symbol",
        "At the end of each bar: notional liquidated by a further move of 10 bps, against notional the book absorbs.",
        """
        bar_ts ts               open of the bar
        symbol str              symbol
        side str                side in danger: long where the bar's mark fell or stood still, short where it rose
        mark_px float           mark at the end of the bar
        ahead_lots int          lots of isolated positions of that side whose breach mark lies within 10 bps
        ahead_usd money         their notional at that mark
        absorbed_usd float      notional whose impact is 10 bps by the run's impact and liquidity; null if none has any
        criticality float       R = ahead_usd / absorbed_usd; above 1 a small move carries itself on
        """,
    ),
    (
        "accounts",
        "account",
        "Accounts with their cash before and after.",
        """
        account_id int          identity within the run
        name str                name given by the scenario or the imported book, empty otherwise
        watched bool            true for a position of the scenario's [[watch]]
        hedged bool             true if the scenario declares an outside leg that offsets it
        cohort str              leverage bucket its first position was drawn from, or imported, or watch
        margin_mode str         isolated, cross, or mixed where an account has positions of both kinds
        positions int           positions at the start
        collateral_usd money    collateral posted at the start
        opening_cash_usd money  cash at the start: collateral less signed entry value
        final_cash_usd money    cash at the end, unsettled funding included
        final_equity_usd money  cash plus lots at the last mark
        """,
    ),
    (
        "positions",
        "position at the start",
        "The book at the start, and the fate of each position.",
        """
        position_id int         row of the book, from 0
        account_id int          owner
        symbol str              symbol
        side str                long or short
        cohort str              leverage bucket
        margin_mode str         isolated or cross; a single cross position of an account is isolated in every respect
        lots int                size in lots
        quantity_base float     size in base units, of an inverse contract in contracts
        entry_value_usd money   value at entry
        entry_px float          average entry price
        collateral_usd money    margin posted; of cross positions only the sum over the account counts
        leverage float          notional over equity at the first mark, of a cross position those of its account
        liquidation_px float    first mark in breach, funding aside; cross: of its account, other marks as at the start
        isolated_liquidation_px float the same, had the position nothing but its own collateral; null if none
        bankruptcy_px float     price at which the collateral is gone, the account's (as above) in cross margin
        opening_cash_usd money  cash at the start
        final_lots int          lots left at the end
        final_cash_usd money    cash at the end, unsettled funding included
        final_equity_usd money  cash plus lots at the last mark
        fate str                open, liquidated, deleveraged, part_liquidated, part_deleveraged, both, netted
        """,
    ),
    (
        "liquidations",
        "position in breach x step with lots moved",
        "Every liquidation, in order.",
        """
        liquidation_id int      number, from 1, in order of crossing
        cascade_id int          run of steps with liquidations without a quiet minute between them
        step int                step of the breach
        round int               round of the step in which it was found; above 1 where impact had moved a mark
        ts ts                   time of the crossing, interpolated in the step
        symbol str              symbol
        account_id int          owner
        position_id int         position
        side str                side of the liquidated position
        cohort str              leverage bucket
        lots int                lots at detection
        quantity_base float     the same in base units
        mark_px float           mark at which maintenance was breached
        end_mark_px float       mark at the end of the round, at which lots the book did not take are valued
        equity_usd money        equity at mark_px, of a cross position its part of the account's (venue's rule)
        maintenance_usd money   maintenance margin at mark_px that the equity stands against
        notional_usd money      lots at that mark
        closed_usd money        lots that left the account (all but remaining_lots) at that mark
        end_notional_usd money  all lots at end_mark_px
        bankruptcy_value_usd money    value of all lots at which the collateral is gone
        bankruptcy_px float     price at which the lots have that value, null if none
        skipped_book bool       no order was sent: equity below zero, or beyond the venue's orders per block
        refused bool            the fill would have been worse than the bankruptcy value
        book_lots int           lots the order book took
        book_usd money          value of the book fills
        book_px float           average fill price, null without a fill
        fee_usd money           liquidation fee
        residual_usd money      collateral left after fee, positive ADL differences included
        returned_usd money      part of residual_usd kept by the account; the rest goes to fund or vault
        takeover_lots int       lots taken over at their bankruptcy value
        takeover_usd money      bankruptcy value of those lots
        takeover_by str         fund or vault, empty without a take-over
        adl_lots int            lots sent to ADL, unmatched ones included unless they are deferred
        adl_usd money           bankruptcy value of those lots
        remaining_lots int      lots that stay on the account until the next price
        """,
    ),
    (
        "fund",
        "movement of fund or vault",
        "Every change of cash or inventory of the fund and the vault.",
        """
        movement_id int         number, from 1
        step int                step, 0 for the opening
        ts ts                   time of the step
        pool str                fund or vault
        serves str              symbols the fund serves, joined by +; empty for the vault and for one fund over all
        cause str               opening, or a cause of the ledger that moves a pool
        symbol str              symbol, empty for the opening
        liquidation_id int      liquidation that caused it, null otherwise
        lots int                signed change of inventory
        mark_px float           mark at the end of the round, null for the opening
        inventory_change_usd money    value of that change at mark_px; of an inverse contract with the opposite sign
        amount_usd money        change of cash
        cash_usd money          cash of that fund, or of the vault, after the movement
        """,
    ),
    (
        "fund_events",
        "event of a fund",
        "Deleveraging on and off by a fund's drawdown, a fund empty and restored, and the first claim refused.",
        """
        event_id int            number, from 1
        step int                step
        ts ts                   time of the step
        serves str              symbols the fund serves where there are several, joined by +; else empty
        symbol str              symbol, empty where the event is the whole fund's
        event str               adl_on, adl_off, depleted, restored or refused
        cause str               of adl_on: drawdown, empty; of refused (a claim not taken whole): floor, limit, trigger
        equity_usd money        equity of the fund
        peak_usd money          largest equity of the fund in the window; 0 without a drawdown rule
        basis_usd money         base of the drawdown: profit of the fund from the symbol, or the equity of the fund
        basis_peak_usd money    largest basis_usd in the window
        drawdown_ratio float    (basis_usd - basis_peak_usd) / peak_usd, null without a peak
        """,
    ),
    (
        "adl_events",
        "wave",
        "One row per ADL wave: (step, symbol, bankrupt side) or one symbol of a pool's inventory.",
        """
        wave_id int             number of the wave over the run, from 1
        step int                step
        ts ts                   time of the step
        symbol str              symbol
        bankrupt_side str       side of the bankrupt positions
        source str              account, fund or vault
        bankrupts int           bankrupt positions served (1 for a pool)
        candidates int          accounts in the queue
        lots_wanted int         bankrupt lots
        lots_closed int         lots closed against winners
        lots_unmatched int      lots left over when the queue ran out
        unmatched_to str        market, fund, account (deferred) or the pool itself; empty if nothing was left
        notional_usd money      closed lots at the step's mark
        candidate_usd money     notional of all candidates at the step's mark
        winners int             accounts touched
        skipped int             candidates passed over because their equity would have fallen below zero
        close_rule str          bankruptcy, mark or previous_mark
        mark_px float           mark at the end of the step
        previous_mark_px float  mark three seconds earlier on the walked path
        difference_usd money    bankruptcy value against close amount, signed for the bankrupt side
        """,
    ),
    (
        "adl_queue",
        "wave x candidate kept",
        "The queue: all candidates closed or skipped, and the next ones not reached.",
        """
        wave_id int             wave
        step int                step
        ts ts                   time of the step
        symbol str              symbol
        rank int                place in the queue, from 1; null where nobody is ranked (allocation pro_rata)
        account_id int          candidate
        position_id int         position
        side str                side of the candidate
        cohort str              leverage bucket
        lots int                size at the start of the wave
        notional_usd money      the same at the step's mark
        score float             ranking score, exact order, shown as a float, null without a rank
        pnl_usd money           unrealised profit at the step's mark
        equity_usd money        equity at the step's mark, of a cross position its account's
        leverage float          notional over equity
        notional_ahead_usd money     notional of all candidates in front, null without a rank
        closed_lots int         lots closed in this wave
        status str              closed, partial, skipped or not_reached
        """,
    ),
    (
        "adl_fills",
        "slice",
        "Every slice of ADL: one bankrupt, one winner, one price.",
        """
        fill_id int             number, from 1
        wave_id int             wave
        step int                step
        ts ts                   time of the step
        symbol str              symbol
        bankrupt str            account id, fund or vault
        liquidation_id int      liquidation of the bankrupt, null for a pool
        account_id int          winner
        position_id int         position of the winner
        side str                side of the winner
        cohort str              leverage bucket of the winner
        rank int                place in the queue, null without one, 0 if the bankrupt account's own opposite position
        score float             ranking score, null without a rank
        lots int                lots closed
        quantity_base float     the same in base units
        amount_usd money        value at which they were closed
        close_px float          price at which the lots have that value
        mark_px float           mark at the end of the step
        notional_usd money      lots at that mark
        notional_ahead_usd money     notional of all candidates in front of the winner, null without a rank
        bankruptcy_value_usd money    bankruptcy value of the slice
        difference_usd money    close amount less bankruptcy value, signed for the bankrupt side
        immediate_usd money     result of the winner against closing at mark; negative is a loss
        realized_usd money      profit realised against entry
        """,
    ),
    (
        "watch",
        "watched position x wave of its symbol",
        "Where my positions stood in every queue.",
        """
        name str                name given by the scenario
        account_id int          account
        position_id int         position
        symbol str              symbol
        side str                side of the position
        hedged bool             true if the scenario declares an outside leg that offsets it
        wave_id int             wave
        step int                step
        ts ts                   time of the step
        in_queue bool           true if the position was a candidate of the wave
        rank int                place in the queue, null if not in it
        candidates int          length of the queue
        notional_ahead_usd money     notional in front, null if not in the queue
        lights int              5 to 1 by fifths of the queue's cumulative notional, 5 = first, null if not in it
        score float             ranking score, null if not in the queue
        lots int                size before the wave
        closed_lots int         lots closed in this wave
        close_px float          price of those lots, null if none
        mark_px float           mark at the end of the step
        """,
    ),
    (
        "funding",
        "funding event x symbol x side x cohort",
        "Funding accrued, exact to a millionth of a quantum.",
        """
        step int                step at which the index moved
        ts ts                   time
        symbol str              symbol
        side str                long or short
        cohort str              leverage bucket, or market, fund, vault
        rate float              rate charged; longs pay when positive
        mark_px float           first mark walked in the bar of the event
        lots int                lots of the cohort
        amount_usd money12      signed, received is plus
        notional_basis str      price the payment is charged on: mark or oracle
        notional_px float       that price
        fetched_rate float      rate as fetched; differs from rate where clipped
        clipped bool            true if the fetched rate is beyond the venue's cap of its day
        """,
    ),
    (
        "ledger",
        "leg",
        "Cash and lots: every leg of every entry; each entry sums to zero.",
        """
        entry_id int            entry; its legs sum to zero in cash and, per symbol, in lots
        step int                step, 0 for the opening
        ts ts                   time of the step
        cause str               opening, book, fee, residual, takeover, adl, difference, exhausted, unwind, funding, \
net, shortfall (paid by the fund) or socialised
        symbol str              symbol, empty for opening cash
        owner str               account, fund, vault, venue, market, rounding, uncovered or opening
        serves str              symbols the fund serves where there are several, joined by +; else empty
        account_id int          account, null for other owners and for the summed opening of accounts
        lots int                signed change of lots
        amount_usd money        change of cash
        """,
    ),
    (
        "actual_liquidations",
        "fill",
        "Liquidations of the venue without ADL, from its public fills; empty unless imported.",
        FILL
        + """
        method str              market for the order book, backstop for a take-over, empty if not given
        """,
    ),
    (
        "actual_adl",
        "fill",
        "Winners deleveraged by the venue, from its public fills; empty unless imported.",
        FILL
        + """
        method str              how the bankrupt side was being closed, empty if not given
        liquidated_account str  bankrupt party, mostly the liquidator vault, empty if not given
        """,
    ),
)
