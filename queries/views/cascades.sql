-- title: How did the cascade run?
-- params: none
-- grain: one row per cascade
-- units: liquidated_usd lots that left accounts, at their breach mark; duration_s seconds; mark_move_frac largest move of a mark inside the cascade, against the mark just before it
-- note: a cascade is a run of steps with liquidations without a quiet minute between them, over all symbols
WITH left_accounts AS (
  SELECT cascade_id, step, ts, symbol,
         CASE kept_lots WHEN 0 THEN notional_usd
              ELSE ((notional_usd * 1000000)::HUGEINT // lots * (lots - kept_lots))::DECIMAL(32, 0) * 0.000001 END AS left_usd
  FROM liquidations
),
per_step AS (
  SELECT cascade_id, step, min(ts) AS start_ts, max(ts) AS end_ts, count(*) AS liquidations, sum(left_usd) AS left_usd
  FROM left_accounts GROUP BY cascade_id, step
),
spans AS (
  SELECT cascade_id, min(step) AS first_step, max(step) AS last_step, min(start_ts) AS start_ts, max(end_ts) AS end_ts,
         count(*) AS steps, sum(liquidations)::BIGINT AS liquidations,
         sum(left_usd) AS liquidated_usd, max(left_usd) AS largest_step_usd
  FROM per_step GROUP BY cascade_id
),
touched AS (
  SELECT cascade_id, string_agg(symbol, ', ' ORDER BY symbol) AS symbols
  FROM (SELECT DISTINCT cascade_id, symbol FROM liquidations) GROUP BY cascade_id
),
marks AS (
  SELECT symbol, step, mark_px, lag(mark_px, 1, mark_px) OVER (PARTITION BY symbol ORDER BY step) AS before_px FROM steps
),
ranges AS (
  SELECT s.cascade_id, m.symbol, arg_min(m.before_px, m.step) AS before_px, min(m.mark_px) AS low_px, max(m.mark_px) AS high_px
  FROM marks m ASOF JOIN spans s ON m.step >= s.first_step
  WHERE m.step <= s.last_step
  GROUP BY s.cascade_id, m.symbol
),
moves AS (
  SELECT cascade_id, symbol,
         CASE WHEN before_px - low_px >= high_px - before_px THEN low_px ELSE high_px END / before_px - 1 AS move_frac
  FROM ranges
),
largest AS (
  SELECT cascade_id, symbol, move_frac FROM moves
  QUALIFY row_number() OVER (PARTITION BY cascade_id ORDER BY abs(move_frac) DESC, symbol) = 1
)
SELECT s.cascade_id, s.start_ts, s.end_ts, epoch(s.end_ts - s.start_ts) AS duration_s, s.steps, s.liquidations,
       s.liquidated_usd, s.largest_step_usd, t.symbols,
       l.symbol AS mark_move_symbol, l.move_frac AS mark_move_frac
FROM spans s
JOIN touched t USING (cascade_id)
LEFT JOIN largest l USING (cascade_id)
ORDER BY s.cascade_id
