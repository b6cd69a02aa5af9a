-- title: Which data was there?
-- params: none
-- grain: one row per series and symbol
-- units: rows count intervals; longest_gap_s seconds; times UTC, open of the row
SELECT * EXCLUDE (run_id)
FROM coverage
ORDER BY series, symbol
