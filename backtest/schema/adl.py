"""Tables on auto-deleveraging: waves, queues, slices and watched positions."""

from __future__ import annotations

from backtest.schema.table import Table, columns

TABLES = (
    Table(
        name="adl_events",
        grain="wave",
        doc="One row per ADL wave: (step, symbol, bankrupt side) or one symbol of a pool's inventory.",
        columns=columns("""
        wave_id          int   number of the wave over the run, from 1
        step             int   step
        ts               ts    time of the step
        symbol           str   symbol
        bankrupt_side    str   side of the bankrupt positions
        source           str   account, fund or vault
        bankrupts        int   bankrupt positions served (1 for a pool)
        candidates       int   accounts in the queue
        lots_wanted      int   bankrupt lots
        lots_closed      int   lots closed against winners
        lots_unmatched   int   lots left over when the queue ran out
        unmatched_to     str   market, fund, account (deferred) or the pool itself; empty if nothing was left
        notional_usd     money closed lots at the step's mark
        candidate_usd    money notional of all candidates at the step's mark
        winners          int   accounts touched
        skipped          int   candidates passed over because their equity would have fallen below zero
        close_rule       str   bankruptcy, mark or previous_mark
        mark_px          float mark at the end of the step
        previous_mark_px float mark three seconds earlier on the walked path
        difference_usd   money bankruptcy value against close amount, signed for the bankrupt side
        """),
    ),
    Table(
        name="adl_queue",
        grain="wave x candidate kept",
        doc="The queue: all candidates closed or skipped, and the next ones not reached.",
        columns=columns("""
        wave_id            int   wave
        step               int   step
        ts                 ts    time of the step
        symbol             str   symbol
        rank               int   place in the queue, from 1; null where the allocation ranks nobody (all but queue)
        account_id         int   candidate
        position_id        int   position
        side               str   side of the candidate
        cohort             str   leverage bucket
        lots               int   size at the start of the wave
        notional_usd       money the same at the step's mark
        score              float by the rule of runs.ranking, null without a rank; water_filling: the factor leverage
        pnl_usd            money unrealised profit at the step's mark
        equity_usd         money equity at the step's mark, of a cross position its account's
        leverage           float notional over equity
        notional_ahead_usd money notional of all candidates in front, null without a rank
        closed_lots        int   lots closed in this wave
        status             str   closed, partial, skipped or not_reached
        """),
    ),
    Table(
        name="adl_fills",
        grain="slice",
        doc="Every slice of ADL: one bankrupt, one winner, one price.",
        columns=columns("""
        fill_id              int   number, from 1
        wave_id              int   wave
        step                 int   step
        ts                   ts    time of the step
        symbol               str   symbol
        bankrupt             str   account id, fund or vault
        liquidation_id       int   liquidation of the bankrupt, null for a pool
        account_id           int   winner
        position_id          int   position of the winner
        side                 str   side of the winner
        cohort               str   leverage bucket of the winner
        rank                 int   place in the queue, null without one, 0 for the bankrupt account's own other side
        score                float score by the rule of runs.ranking, null without a rank
        lots                 int   lots closed
        quantity_base        float the same in base units
        amount_usd           money value at which they were closed
        close_px             float price at which the lots have that value
        mark_px              float mark at the end of the step
        notional_usd         money lots at that mark
        notional_ahead_usd   money notional of all candidates in front of the winner, null without a rank
        bankruptcy_value_usd money bankruptcy value of the slice
        difference_usd       money close amount less bankruptcy value, signed for the bankrupt side
        immediate_usd        money result of the winner against closing at mark; negative is a loss
        realized_usd         money profit realised against entry
        """),
    ),
    Table(
        name="watch",
        grain="watched position x wave of its symbol",
        doc="Where my positions stood in every queue.",
        columns=columns("""
        name               str   name given by the scenario
        account_id         int   account
        position_id        int   position
        symbol             str   symbol
        side               str   side of the position
        hedged             bool  true if the scenario declares an outside leg that offsets it
        wave_id            int   wave
        step               int   step
        ts                 ts    time of the step
        in_queue           bool  true if the position was a candidate of the wave
        rank               int   place in the queue, null if not in it
        candidates         int   length of the queue
        notional_ahead_usd money notional in front, null if not in the queue
        lights             int   5 to 1 by fifths of the queue's cumulative notional, 5 = first, null if not in it
        score              float score by the rule of runs.ranking, null if not in the queue
        lots               int   size before the wave
        closed_lots        int   lots closed in this wave
        close_px           float price of those lots, null if none
        mark_px            float mark at the end of the step
        """),
    ),
)
