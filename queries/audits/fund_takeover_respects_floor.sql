-- title: No take-over that costs the fund equity leaves it below its floor
-- params: none
-- grain: one row per offending take-over
-- units: _usd at the marks of the step; equity_usd fund cash plus inventory after the take-over; first_value_usd the equity added by the take-over
-- note: wants the floor in rules.fund_floor_usd, checks nothing without it; looks at steps of one round before funding first reaches the fund
WITH floors AS (SELECT (to_json(r) ->> 'fund_floor_usd')::DECIMAL(18, 6) AS floor_usd FROM rules r),
-- A long lot of an inverse contract is owed: its value is negative, that of a short one positive.
per_lot AS (SELECT step, symbol, value_sign('long', symbol) * lot_value_usd AS usd FROM steps),
movements AS (
  SELECT f.movement_id, f.step, f.symbol, f.serves, f.cause, f.lots, f.cash_usd, f.lots * p.usd AS lots_usd,
         f.amount_usd + f.lots * p.usd AS first_value_usd
  FROM fund f JOIN per_lot p USING (step, symbol)
  WHERE f.pool = 'fund' AND f.lots <> 0
),
served AS (SELECT DISTINCT symbol, serves FROM movements),
changes AS (SELECT step, symbol, sum(lots)::BIGINT AS lots FROM movements GROUP BY step, symbol),
inventory AS (
  SELECT step, v.serves, p.usd, c.lots, sum(coalesce(c.lots, 0)) OVER (PARTITION BY symbol ORDER BY step)::BIGINT - coalesce(c.lots, 0) AS lots_before
  FROM per_lot p JOIN served v USING (symbol) LEFT JOIN changes c USING (step, symbol)
),
before AS (SELECT step, serves, sum(lots_before * usd) AS usd FROM inventory GROUP BY step, serves HAVING bool_or(lots IS NOT NULL)),
checked AS (
  SELECT m.*, m.cash_usd + b.usd + sum(m.lots_usd) OVER (PARTITION BY m.step, m.serves ORDER BY m.movement_id) AS equity_usd
  FROM movements m JOIN before b USING (step, serves)
)
SELECT j.movement_id, j.step, j.symbol, j.equity_usd, j.first_value_usd, f.floor_usd
FROM checked j CROSS JOIN floors f
WHERE j.cause = 'takeover' AND j.first_value_usd < 0 AND j.equity_usd < f.floor_usd
  AND j.step NOT IN (SELECT step FROM steps WHERE rounds > 1)
  AND j.step < coalesce((SELECT min(step) FROM funding WHERE cohort = 'fund'), j.step + 1)
ORDER BY j.movement_id
