-- title: With ADL at the bankruptcy price nothing is left uncovered, unless the queue ran out
-- params: none
-- grain: one row per offending step and symbol
-- units: uncovered_usd booked to nobody in the step
WITH uncovered AS (
  SELECT step, symbol, sum(amount_usd) AS usd FROM ledger
  WHERE owner = 'uncovered' GROUP BY step, symbol HAVING bool_or(amount_usd <> 0)
),
excused AS (
  SELECT DISTINCT step, symbol FROM adl_events WHERE close_rule <> 'bankruptcy' OR lots_unmatched > 0 OR skipped > 0
)
SELECT step, symbol, usd AS uncovered_usd
FROM uncovered ANTI JOIN excused USING (step, symbol)
ORDER BY step, symbol
