-- title: The lots of a liquidation are those of book, take-over and ADL and the remaining lots
-- params: none
-- grain: one row per offending liquidation
-- units: lots; _usd at the breach mark
-- note: the value of the lots that left is checked too: the same per lot as of all lots
SELECT liquidation_id, step, symbol, account_id, lots, book_lots, takeover_lots, adl_lots, remaining_lots, notional_usd, closed_usd
FROM liquidations
WHERE lots <> book_lots + takeover_lots + adl_lots + remaining_lots OR least(book_lots, takeover_lots, adl_lots, remaining_lots) < 0
   OR closed_usd * lots <> notional_usd * (lots - remaining_lots)
ORDER BY liquidation_id
