-- title: Nobody is liquidated above maintenance margin
-- params: none
-- grain: one row per offending liquidation
-- units: _usd at the mark of the breach; slack_usd allowed above maintenance
-- note: the comparison is the venue's; without a rule, equity equal to maintenance counts as a breach. A cross position bears its part of the account's equity, rounded down, and the last one the remainder: at most 0.000001 for each of them
WITH checked AS (
  SELECT l.*, CASE p.margin_mode WHEN 'cross' THEN greatest(a.positions - 1, 0) * 0.000001 ELSE 0 END::DECIMAL(18, 6) AS slack_usd
  FROM liquidations l LEFT JOIN positions p USING (position_id) LEFT JOIN accounts a ON a.account_id = l.account_id
)
SELECT liquidation_id, step, symbol, account_id, equity_usd, maintenance_usd, slack_usd
FROM checked
WHERE equity_usd > maintenance_usd + coalesce(slack_usd, 0)
   OR (equity_usd = maintenance_usd AND coalesce(slack_usd, 0) = 0 AND '<' IN (SELECT threshold FROM rules))
ORDER BY liquidation_id
