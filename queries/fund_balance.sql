-- title: How did the fund and the vault hold?
-- params: none
-- grain: one row per fund or vault (serves), and change of its cash or equity, the opening, first and last step included
-- units: cash_usd; equity_usd cash plus inventory at mark over all symbols; step 0 is the opening
WITH pools AS (
  SELECT pool, serves, min(ts) FILTER (cause = 'opening') AS ts, sum(amount_usd) FILTER (cause = 'opening') AS usd
  FROM fund GROUP BY pool, serves
),
-- One symbol per fund or vault is enough for its balance; that of a sole one stands in every row.
reference AS (
  SELECT pool, serves, min(symbol) AS symbol
  FROM pools JOIN (SELECT DISTINCT symbol FROM steps) ON serves = '' OR list_contains(string_split(serves, '+'), symbol)
  GROUP BY pool, serves
),
path AS (
  SELECT 0 AS step, ts, pool, serves, usd AS cash_usd, usd AS equity_usd FROM pools WHERE usd IS NOT NULL
  UNION ALL SELECT step, ts, pool, serves, CASE WHEN pool = 'fund' AND serves = '' THEN fund_usd WHEN pool = 'fund' THEN own_fund_usd
                                                WHEN serves = '' THEN vault_usd ELSE own_vault_usd END,
                   CASE WHEN pool = 'fund' AND serves = '' THEN fund_equity_usd WHEN pool = 'fund' THEN own_fund_equity_usd
                        WHEN serves = '' THEN vault_equity_usd ELSE own_vault_equity_usd END
  FROM steps JOIN reference USING (symbol)
)
SELECT step, ts, pool, serves, cash_usd, equity_usd
FROM path
WINDOW by_pool AS (PARTITION BY pool, serves ORDER BY step)
QUALIFY step <= 1 OR lead(step) OVER by_pool IS NULL
     OR cash_usd IS DISTINCT FROM lag(cash_usd) OVER by_pool OR equity_usd IS DISTINCT FROM lag(equity_usd) OVER by_pool
ORDER BY pool, serves, step
