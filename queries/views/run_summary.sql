-- title: What happened, in one row?
-- params: none
-- grain: one row
-- units: _usd settlement currency; pool, fund and vault in equity (cash plus inventory at mark); liquidated = lots that left accounts in breach, at their breach mark; ADL notional at mark; _frac 0..1; _after_s seconds
-- note: residual_usd is the largest residual of any step; worst_move_frac is the lowest trade against the first trade of the run; uncovered_usd includes what fund and vault are below zero at the end; vault_below_maintenance_steps counts steps at which a vault with inventory was below its own; open_interest_usd leaves out watched positions, which come on top; several vaults add up, but vault_least_usd is the lowest equity of any, vault_leverage_max the highest of any; open interest, liquidations, ADL and the worst move are of the coins with bars, rest_ those of the modelled rest of the venue, null without one; fund and vault are of all
WITH liquidated AS (
  SELECT count(*) FILTER (covered) AS liquidations,
         coalesce(sum(closed_usd) FILTER (covered AND side = 'long'), 0) AS long_usd,
         coalesce(sum(closed_usd) FILTER (covered AND side = 'short'), 0) AS short_usd,
         coalesce(sum(closed_usd) FILTER (covered), 0) AS all_usd,
         coalesce(sum(closed_usd) FILTER (NOT covered), 0) AS rest_usd,
         min(ts) FILTER (covered) AS first_ts
  FROM (SELECT side, closed_usd, ts, is_covered(symbol) AS covered FROM liquidations)
),
waves AS (
  SELECT count(*) FILTER (covered) AS waves,
         coalesce(sum(notional_usd) FILTER (covered), 0) AS usd,
         coalesce(sum(notional_usd) FILTER (covered AND source <> 'account'), 0) AS for_pools_usd,
         coalesce(sum(notional_usd) FILTER (NOT covered), 0) AS rest_usd,
         min(ts) FILTER (covered AND lots_closed > 0) AS first_ts
  FROM (SELECT source, notional_usd, lots_closed, ts, is_covered(symbol) AS covered FROM adl_events)
),
winners AS (
  SELECT count(DISTINCT position_id) AS positions, count(DISTINCT account_id) AS accounts FROM adl_fills
  WHERE is_covered(symbol)
),
paths AS (
  SELECT symbol, arg_min(lot_value_usd, step) AS first_usd, arg_max(lot_value_usd, step) AS last_usd,
         arg_min(trade_px, step) AS first_px, min(trade_low_px) AS low_px
  FROM steps GROUP BY symbol
),
walked AS (
  SELECT min(own_vault_equity_usd) AS vault_least_usd, max(vault_leverage) AS vault_leverage_max,
         count(DISTINCT step) FILTER (vault_excess_usd < least(own_vault_equity_usd, 0)) AS vault_below_maintenance_steps,
         coalesce(arg_max(residual_usd, abs(residual_usd)), 0) AS residual_usd
  FROM steps
),
worst AS (
  SELECT symbol, low_px / first_px - 1 AS move_frac FROM paths
  WHERE is_covered(symbol) ORDER BY move_frac, symbol LIMIT 1
),
sides AS (
  SELECT symbol, side, sum(p.lots * first_usd) AS notional_usd
  FROM positions p JOIN paths USING (symbol)
  WHERE account_id NOT IN (SELECT account_id FROM accounts WHERE watched) GROUP BY symbol, side
),
interest AS (
  SELECT coalesce(sum(one_side_usd) FILTER (is_covered(symbol)), 0) AS usd,
         sum(one_side_usd) FILTER (NOT is_covered(symbol)) AS rest_usd
  FROM (SELECT symbol, max(notional_usd) AS one_side_usd FROM sides GROUP BY symbol)
),
clock AS (
  SELECT step, ts, fund_equity_usd, vault_equity_usd
  FROM steps WHERE symbol = (SELECT min(symbol) FROM steps)
),
equity AS (
  SELECT 'fund' AS pool, step, ts, fund_equity_usd AS usd FROM clock
  UNION ALL SELECT 'vault', step, ts, vault_equity_usd FROM clock
  UNION ALL SELECT pool, 0, min(ts), sum(amount_usd) FROM fund WHERE cause = 'opening' GROUP BY pool
),
lows AS (
  SELECT pool, arg_min(usd, step) AS start_usd, arg_max(usd, step) AS end_usd, min(usd) AS low_usd FROM equity GROUP BY pool
),
pools AS (
  SELECT pool, any_value(start_usd) AS start_usd, any_value(end_usd) AS end_usd, any_value(low_usd) AS low_usd, min(ts) AS low_ts
  FROM lows JOIN equity USING (pool) WHERE usd = low_usd GROUP BY pool
),
ends AS (
  SELECT sum(f.amount_usd + coalesce(value_sign('long', f.symbol) * f.lots * p.last_usd, 0)) AS usd
  FROM fund f LEFT JOIN paths p USING (symbol) GROUP BY f.pool, f.serves
),
uncovered AS (
  SELECT coalesce(sum(usd), 0) AS usd FROM (
    SELECT sum(amount_usd) AS usd FROM ledger WHERE owner = 'uncovered' UNION ALL SELECT sum(usd) FROM ends WHERE usd < 0
  )
),
main AS (
  SELECT CASE WHEN count(*) FILTER (pool = 'vault' AND (cause <> 'opening' OR amount_usd > 0)) > 0
              THEN 'vault' ELSE 'fund' END AS pool,
         min(amount_usd) FILTER (pool = 'vault' AND cause = 'opening') AS vault_opening_usd
  FROM fund
)
SELECT r.event_id, r.venue, r.symbols, r.ranking, r.seed, r.start_ts, r.end_ts,
       coalesce(r.accounts, 0) AS accounts,
       coalesce(r.positions, 0) AS positions,
       interest.usd AS open_interest_usd,
       l.liquidations,
       l.long_usd AS liquidated_long_usd,
       l.short_usd AS liquidated_short_usd,
       l.all_usd AS liquidated_usd,
       l.long_usd / nullif(l.all_usd, 0) AS liquidated_long_share_frac,
       l.first_ts AS first_liquidation_ts,
       main.pool,
       coalesce(p.start_usd, 0) AS pool_start_usd,
       coalesce(p.end_usd, 0) AS pool_end_usd,
       coalesce(p.low_usd, 0) AS pool_low_usd,
       p.low_ts AS pool_low_ts,
       coalesce(f.start_usd, 0) AS fund_start_usd,
       coalesce(f.end_usd, 0) AS fund_end_usd,
       coalesce(f.low_usd, 0) AS fund_low_usd,
       coalesce(v.start_usd, 0) AS vault_start_usd,
       coalesce(v.end_usd, 0) AS vault_end_usd,
       coalesce(v.low_usd, 0) AS vault_low_usd,
       coalesce(least(walked.vault_least_usd, main.vault_opening_usd), 0) AS vault_least_usd,
       walked.vault_leverage_max,
       walked.vault_below_maintenance_steps,
       w.usd AS adl_usd,
       winners.positions AS adl_positions,
       winners.accounts AS adl_accounts,
       w.waves AS adl_waves,
       w.first_ts AS first_adl_ts,
       epoch(w.first_ts - l.first_ts) AS first_adl_after_s,
       w.usd / nullif(l.all_usd, 0) AS adl_share_frac,
       w.for_pools_usd / nullif(w.usd, 0) AS adl_for_pools_share_frac,
       uncovered.usd AS uncovered_usd,
       walked.residual_usd,
       worst.symbol AS worst_symbol,
       worst.move_frac AS worst_move_frac,
       interest.rest_usd AS rest_open_interest_usd,
       CASE WHEN interest.rest_usd IS NOT NULL THEN l.rest_usd END AS rest_liquidated_usd,
       CASE WHEN interest.rest_usd IS NOT NULL THEN w.rest_usd END AS rest_adl_usd
FROM liquidated l
POSITIONAL JOIN waves w
POSITIONAL JOIN winners
POSITIONAL JOIN interest
POSITIONAL JOIN walked
POSITIONAL JOIN uncovered
POSITIONAL JOIN main
LEFT JOIN runs r ON true
LEFT JOIN worst ON true
LEFT JOIN pools p ON p.pool = main.pool
LEFT JOIN pools f ON f.pool = 'fund'
LEFT JOIN pools v ON v.pool = 'vault'
