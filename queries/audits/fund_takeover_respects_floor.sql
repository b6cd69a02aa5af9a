-- title: No take-over that costs the fund equity leaves it below its floor
-- params: none
-- grain: one row per offending take-over
-- units: _usd at the marks of the step; equity_usd fund cash plus inventory after the take-over; first_value_usd what the take-over added to it
-- note: wants the floor in rules.fund_floor_usd, checks nothing without it; looks at steps before funding first reaches the fund
WITH floors AS (SELECT (to_json(r) ->> 'fund_floor_usd')::DECIMAL(18, 6) AS floor_usd FROM rules r),
lot_sizes AS (SELECT symbol, max(quantity_base / lots) AS lot_base FROM liquidations GROUP BY symbol),
per_lot AS (
  SELECT s.step, s.symbol, (s.mark_px * z.lot_base)::DECIMAL(18, 6) AS usd FROM steps s JOIN lot_sizes z USING (symbol)
),
costly AS (
  SELECT f.movement_id, f.step, f.symbol, f.cash_usd, f.amount_usd + f.lots * p.usd AS first_value_usd
  FROM fund f JOIN per_lot p USING (step, symbol)
  WHERE f.pool = 'fund' AND f.cause = 'takeover' AND first_value_usd < 0
    AND f.step < coalesce((SELECT min(step) FROM funding WHERE cohort = 'fund'), f.step + 1)
),
held AS (
  SELECT symbol, movement_id, sum(lots) OVER (PARTITION BY symbol ORDER BY movement_id) AS lots
  FROM fund WHERE pool = 'fund' AND lots <> 0
),
moments AS (SELECT c.movement_id, c.step, h.symbol FROM costly c CROSS JOIN (SELECT DISTINCT symbol FROM held) h),
inventory AS (
  SELECT m.movement_id, sum(h.lots::BIGINT * p.usd) AS usd
  FROM moments m ASOF JOIN held h ON m.symbol = h.symbol AND m.movement_id >= h.movement_id
  JOIN per_lot p ON p.step = m.step AND p.symbol = m.symbol
  GROUP BY m.movement_id
)
SELECT c.movement_id, c.step, c.symbol, c.cash_usd + i.usd AS equity_usd, c.first_value_usd, f.floor_usd
FROM costly c JOIN inventory i USING (movement_id) CROSS JOIN floors f
WHERE equity_usd < f.floor_usd
ORDER BY c.movement_id
