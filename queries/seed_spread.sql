-- title: How much do the headlines depend on the seed?
-- params: none
-- grain: one row per headline number
-- units: as in run_summary; p05 and p95 are the 5th and 95th percentile over runs, interpolated; runs counts those with a value
-- note: reads the table summaries, rows of run_summary of several runs
WITH headlines AS (
  SELECT worst_move_frac::DOUBLE AS worst_move_frac,
         open_interest_usd::DOUBLE AS open_interest_usd,
         liquidations::DOUBLE AS liquidations,
         liquidated_usd::DOUBLE AS liquidated_usd,
         liquidated_long_usd::DOUBLE AS liquidated_long_usd,
         liquidated_short_usd::DOUBLE AS liquidated_short_usd,
         liquidated_long_share_frac::DOUBLE AS liquidated_long_share_frac,
         adl_usd::DOUBLE AS adl_usd,
         adl_share_frac::DOUBLE AS adl_share_frac,
         adl_positions::DOUBLE AS adl_positions,
         adl_accounts::DOUBLE AS adl_accounts,
         adl_waves::DOUBLE AS adl_waves,
         first_adl_after_s::DOUBLE AS first_adl_after_s,
         epoch(first_liquidation_ts - start_ts)::DOUBLE AS first_liquidation_after_s,
         epoch(first_adl_ts - start_ts)::DOUBLE AS first_adl_after_start_s,
         pool_start_usd::DOUBLE AS pool_start_usd,
         pool_end_usd::DOUBLE AS pool_end_usd,
         pool_low_usd::DOUBLE AS pool_low_usd,
         uncovered_usd::DOUBLE AS uncovered_usd,
         residual_usd::DOUBLE AS residual_usd
  FROM summaries
),
metrics AS (UNPIVOT headlines ON COLUMNS(*) INTO NAME metric VALUE value)
SELECT metric,
       quantile_cont(value, 0.05) AS p05,
       quantile_cont(value, 0.5) AS median,
       quantile_cont(value, 0.95) AS p95,
       count(*) AS runs
FROM metrics
GROUP BY metric
ORDER BY metric
