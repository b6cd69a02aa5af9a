-- title: Which values were drawn?
-- params: none
-- grain: one row per number drawn
-- units: as the field of crashbook params, or a factor on it, or a share of a mix; choices: words drawn
SELECT parameter, field,
       min(value) AS least,
       quantile_cont(value, 0.5) AS median,
       max(value) AS most,
       string_agg(DISTINCT choice, ', ' ORDER BY choice) AS choices
FROM draw_values
GROUP BY parameter, field
ORDER BY parameter
