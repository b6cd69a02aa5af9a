-- title: Funding paid is funding received
-- params: none
-- grain: one row per offending event and symbol
-- units: residual_usd sum over sides, cohorts, market, fund and vault, which should be 0
SELECT step, symbol, sum(amount_usd) AS residual_usd
FROM funding
GROUP BY step, symbol
HAVING sum(amount_usd) <> 0
ORDER BY step, symbol
