-- title: How much do the headlines depend on what is not known?
-- params: none
-- grain: one row per headline number
-- units: usd and counts as in run_summary; _s seconds from the start of the window; p05 and p95 are the 5th and 95th percentile over draws, interpolated; draws counts those with a value
-- note: draws differ in their seed and in the values drawn from the priors, see draw_parameters
WITH headlines AS (
  SELECT liquidated_usd, adl_usd, adl_positions::DOUBLE AS adl_positions, first_liquidation_s, first_adl_s,
         first_adl_s - first_liquidation_s AS first_adl_after_s,
         pool_capital_usd, pool_low_usd, vault_capital_usd, vault_low_usd, uncovered_usd
  FROM draws
),
metrics AS (UNPIVOT headlines ON COLUMNS(*) INTO NAME metric VALUE value)
SELECT metric,
       quantile_cont(value, 0.05) AS p05,
       quantile_cont(value, 0.5) AS median,
       quantile_cont(value, 0.95) AS p95,
       count(*) AS draws
FROM metrics
GROUP BY metric
ORDER BY metric
