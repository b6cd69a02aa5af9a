-- title: Opening lots plus the ledger's legs are the final lots of every position
-- params: none
-- grain: one row per offending position
-- units: lots; expected_lots from the ledger, signed like the position
WITH legs AS (
  SELECT account_id, symbol, sum(lots) AS lots FROM ledger
  WHERE owner = 'account' AND cause <> 'opening' GROUP BY account_id, symbol
),
signed AS (
  SELECT account_id, symbol, any_value(fate) AS fate, min(position_id) AS position_id,
         sum(CASE side WHEN 'long' THEN lots ELSE -lots END) AS opening_lots,
         sum(CASE side WHEN 'long' THEN final_lots ELSE -final_lots END) AS final_lots
  FROM positions GROUP BY account_id, symbol
)
SELECT p.position_id, p.account_id, p.symbol, p.fate, p.opening_lots, p.final_lots, p.opening_lots + coalesce(l.lots, 0) AS expected_lots
FROM signed p LEFT JOIN legs l USING (account_id, symbol)
WHERE p.final_lots <> p.opening_lots + coalesce(l.lots, 0)
   OR (p.fate = 'open') <> (p.final_lots = p.opening_lots)
   OR (p.fate IN ('liquidated', 'deleveraged') AND p.final_lots <> 0)
   OR (p.fate IN ('part_liquidated', 'part_deleveraged') AND p.final_lots = 0)
ORDER BY p.position_id
