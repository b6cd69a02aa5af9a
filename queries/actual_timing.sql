-- title: Does the replay close by force when the venue did?
-- params: symbol VARCHAR = NULL (all symbols, or a coin such as BTC)
-- grain: one row per kind of close with a position closed both in fact and in the replay
-- units: both positions closed in both; late_ seconds by which the replay's first close came later, quantiles over them; within_minute_frac share of them within 60 seconds; minute_correlation of the positions first closed in each minute, in fact and in the replay, over minutes with either, null with fewer than three
-- note: without imported fills there is no row; actual_by_minute has the amounts of each minute
WITH firsts AS (
  SELECT kind, actual_ts, replayed_ts
  FROM (
    SELECT 'liquidation' AS kind, symbol, actual_liquidation_ts AS actual_ts, replayed_liquidation_ts AS replayed_ts
    FROM account_outcomes
    UNION ALL
    SELECT 'adl', symbol, actual_adl_ts, replayed_adl_ts FROM account_outcomes
  )
  WHERE $symbol IS NULL OR $symbol IN (symbol, split_part(symbol, '/', 1))
),
late AS (
  SELECT kind, date_diff('millisecond', actual_ts, replayed_ts) / 1e3 AS late_s
  FROM firsts WHERE actual_ts IS NOT NULL AND replayed_ts IS NOT NULL
),
minutes AS (
  SELECT kind, minute_ts, sum(actual) AS actual, sum(replayed) AS replayed
  FROM (
    SELECT kind, date_trunc('minute', actual_ts) AS minute_ts, 1 AS actual, 0 AS replayed FROM firsts WHERE actual_ts IS NOT NULL
    UNION ALL
    SELECT kind, date_trunc('minute', replayed_ts), 0, 1 FROM firsts WHERE replayed_ts IS NOT NULL
  ) GROUP BY kind, minute_ts
),
alike AS (SELECT kind, CASE WHEN count(*) >= 3 THEN corr(actual, replayed) END AS minute_correlation FROM minutes GROUP BY kind)
SELECT kind, count(*) AS both, quantile_cont(late_s, 0.1) AS late_p10_s, quantile_cont(late_s, 0.5) AS late_p50_s,
       quantile_cont(late_s, 0.9) AS late_p90_s, avg((abs(late_s) <= 60)::INT) AS within_minute_frac,
       CASE WHEN isfinite(any_value(minute_correlation)) THEN any_value(minute_correlation) END AS minute_correlation
FROM late LEFT JOIN alike USING (kind)
GROUP BY kind ORDER BY kind DESC
