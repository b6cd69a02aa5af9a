-- title: Every entry of the ledger sums to zero in cash
-- params: none
-- grain: one row per offending entry
-- units: residual_usd sum of the legs' cash, which should be 0
SELECT entry_id, min(step) AS step, min(cause) AS cause, sum(amount_usd) AS residual_usd
FROM ledger
GROUP BY entry_id
HAVING sum(amount_usd) <> 0
ORDER BY entry_id
