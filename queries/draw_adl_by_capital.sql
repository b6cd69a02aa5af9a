-- title: How does ADL follow the capital of a vault?
-- params: neighbours INTEGER = 5 (5 draws on each side)
-- grain: one row per vault and draw, the least capital first
-- units: usd; adl_usd of the coins that the vault takes; adl_median_usd is the median of the draw and its neighbours by capital
-- note: of draws in which the vault has capital
WITH placed AS (
  SELECT draw, vault, capital_usd, low_usd, died, adl_usd,
         row_number() OVER (PARTITION BY vault ORDER BY capital_usd, draw) AS place
  FROM draw_vaults WHERE capital_usd > 0
)
SELECT a.vault, a.draw, a.capital_usd, a.low_usd, a.died, a.adl_usd, quantile_cont(b.adl_usd, 0.5) AS adl_median_usd
FROM placed a JOIN placed b ON b.vault = a.vault AND b.place BETWEEN a.place - $neighbours AND a.place + $neighbours
GROUP BY ALL
ORDER BY a.vault, a.capital_usd, a.draw
