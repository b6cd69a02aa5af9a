-- title: The lots of a liquidation are those of book, take-over, ADL and what is kept
-- params: none
-- grain: one row per offending liquidation
-- units: lots; _usd at the breach mark
-- note: the value of what left the account is checked too: the same per lot as all lots
SELECT liquidation_id, step, symbol, account_id, lots, book_lots, takeover_lots, adl_lots, kept_lots, notional_usd, closed_usd
FROM liquidations
WHERE lots <> book_lots + takeover_lots + adl_lots + kept_lots OR least(book_lots, takeover_lots, adl_lots, kept_lots) < 0
   OR closed_usd * lots <> notional_usd * (lots - kept_lots)
ORDER BY liquidation_id
