-- title: How often is there any ADL, and how often does a vault die?
-- params: none
-- grain: one row
-- units: _frac shares of draws, 0..1; usd lowest equity of all vaults together; a vault dies where its equity is below zero after a step; near_zero_frac: the lowest equity of some vault is within a tenth of its capital of zero
WITH near AS (
  SELECT draw, bool_or(abs(low_usd) <= capital_usd / 10) AS near_zero FROM draw_vaults WHERE capital_usd > 0 GROUP BY draw
)
SELECT count(*) AS draws,
       avg((adl_usd > 0)::INT) AS adl_frac,
       avg(vault_died::INT) FILTER (vault_capital_usd > 0) AS vault_died_frac,
       avg(near_zero::INT) AS near_zero_frac,
       quantile_cont(vault_low_usd, 0.05) FILTER (vault_capital_usd > 0) AS vault_low_p05_usd,
       quantile_cont(vault_low_usd, 0.5) FILTER (vault_capital_usd > 0) AS vault_low_median_usd,
       quantile_cont(vault_low_usd, 0.95) FILTER (vault_capital_usd > 0) AS vault_low_p95_usd
FROM draws LEFT JOIN near USING (draw)
