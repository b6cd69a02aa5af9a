-- title: How close do the draws come to published facts?
-- params: none
-- grain: one row per published fact that draws have figures of
-- units: p05, median and p95 over the draws, interpolated, and published_low to published_high in the unit of the fact, a time in seconds from start_ts; ratio median over the nearest end of the fact, null for times and figures of another sign; band_width p95 over p05; inside: the band holds the fact, or a lower bound is reached by p95 and at least p05 / 6.3
-- note: kind is two_sided, lower or shown (not scored); use says whether the fact was seen when priors were written (fitted) or not (held_out), or checks the prices walked (path_check)
WITH bands AS (
  SELECT fact, quantile_cont(value, 0.05) AS p05, quantile_cont(value, 0.5) AS median, quantile_cont(value, 0.95) AS p95,
         count(value) AS draws
  FROM draw_facts GROUP BY fact
),
near AS (
  SELECT *, greatest(published_low, least(published_high, median)) AS nearest FROM published_facts JOIN bands USING (fact)
)
SELECT fact, coin, metric, unit, median, p05, p95, published_low, published_high,
       CASE WHEN NOT is_time AND median * nearest > 0 THEN median / nearest END AS ratio,
       CASE WHEN draws = 0 THEN false
            WHEN kind = 'lower' THEN p95 >= published_low AND p05 <= 6.3 * published_low
            ELSE p05 <= published_high AND p95 >= published_low END AS inside,
       CASE WHEN p05 * p95 > 0 THEN greatest(abs(p05), abs(p95)) / least(abs(p05), abs(p95)) END AS band_width,
       kind, use, grade, source, start_ts, is_time, draws
FROM near
ORDER BY fact_no
