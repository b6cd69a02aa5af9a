-- title: How often is the replay right about an account, and is the distance to liquidation alone better?
-- params: symbol VARCHAR = NULL (all symbols, or a coin such as BTC)
-- grain: one row per kind of close and predictor, over positions of the book that stood in the snapshot
-- units: closed_frac rows closed in fact; alarms rows of which the predictor said so; hit_frac alarms among the closed; false_alarm_frac alarms among those not closed; alarm_rate_frac and rest_rate_frac closed among alarms and among the rest; relative_risk their ratio, null if none of the rest was closed; rank_correlation of amounts in fact and in the replay, over rows with either
-- note: the baseline raises as many alarms as the replay, on the same rows: of liquidations the positions nearest to their own liquidation price, of ADL the largest
WITH rows_of AS (
  SELECT kind, position_id, notional_usd, distance_frac, actual_usd > 0 AS happened, replayed_usd > 0 AS replayed,
         actual_usd, replayed_usd
  FROM (
    SELECT 'liquidation' AS kind, *, actual_liquidated_usd AS actual_usd, replayed_liquidated_usd AS replayed_usd
    FROM account_outcomes
    UNION ALL
    SELECT 'adl', *, actual_adl_usd, replayed_adl_usd FROM account_outcomes
  )
  WHERE actual_usd IS NOT NULL AND distance_frac IS NOT NULL
    AND ($symbol IS NULL OR $symbol IN (symbol, split_part(symbol, '/', 1)))
),
ordered AS (
  SELECT *, row_number() OVER (
           PARTITION BY kind
           ORDER BY CASE WHEN kind = 'adl' THEN -notional_usd ELSE distance_frac END, position_id
         ) <= count(*) FILTER (replayed) OVER (PARTITION BY kind) AS nearest
  FROM rows_of
),
said AS (
  SELECT kind, 'replay' AS predictor, happened, replayed AS alarm FROM ordered
  UNION ALL
  SELECT kind, CASE WHEN kind = 'adl' THEN 'size' ELSE 'distance' END, happened, nearest FROM ordered
),
counted AS (
  SELECT kind, predictor, count(*) AS positions, count(*) FILTER (happened) AS closed, count(*) FILTER (alarm) AS alarms,
         count(*) FILTER (happened AND alarm) AS hits
  FROM said GROUP BY kind, predictor
),
placed AS (
  SELECT kind, rank() OVER (PARTITION BY kind ORDER BY actual_usd) AS actual_rank,
         rank() OVER (PARTITION BY kind ORDER BY replayed_usd) AS replayed_rank
  FROM rows_of WHERE happened OR replayed
),
alike AS (SELECT kind, corr(actual_rank, replayed_rank) AS rank_correlation FROM placed GROUP BY kind)
SELECT kind, predictor, positions, closed, closed / positions AS closed_frac, alarms, hits,
       hits / nullif(closed, 0) AS hit_frac, (alarms - hits) / nullif(positions - closed, 0) AS false_alarm_frac,
       hits / nullif(alarms, 0) AS alarm_rate_frac, (closed - hits) / nullif(positions - alarms, 0) AS rest_rate_frac,
       (hits / nullif(alarms, 0)) / nullif((closed - hits) / nullif(positions - alarms, 0), 0) AS relative_risk,
       CASE WHEN predictor = 'replay' AND isfinite(rank_correlation) THEN rank_correlation END AS rank_correlation
FROM counted LEFT JOIN alike USING (kind)
ORDER BY kind DESC, predictor = 'replay' DESC
