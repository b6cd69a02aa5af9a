-- title: How low does each vault fall, and how often does it die?
-- params: none
-- grain: one row per vault
-- units: usd capital, lowest equity and ADL of the vault's coins; p05 and p95 are the 5th and 95th percentile over draws, interpolated; _frac shares of draws, 0..1; near zero: the lowest equity is within a tenth of the capital of zero
SELECT vault,
       avg(died::INT) AS died_frac,
       avg((abs(low_usd) <= capital_usd / 10)::INT) AS near_zero_frac,
       quantile_cont(capital_usd, 0.5) AS capital_median_usd,
       quantile_cont(low_usd, 0.05) AS low_p05_usd,
       quantile_cont(low_usd, 0.5) AS low_median_usd,
       quantile_cont(low_usd, 0.95) AS low_p95_usd,
       quantile_cont(adl_usd, 0.5) AS adl_median_usd
FROM draw_vaults
WHERE capital_usd > 0
GROUP BY vault
ORDER BY adl_median_usd DESC, vault
