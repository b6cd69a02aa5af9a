-- title: Which traders were deleveraged?
-- params: none
-- grain: one row per cohort and side of the winners
-- units: closed_usd at the step's mark; share_frac of all ADL; mean_leverage at the wave, weighted by closed notional
WITH slices AS (
  SELECT f.cohort, f.side, f.account_id, f.notional_usd::DECIMAL(38, 6) AS notional_usd,
         least(q.leverage, 100000)::DECIMAL(18, 6) AS leverage
  FROM adl_fills f
  LEFT JOIN (SELECT wave_id, position_id, leverage FROM adl_queue WHERE closed_lots > 0) q USING (wave_id, position_id)
  WHERE is_covered(f.symbol)
)
SELECT cohort, side, count(DISTINCT account_id) AS accounts, sum(notional_usd) AS closed_usd,
       sum(notional_usd) / nullif(sum(sum(notional_usd)) OVER (), 0) AS share_frac,
       sum(notional_usd * leverage) / nullif(sum(notional_usd) FILTER (leverage IS NOT NULL), 0) AS mean_leverage
FROM slices
GROUP BY cohort, side
ORDER BY closed_usd DESC, cohort, side
