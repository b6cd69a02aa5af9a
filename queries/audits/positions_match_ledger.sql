-- title: Opening lots plus the ledger's legs are the final lots of every position
-- params: none
-- grain: one row per offending position
-- units: lots; expected_lots from the ledger, signed like the position
-- note: the ledger tells accounts and symbols apart: both sides of one account in a symbol are held against it as a sum
WITH legs AS (
  SELECT account_id, symbol, sum(lots) AS lots FROM ledger
  WHERE owner = 'account' AND cause <> 'opening' GROUP BY account_id, symbol
),
signed AS (
  SELECT *, CASE side WHEN 'long' THEN lots ELSE -lots END AS opening_signed,
         CASE side WHEN 'long' THEN final_lots ELSE -final_lots END AS final_signed
  FROM positions
),
checked AS (
  SELECT p.*, sum(opening_signed - final_signed) OVER (PARTITION BY account_id, symbol) + coalesce(l.lots, 0) AS missing_lots
  FROM signed p LEFT JOIN legs l USING (account_id, symbol)
)
SELECT position_id, account_id, symbol, fate, opening_signed AS opening_lots, final_signed AS final_lots,
       final_signed + missing_lots AS expected_lots
FROM checked
WHERE missing_lots <> 0
   OR (fate = 'open') <> (final_lots = lots)
   OR (fate IN ('liquidated', 'deleveraged') AND final_lots <> 0)
   OR (fate IN ('part_liquidated', 'part_deleveraged') AND final_lots = 0)
ORDER BY position_id
