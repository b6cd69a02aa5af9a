-- title: Opening cash plus the ledger's legs plus unsettled funding is the final cash of every account
-- params: none
-- grain: one row per offending account
-- units: legs_usd cash legs of the account; unsettled_usd funding accrued since its last settlement; difference_usd should be 0
-- note: a position settles funding just before each change of its lots; payments are rounded down to a quantum, receipts up
WITH legs AS (
  SELECT account_id, sum(amount_usd) AS usd FROM ledger
  WHERE owner = 'account' AND cause <> 'opening' GROUP BY account_id
),
settled AS (
  SELECT account_id, symbol, max(step) AS step FROM ledger
  WHERE owner = 'account' AND (lots <> 0 OR cause = 'funding') GROUP BY account_id, symbol
),
-- What one lot of a side received up to each event, in 1e-12 USD: whole numbers.
charges AS (
  SELECT symbol, side, step, sum(max((amount_usd * 1000000000000)::HUGEINT // lots)) OVER (PARTITION BY symbol, side ORDER BY step) AS per_lot
  FROM funding WHERE lots > 0 GROUP BY symbol, side, step
),
totals AS (SELECT symbol, side, arg_max(per_lot, step) AS per_lot FROM charges GROUP BY symbol, side),
held AS (
  SELECT p.account_id, p.symbol, p.side, p.final_lots, coalesce(s.step, 0) AS step
  FROM positions p JOIN totals t USING (symbol, side) LEFT JOIN settled s USING (account_id, symbol)
  WHERE p.final_lots > 0
),
owed AS (
  SELECT h.account_id, h.final_lots * (t.per_lot - coalesce(c.per_lot, 0)) AS received
  FROM held h JOIN totals t USING (symbol, side)
  ASOF LEFT JOIN charges c ON c.symbol = h.symbol AND c.side = h.side AND h.step >= c.step
),
unsettled AS (
  SELECT account_id,
         sum(CASE WHEN received > 0 THEN (received + 999999) // 1000000 ELSE received // 1000000 END)::DECIMAL(32, 0) * 0.000001 AS usd
  FROM owed GROUP BY account_id
)
SELECT a.account_id, a.opening_cash_usd, coalesce(l.usd, 0) AS legs_usd, coalesce(u.usd, 0) AS unsettled_usd, a.final_cash_usd,
       a.final_cash_usd - a.opening_cash_usd - coalesce(l.usd, 0) - coalesce(u.usd, 0) AS difference_usd
FROM accounts a
LEFT JOIN legs l USING (account_id)
LEFT JOIN unsettled u USING (account_id)
WHERE difference_usd <> 0
ORDER BY a.account_id
