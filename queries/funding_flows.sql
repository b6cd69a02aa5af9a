-- title: Who paid funding to whom?
-- params: none
-- grain: one row per symbol, side and cohort
-- units: amount_usd signed, received is plus, exact to a millionth of a quantum; events counts the times funding was charged, on_oracle those charged on the oracle price and not on the mark, clipped those with a rate beyond the venue's cap
SELECT symbol, side, cohort, count(DISTINCT step) AS events, sum(amount_usd) AS amount_usd,
       count(DISTINCT step) FILTER (notional_basis = 'oracle') AS on_oracle, count(DISTINCT step) FILTER (clipped) AS clipped
FROM funding
GROUP BY symbol, side, cohort
ORDER BY symbol, side, cohort
