-- title: How did the cascade run?
-- params: none
-- grain: one row per cascade
-- units: liquidated_usd lots that left accounts, at their breach mark; duration_s seconds; mark_move_frac largest move of a mark inside the cascade, against the mark just before it
-- note: a cascade is a run of steps with liquidations without a quiet minute between them, over all coins with bars
WITH per_step AS (
  SELECT cascade_id, step, min(ts) AS start_ts, max(ts) AS end_ts, count(*) AS liquidations, sum(closed_usd) AS closed_usd
  FROM liquidations WHERE is_covered(symbol) GROUP BY cascade_id, step
),
spans AS (
  SELECT cascade_id, min(step) AS first_step, max(step) AS last_step, min(start_ts) AS start_ts, max(end_ts) AS end_ts,
         count(*) AS steps, sum(liquidations)::BIGINT AS liquidations,
         sum(closed_usd) AS liquidated_usd, max(closed_usd) AS largest_step_usd
  FROM per_step GROUP BY cascade_id
),
touched AS (
  SELECT cascade_id, string_agg(symbol, ', ' ORDER BY symbol) AS symbols
  FROM (SELECT DISTINCT cascade_id, symbol FROM liquidations WHERE is_covered(symbol)) GROUP BY cascade_id
),
inside AS (SELECT cascade_id, unnest(range(first_step, last_step + 1)) AS step FROM spans),
ranges AS (
  SELECT cascade_id, symbol, min(mark_px) AS low_px, max(mark_px) AS high_px
  FROM inside JOIN steps USING (step) WHERE is_covered(symbol) GROUP BY cascade_id, symbol
),
-- The mark before the first price of a run is that price itself.
befores AS (SELECT cascade_id, greatest(first_step - 1, 1) AS step FROM spans),
starts AS (SELECT cascade_id, symbol, mark_px AS before_px FROM befores JOIN steps USING (step)),
moves AS (
  SELECT cascade_id, symbol,
         CASE WHEN before_px - low_px >= high_px - before_px THEN low_px ELSE high_px END / before_px - 1 AS move_frac
  FROM ranges JOIN starts USING (cascade_id, symbol)
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
