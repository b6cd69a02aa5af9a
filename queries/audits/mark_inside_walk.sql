-- title: Every mark that something is decided or valued at was walked in its step
-- params: none
-- grain: one row per offending mark
-- units: _px quote per base
-- note: walked are the marks between the price before and the step's own, and those of every round; after a jump the step's own only
WITH walked AS (
  SELECT *, lag(mark_px) OVER (PARTITION BY symbol ORDER BY step) AS before_px FROM steps
),
used AS (
  SELECT 'breach' AS what, liquidation_id AS id, step, symbol, mark_px FROM liquidations
  UNION ALL SELECT 'end of the round', liquidation_id, step, symbol, end_mark_px FROM liquidations
  UNION ALL SELECT 'ADL wave', wave_id, step, symbol, mark_px FROM adl_events
  UNION ALL SELECT 'movement of a pool', movement_id, step, symbol, mark_px FROM fund WHERE cause <> 'opening'
  UNION ALL SELECT 'step', step, step, symbol, mark_px FROM walked
  UNION ALL SELECT 'price before', step, step, symbol, before_px FROM walked WHERE before_px IS NOT NULL AND NOT jump
)
SELECT u.what, u.id, u.step, u.symbol, u.mark_px, w.mark_low_px, w.mark_high_px
FROM used u LEFT JOIN walked w USING (step, symbol)
WHERE (u.mark_px BETWEEN w.mark_low_px * (1 - 1e-12) AND w.mark_high_px * (1 + 1e-12)) IS DISTINCT FROM true
ORDER BY u.what, u.id
