-- title: How unevenly did auto-deleveraging fall?
-- params: none
-- grain: one row per point of the Lorenz curve, at most about 200
-- units: accounts_frac share of the accounts closed by ADL, smallest first; adl_frac their share of the closed notional; gini_frac 0 even, towards 1 all on one account; top10_share_frac share of the ten largest accounts
WITH closed AS (
  SELECT account_id, (sum(notional_usd) * 1000000)::HUGEINT AS quanta FROM adl_fills
  WHERE is_covered(symbol) GROUP BY account_id
),
ranked AS (
  SELECT quanta, row_number() OVER by_size AS place, sum(quanta) OVER by_size AS running,
         count(*) OVER () AS accounts, sum(quanta) OVER () AS total
  FROM closed
  WINDOW by_size AS (ORDER BY quanta, account_id)
),
totals AS (
  SELECT sum((2 * place - accounts - 1) * quanta)::DOUBLE / nullif(any_value(accounts) * any_value(total), 0)::DOUBLE AS gini_frac,
         sum(quanta) FILTER (place > accounts - 10)::DOUBLE / nullif(any_value(total), 0)::DOUBLE AS top10_share_frac
  FROM ranked
),
points AS (
  SELECT place, place / accounts AS accounts_frac, running::DOUBLE / nullif(total, 0)::DOUBLE AS adl_frac
  FROM ranked WHERE place % ceil(accounts / 200)::BIGINT = 0 OR place = accounts
  UNION ALL SELECT 0, 0, 0 FROM closed HAVING count(*) > 0
)
SELECT row_number() OVER (ORDER BY place) - 1 AS point_no, accounts_frac, adl_frac, gini_frac, top10_share_frac
FROM points CROSS JOIN totals
ORDER BY place
