-- title: Longs equal shorts once the market's, the fund's and the vault's lots are counted
-- params: none
-- grain: one row per offending step and symbol
-- units: residual_lots signed lots of all owners, which should be 0; market_lots from the ledger
WITH changes AS (
  SELECT symbol, step, sum(lots)::BIGINT AS lots FROM ledger
  WHERE owner NOT IN ('account', 'fund', 'vault') AND lots <> 0 GROUP BY symbol, step
),
held AS (
  SELECT step, symbol, s.long_lots, s.short_lots, s.pool_lots,
         sum(coalesce(c.lots, 0)) OVER (PARTITION BY symbol ORDER BY step)::BIGINT AS market_lots
  FROM steps s FULL JOIN changes c USING (step, symbol)
)
SELECT step, symbol, long_lots, short_lots, pool_lots, market_lots,
       long_lots - short_lots + pool_lots + market_lots AS residual_lots
FROM held
WHERE residual_lots <> 0
ORDER BY step, symbol
