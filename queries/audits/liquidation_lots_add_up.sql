-- title: The lots of a liquidation are those of book, take-over, ADL and what is kept
-- params: none
-- grain: one row per offending liquidation
-- units: lots
SELECT liquidation_id, step, symbol, account_id, lots, book_lots, takeover_lots, adl_lots, kept_lots
FROM liquidations
WHERE lots <> book_lots + takeover_lots + adl_lots + kept_lots OR least(book_lots, takeover_lots, adl_lots, kept_lots) < 0
ORDER BY liquidation_id
