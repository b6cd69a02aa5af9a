-- title: How does ADL follow the capital of the vault?
-- params: neighbours INTEGER = 5 (draws on each side)
-- grain: one row per draw, the least capital first
-- units: usd; adl_median_usd is the median of the draw and its neighbours by capital
-- note: of draws with a vault
WITH placed AS (
  SELECT draw, vault_capital_usd, vault_low_usd, vault_died, adl_usd,
         row_number() OVER (ORDER BY vault_capital_usd, draw) AS place
  FROM draws WHERE vault_capital_usd > 0
)
SELECT a.draw, a.vault_capital_usd, a.vault_low_usd, a.vault_died, a.adl_usd,
       quantile_cont(b.adl_usd, 0.5) AS adl_median_usd
FROM placed a JOIN placed b ON b.place BETWEEN a.place - $neighbours AND a.place + $neighbours
GROUP BY ALL
ORDER BY a.vault_capital_usd, a.draw
