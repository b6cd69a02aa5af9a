-- title: How often is the replay right by distance to liquidation and by size?
-- params: kind VARCHAR = liquidation (or adl); symbol VARCHAR = NULL (all symbols, or a coin such as BTC)
-- grain: one row per band of distance from the venue's mark to its own liquidation price at the snapshot, then one per band of size
-- units: notional_usd at the run's first mark; _frac share of the positions of the band; hit_frac of those closed in fact, closed in the replay too; false_alarm_frac of those not closed in fact, closed in the replay
-- note: without imported fills there is no row
WITH closes AS (
  SELECT notional_usd, distance_frac,
         CASE WHEN $kind = 'adl' THEN actual_adl_usd ELSE actual_liquidated_usd END > 0 AS happened,
         CASE WHEN $kind = 'adl' THEN replayed_adl_usd ELSE replayed_liquidated_usd END > 0 AS replayed
  FROM account_outcomes
  WHERE $symbol IS NULL OR $symbol IN (symbol, split_part(symbol, '/', 1))
),
banded AS (
  SELECT *, 'distance' AS grouped_by, CASE WHEN distance_frac IS NULL THEN 5 WHEN distance_frac < 0.05 THEN 1 WHEN distance_frac < 0.1 THEN 2
                                   WHEN distance_frac < 0.2 THEN 3 ELSE 4 END AS band_no
  FROM closes WHERE happened IS NOT NULL
  UNION ALL
  SELECT *, 'size', CASE WHEN notional_usd < 1e3 THEN 1 WHEN notional_usd < 1e4 THEN 2 WHEN notional_usd < 1e5 THEN 3
                         WHEN notional_usd < 1e6 THEN 4 ELSE 5 END
  FROM closes WHERE happened IS NOT NULL
)
SELECT grouped_by, CASE grouped_by WHEN 'distance'
             THEN ['below 5 %', '5 to 10 %', '10 to 20 %', '20 % and beyond, or none', 'opened after the snapshot'][band_no]
             ELSE ['below 1 k USD', '1 to 10 k USD', '10 to 100 k USD', '100 k to 1 M USD', '1 M USD and above'][band_no]
           END AS band,
       count(*) AS positions, sum(notional_usd) AS notional_usd, avg(happened::INT) AS actual_frac,
       avg(replayed::INT) AS replayed_frac, avg(replayed::INT) FILTER (happened) AS hit_frac,
       avg(replayed::INT) FILTER (NOT happened) AS false_alarm_frac
FROM banded GROUP BY grouped_by, band_no ORDER BY grouped_by, band_no
