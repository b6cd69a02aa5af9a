-- title: Movements of the fund and the vault add up to their balance, their inventory and the ledger
-- params: none
-- grain: one row per mismatch
-- units: recorded and expected in USD or lots, as the check says
-- note: cash after a step includes unsettled funding, so it is compared until funding first reaches the pool
WITH running AS (
  SELECT movement_id, step, pool, cash_usd, sum(amount_usd) OVER (PARTITION BY pool ORDER BY movement_id) AS expected_usd FROM fund
),
per_step AS (
  SELECT pool, step, symbol, sum(amount_usd) AS usd, sum(lots) AS lots FROM fund GROUP BY pool, step, symbol
),
booked AS (
  SELECT owner AS pool, step, symbol, sum(amount_usd) AS usd, sum(lots) AS lots FROM ledger
  WHERE owner IN ('fund', 'vault') GROUP BY owner, step, symbol
),
changes AS (SELECT symbol, step, sum(lots) AS lots FROM fund WHERE lots <> 0 GROUP BY symbol, step),
inventory AS (SELECT symbol, step, sum(lots) OVER (PARTITION BY symbol ORDER BY step) AS lots FROM changes),
clock AS (SELECT step, fund_usd, vault_usd FROM steps WHERE symbol = (SELECT min(symbol) FROM steps)),
recorded AS (
  SELECT 'fund' AS pool, step, fund_usd AS usd FROM clock UNION ALL SELECT 'vault', step, vault_usd FROM clock
),
closing AS (SELECT pool, step, arg_max(cash_usd, movement_id) AS usd FROM fund GROUP BY pool, step),
funded AS (SELECT cohort AS pool, min(step) AS step FROM funding WHERE cohort IN ('fund', 'vault') GROUP BY cohort)
SELECT 'cash after the movement' AS problem, pool, step, NULL AS symbol, cash_usd AS recorded, expected_usd AS expected
FROM running WHERE cash_usd IS DISTINCT FROM expected_usd
UNION ALL
SELECT 'cash in the ledger', pool, step, symbol, coalesce(b.usd, 0), coalesce(f.usd, 0)
FROM per_step f FULL JOIN booked b USING (pool, step, symbol) WHERE coalesce(b.usd, 0) <> coalesce(f.usd, 0)
UNION ALL
SELECT 'lots in the ledger', pool, step, symbol, coalesce(b.lots, 0), coalesce(f.lots, 0)
FROM per_step f FULL JOIN booked b USING (pool, step, symbol) WHERE coalesce(b.lots, 0) <> coalesce(f.lots, 0)
UNION ALL
SELECT 'inventory after the step', 'both', s.step, s.symbol, s.pool_lots, coalesce(i.lots, 0)
FROM steps s ASOF LEFT JOIN inventory i ON s.symbol = i.symbol AND s.step >= i.step WHERE s.pool_lots <> coalesce(i.lots, 0)
UNION ALL
SELECT 'cash after the step', r.pool, r.step, NULL, r.usd, coalesce(c.usd, 0)
FROM recorded r ASOF LEFT JOIN closing c ON r.pool = c.pool AND r.step >= c.step
WHERE r.usd <> coalesce(c.usd, 0) AND r.step < coalesce((SELECT step FROM funded WHERE funded.pool = r.pool), r.step + 1)
ORDER BY problem, pool, step, symbol
