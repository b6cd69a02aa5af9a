-- title: The cash of all owners sums to zero after every step
-- params: none
-- grain: one row per offending step and symbol
-- units: residual_usd, which should be 0
SELECT step, ts, symbol, residual_usd
FROM steps
WHERE residual_usd <> 0
ORDER BY step, symbol
