-- title: In which minutes do the draws close winners?
-- params: none
-- grain: one row per minute that has ADL in a draw
-- units: usd at the step's mark; p05 and p95 are the 5th and 95th percentile over draws, interpolated; active_frac share of draws with ADL in the minute
WITH minutes AS (SELECT DISTINCT minute FROM draw_minutes),
filled AS (
  SELECT m.minute, coalesce(d.adl_usd, 0) AS adl_usd
  FROM minutes m CROSS JOIN draws LEFT JOIN draw_minutes d ON d.draw = draws.draw AND d.minute = m.minute
)
SELECT (SELECT min(bar_ts) FROM steps) + to_minutes(minute) AS minute_ts,
       quantile_cont(adl_usd, 0.05) AS p05_usd,
       quantile_cont(adl_usd, 0.5) AS median_usd,
       quantile_cont(adl_usd, 0.95) AS p95_usd,
       avg((adl_usd > 0)::INT) AS active_frac
FROM filled
GROUP BY minute
ORDER BY minute
