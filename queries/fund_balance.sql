-- title: How did the fund and the vault hold?
-- params: none
-- grain: one row per pool and change of its cash or equity, the opening, first and last step included
-- units: cash_usd; equity_usd cash plus inventory at mark over all symbols; step 0 is the opening
WITH clock AS (SELECT * FROM steps WHERE symbol = (SELECT min(symbol) FROM steps)),
pools AS (SELECT pool, min(ts) FILTER (cause = 'opening') AS ts, sum(amount_usd) FILTER (cause = 'opening') AS usd FROM fund GROUP BY pool),
path AS (
  SELECT 0 AS step, ts, pool, usd AS cash_usd, usd AS equity_usd FROM pools WHERE usd IS NOT NULL
  UNION ALL SELECT step, ts, 'fund', fund_usd, fund_equity_usd FROM clock WHERE 'fund' IN (SELECT pool FROM pools)
  UNION ALL SELECT step, ts, 'vault', vault_usd, vault_equity_usd FROM clock WHERE 'vault' IN (SELECT pool FROM pools)
)
SELECT step, ts, pool, cash_usd, equity_usd
FROM path
WINDOW by_pool AS (PARTITION BY pool ORDER BY step)
QUALIFY step <= 1 OR lead(step) OVER by_pool IS NULL
     OR cash_usd IS DISTINCT FROM lag(cash_usd) OVER by_pool OR equity_usd IS DISTINCT FROM lag(equity_usd) OVER by_pool
ORDER BY pool, step
