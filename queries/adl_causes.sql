-- title: Why was there ADL while the fund still had money?
-- params: none
-- grain: one row
-- units: refused orders whose fill would have been worse than the bankruptcy value, refused_usd their lots that left the account at the breach mark; fund_inventory_max_usd gross inventory of the fund over all symbols at mark, the largest at the end of a step
WITH moved AS (SELECT step, symbol, sum(lots)::BIGINT AS lots FROM fund WHERE pool = 'fund' GROUP BY step, symbol),
held AS (
  SELECT s.step, s.symbol, s.lot_value_usd,
         sum(coalesce(m.lots, 0)) OVER (PARTITION BY s.symbol ORDER BY s.step)::BIGINT AS lots
  FROM steps s LEFT JOIN moved m USING (step, symbol)
),
gross AS (
  SELECT step, sum(abs(lots) * lot_value_usd) AS usd FROM held GROUP BY step
)
SELECT count(*) FILTER (refused) AS refused,
       coalesce(sum(closed_usd) FILTER (refused), 0) AS refused_usd,
       (SELECT coalesce(max(usd), 0) FROM gross) AS fund_inventory_max_usd
FROM liquidations WHERE is_covered(symbol)
