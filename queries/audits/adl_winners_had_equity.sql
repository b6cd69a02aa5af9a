-- title: Nobody without equity is closed by ADL
-- params: none
-- grain: one row per offending candidate
-- units: equity_usd at the step's mark, which should be above 0
SELECT wave_id, rank, account_id, closed_lots, equity_usd
FROM adl_queue
WHERE closed_lots > 0 AND equity_usd <= 0
ORDER BY wave_id, rank, account_id
