-- title: Longs equal shorts once the market's, the fund's and the vault's lots are counted
-- params: none
-- grain: one row per offending step and symbol
-- units: residual_lots signed lots of all owners, which should be 0; market_lots from the ledger
WITH changes AS (
  SELECT symbol, step, sum(lots) AS lots FROM ledger
  WHERE owner NOT IN ('account', 'fund', 'vault') AND lots <> 0 GROUP BY symbol, step
),
held AS (SELECT symbol, step, sum(lots) OVER (PARTITION BY symbol ORDER BY step) AS lots FROM changes)
SELECT s.step, s.symbol, s.long_lots, s.short_lots, s.pool_lots, coalesce(h.lots, 0) AS market_lots,
       s.long_lots - s.short_lots + s.pool_lots + coalesce(h.lots, 0) AS residual_lots
FROM steps s ASOF LEFT JOIN held h ON s.symbol = h.symbol AND s.step >= h.step
WHERE residual_lots <> 0
ORDER BY s.step, s.symbol
