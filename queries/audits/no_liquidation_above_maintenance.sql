-- title: Nobody is liquidated above maintenance margin
-- params: none
-- grain: one row per offending liquidation
-- units: _usd at the mark of the breach
-- note: the comparison is the venue's; without a rule, equity equal to maintenance counts as a breach
SELECT liquidation_id, step, symbol, account_id, equity_usd, maintenance_usd
FROM liquidations
WHERE equity_usd > maintenance_usd OR (equity_usd = maintenance_usd AND '<' IN (SELECT threshold FROM rules))
ORDER BY liquidation_id
