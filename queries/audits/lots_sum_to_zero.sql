-- title: Every entry of the ledger sums to zero in lots of each symbol
-- params: none
-- grain: one row per offending entry and symbol
-- units: residual_lots sum of the legs' lots, which should be 0
SELECT entry_id, symbol, min(step) AS step, min(cause) AS cause, sum(lots) AS residual_lots
FROM ledger
GROUP BY entry_id, symbol
HAVING sum(lots) <> 0
ORDER BY entry_id, symbol
