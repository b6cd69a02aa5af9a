-- title: Who paid funding to whom?
-- params: none
-- grain: one row per symbol, side and cohort
-- units: amount_usd signed, received is plus, exact to a millionth of a quantum; events counts the times funding was charged
SELECT symbol, side, cohort, count(DISTINCT step) AS events, sum(amount_usd) AS amount_usd
FROM funding
GROUP BY symbol, side, cohort
ORDER BY symbol, side, cohort
