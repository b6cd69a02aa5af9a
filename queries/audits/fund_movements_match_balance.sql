-- title: Movements of the fund and the vault add up to their balance, their inventory and the ledger
-- params: none
-- grain: one row per mismatch
-- units: recorded and expected in USD or lots, as the check says
WITH running AS (
  SELECT movement_id, step, pool, cash_usd, sum(amount_usd) OVER (PARTITION BY pool, serves ORDER BY movement_id) AS expected_usd FROM fund
),
per_step AS (
  SELECT pool, step, symbol, sum(amount_usd) AS usd, sum(lots)::BIGINT AS lots FROM fund GROUP BY pool, step, symbol
),
booked AS (
  SELECT owner AS pool, step, symbol, sum(amount_usd) AS usd, sum(lots)::BIGINT AS lots FROM ledger
  WHERE owner IN ('fund', 'vault') GROUP BY owner, step, symbol
),
both_sides AS (
  SELECT pool, step, symbol, coalesce(b.usd, 0) AS booked_usd, coalesce(f.usd, 0) AS usd,
         coalesce(b.lots, 0) AS booked_lots, coalesce(f.lots, 0) AS lots
  FROM per_step f FULL JOIN booked b USING (pool, step, symbol)
),
changes AS (SELECT symbol, step, sum(lots) AS lots FROM per_step WHERE lots <> 0 GROUP BY symbol, step),
inventory AS (
  SELECT step, symbol, s.pool_lots, sum(coalesce(c.lots, 0)) OVER (PARTITION BY symbol ORDER BY step)::BIGINT AS lots
  FROM steps s FULL JOIN changes c USING (step, symbol)
),
clock AS (SELECT step, fund_usd, vault_usd FROM steps WHERE symbol = (SELECT min(symbol) FROM steps)),
recorded AS (
  SELECT 'fund' AS pool, step, fund_usd AS usd FROM clock UNION ALL SELECT 'vault', step, vault_usd FROM clock
),
moved AS (SELECT pool, step, sum(usd) AS usd FROM per_step GROUP BY pool, step),
-- Each of several funds or vaults by itself, at the symbols that it serves.
own AS (
  SELECT p.pool, p.serves, s.step, s.symbol, CASE p.pool WHEN 'vault' THEN own_vault_usd ELSE own_fund_usd END AS usd
  FROM (SELECT DISTINCT pool, serves FROM fund WHERE serves <> '') p
  JOIN steps s ON list_contains(string_split(p.serves, '+'), s.symbol)
),
moved_own AS (SELECT pool, serves, step, sum(amount_usd) AS usd FROM fund GROUP BY pool, serves, step),
opened AS (SELECT pool, serves, usd FROM moved_own WHERE step = 0),
own_cash AS (
  SELECT pool, serves, step, symbol, o.usd AS recorded_usd,
         coalesce(a.usd, 0) + sum(coalesce(m.usd, 0)) OVER (PARTITION BY pool, serves, symbol ORDER BY step) AS usd
  FROM own o LEFT JOIN moved_own m USING (pool, serves, step) LEFT JOIN opened a USING (pool, serves)
),
cash AS (
  SELECT pool, step, r.usd AS recorded_usd, sum(coalesce(m.usd, 0)) OVER (PARTITION BY pool ORDER BY step) AS usd
  FROM recorded r FULL JOIN moved m USING (pool, step)
)
SELECT 'cash after the movement' AS problem, pool, step, NULL AS symbol, cash_usd AS recorded, expected_usd AS expected
FROM running WHERE cash_usd IS DISTINCT FROM expected_usd
UNION ALL
SELECT 'cash in the ledger', pool, step, symbol, booked_usd, usd FROM both_sides WHERE booked_usd <> usd
UNION ALL
SELECT 'lots in the ledger', pool, step, symbol, booked_lots, lots FROM both_sides WHERE booked_lots <> lots
UNION ALL
SELECT 'inventory after the step', 'both', step, symbol, pool_lots, lots FROM inventory WHERE pool_lots <> lots
UNION ALL
SELECT 'cash after the step', pool, step, NULL, recorded_usd, usd
FROM cash WHERE recorded_usd <> usd
UNION ALL
SELECT 'own cash after the step', pool, step, symbol, recorded_usd, usd FROM own_cash WHERE recorded_usd <> usd
ORDER BY problem, pool, step, symbol
