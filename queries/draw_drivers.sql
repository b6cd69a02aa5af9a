-- title: Which unknowns does a headline number follow?
-- params: none
-- grain: one row per headline number and number drawn, the strongest first
-- units: rho is Spearman's rank correlation over draws, -1 to 1; clear: it is beyond noise, which is beyond by chance for one in a hundred
-- note: a draw without ADL counts as the latest first ADL; choices of words are left out
WITH headlines AS (
  SELECT draw, liquidated_usd, adl_usd, coalesce(first_adl_s, 1e308) AS first_adl_s, pool_low_usd FROM draws
),
metrics AS (UNPIVOT headlines ON COLUMNS(* EXCLUDE draw) INTO NAME metric VALUE value),
metric_ranks AS (
  SELECT draw, metric,
         rank() OVER (PARTITION BY metric ORDER BY value) + (count(*) OVER (PARTITION BY metric, value) - 1) / 2.0 AS place
  FROM metrics
),
value_ranks AS (
  SELECT draw, parameter, field,
         rank() OVER (PARTITION BY parameter ORDER BY value)
           + (count(*) OVER (PARTITION BY parameter, value) - 1) / 2.0 AS place
  FROM draw_values WHERE value IS NOT NULL
),
correlated AS (
  SELECT metric, parameter, field, round(corr(m.place, v.place), 9) AS rho, 2.58 / sqrt(greatest(count(*) - 1, 1)) AS noise
  FROM metric_ranks m JOIN value_ranks v USING (draw)
  GROUP BY metric, parameter, field
)
SELECT metric, parameter, field, rho, noise, abs(rho) > noise AS clear
FROM correlated
WHERE isfinite(rho)
ORDER BY metric, abs(rho) DESC, parameter
