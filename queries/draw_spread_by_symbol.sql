-- title: How much do a symbol's liquidations and ADL depend on what is not known?
-- params: none
-- grain: one row per symbol
-- units: usd over the whole window; p05 and p95 are the 5th and 95th percentile over draws, interpolated
SELECT symbol,
       quantile_cont(liquidated_usd, 0.05) AS liquidated_p05_usd,
       quantile_cont(liquidated_usd, 0.5) AS liquidated_median_usd,
       quantile_cont(liquidated_usd, 0.95) AS liquidated_p95_usd,
       quantile_cont(adl_usd, 0.05) AS adl_p05_usd,
       quantile_cont(adl_usd, 0.5) AS adl_median_usd,
       quantile_cont(adl_usd, 0.95) AS adl_p95_usd,
       count(*) AS draws
FROM draw_coins
GROUP BY symbol
ORDER BY adl_median_usd DESC, liquidated_median_usd DESC, symbol
