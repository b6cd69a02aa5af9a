-- title: Who paid for the liquidated positions?
-- params: none
-- grain: one row per stage
-- units: of all symbols, the modelled rest of the venue included; amount_usd plus = put in, minus = lost to the market or paid out; the stages sum to exactly zero
-- note: stages 1 to 5: collateral, profit and loss of the liquidated positions; 6 to 11: recipients of the rest or payers of the deficit
WITH last_marks AS (
  SELECT symbol, (arg_max(lot_value_usd, step)::DECIMAL(38, 6) * 1000000)::HUGEINT AS quanta FROM steps GROUP BY symbol
),
-- Amounts per lot are whole quanta, so that everything below is exact; // rounds to zero, the engine's slices down.
at_breach AS (
  SELECT l.position_id, l.returned_usd, l.book_usd, l.book_lots,
         value_sign(l.side, l.symbol) AS sign,
         l.lots - l.remaining_lots AS left_lots,
         (l.bankruptcy_value_usd::DECIMAL(38, 6) * 1000000)::HUGEINT * l.book_lots AS slice_quanta,
         l.takeover_lots + l.adl_lots AS passed_lots,
         (l.notional_usd::DECIMAL(38, 6) * 1000000)::HUGEINT // l.lots AS breach_quanta,
         (l.end_notional_usd::DECIMAL(38, 6) * 1000000)::HUGEINT // l.lots AS end_quanta,
         l.takeover_usd + l.adl_usd + CASE l.book_lots WHEN l.lots THEN l.bankruptcy_value_usd
           ELSE (slice_quanta // l.lots - (slice_quanta % l.lots < 0)::HUGEINT)::DECIMAL(32, 0) * 0.000001 END AS bankruptcy_value_usd
  FROM liquidations l
),
exits AS (
  SELECT *,
         (breach_quanta * book_lots)::DECIMAL(32, 0) * 0.000001 AS book_at_breach_usd,
         (breach_quanta * left_lots)::DECIMAL(32, 0) * 0.000001 AS left_at_breach_usd,
         ((end_quanta - breach_quanta) * passed_lots)::DECIMAL(32, 0) * 0.000001 AS passed_move_usd
  FROM at_breach
),
posted AS (
  SELECT sum(((p.collateral_usd::DECIMAL(38, 6) * 1000000)::HUGEINT * e.left_lots // p.lots)::DECIMAL(32, 0) * 0.000001) AS usd
  FROM (SELECT position_id, sum(left_lots) AS left_lots FROM exits GROUP BY position_id) e JOIN positions p USING (position_id)
),
sums AS (
  SELECT sum(sign * (left_at_breach_usd - bankruptcy_value_usd)) AS breach_equity_usd,
         sum(sign * (book_usd - book_at_breach_usd)) AS slippage_usd,
         sum(sign * passed_move_usd) AS move_usd,
         sum(returned_usd) AS returned_usd
  FROM exits
),
pool_moves AS (
  SELECT f.pool, f.cause, f.amount_usd,
         f.inventory_change_usd::DECIMAL(38, 6) AS then_usd,
         (value_sign('long', f.symbol) * f.lots * m.quanta)::DECIMAL(32, 0) * 0.000001 AS last_usd
  FROM fund f
  LEFT JOIN last_marks m USING (symbol)
  WHERE f.cause <> 'opening'
),
pools AS (
  SELECT sum(amount_usd + coalesce(last_usd, 0)) FILTER (pool = 'fund') AS fund_usd,
         sum(amount_usd + coalesce(last_usd, 0)) FILTER (pool = 'vault') AS vault_usd,
         sum(coalesce(last_usd - then_usd, 0)
             + CASE WHEN cause = 'unwind' THEN amount_usd + coalesce(then_usd, 0)
                    WHEN cause = 'funding' THEN amount_usd ELSE 0 END) AS carried_usd
  FROM pool_moves
),
-- What a fund or the vault is below zero at the end, nobody has funded: it has paid what it had.
ends AS (
  SELECT f.pool, sum(f.amount_usd + coalesce((value_sign('long', f.symbol) * f.lots * m.quanta)::DECIMAL(32, 0) * 0.000001, 0)) AS usd
  FROM fund f LEFT JOIN last_marks m USING (symbol) GROUP BY f.pool, f.serves
),
below AS (
  SELECT coalesce(-sum(usd) FILTER (pool = 'fund'), 0) AS fund_usd, coalesce(-sum(usd) FILTER (pool = 'vault'), 0) AS vault_usd
  FROM ends WHERE usd < 0
),
winners AS (SELECT coalesce(sum(immediate_usd), 0) AS usd FROM adl_fills),
booked AS (
  SELECT coalesce(-sum(amount_usd) FILTER (owner = 'account' AND cause = 'socialised'), 0) AS socialised_usd,
         coalesce(sum(amount_usd) FILTER (owner = 'venue'), 0) AS venue_usd,
         coalesce(sum(amount_usd) FILTER (owner = 'uncovered'), 0) AS uncovered_usd
  FROM ledger
),
parts AS (
  SELECT coalesce(posted.usd, 0) AS posted_usd,
         coalesce(sums.breach_equity_usd, 0) AS breach_equity_usd,
         coalesce(sums.slippage_usd, 0) AS slippage_usd,
         coalesce(sums.move_usd, 0) AS move_usd,
         coalesce(sums.returned_usd, 0) AS returned_usd,
         coalesce(pools.fund_usd, 0) + below.fund_usd AS fund_usd,
         coalesce(pools.vault_usd, 0) + below.vault_usd AS vault_usd,
         coalesce(pools.carried_usd, 0) AS carried_usd,
         winners.usd AS winners_usd,
         booked.socialised_usd,
         booked.venue_usd,
         booked.uncovered_usd - below.fund_usd - below.vault_usd AS uncovered_usd
  FROM posted POSITIONAL JOIN sums POSITIONAL JOIN pools POSITIONAL JOIN below POSITIONAL JOIN winners POSITIONAL JOIN booked
)
SELECT stage_no, stage, amount_usd::DECIMAL(38, 6) AS amount_usd, note
FROM parts, LATERAL (VALUES
  (1, 'collateral posted', posted_usd, 'collateral posted for the lots that were liquidated'),
  (2, 'result up to the breach', breach_equity_usd - posted_usd, 'profit and loss at the mark of the breach, funding included; in cross margin also what other positions of the account gave'),
  (3, 'slippage in the book', slippage_usd, 'book fills against the mark of the breach'),
  (4, 'move to the end of the step', move_usd, 'lots the book did not take, from the breach to the mark of the step'),
  (5, 'moves on inventory', carried_usd, 'mark moves, funding and unwinding of lots taken over by the fund or vault'),
  (6, 'fees of the venue', -venue_usd, 'liquidation fees; a fee that goes to the fund is in its result'),
  (7, 'returned to accounts', -returned_usd, 'collateral left after fees'),
  (8, 'insurance fund', -fund_usd, 'cash change plus inventory at the last mark; plus = the fund paid, at most what it had'),
  (9, 'vault', -vault_usd, 'cash change plus inventory at the last mark; plus = the vault paid, at most what it had'),
  (10, 'ADL winners', -winners_usd, 'closed below what the mark would have given; plus = the winners paid'),
  (11, 'socialised losses', socialised_usd, 'losses socialised over winners or over all holders; plus = they paid'),
  (12, 'uncovered', -uncovered_usd, 'losses nobody funded: what no owner could bear, and what fund and vault are below zero at the end')
) AS stages(stage_no, stage, amount_usd, note)
ORDER BY stage_no
