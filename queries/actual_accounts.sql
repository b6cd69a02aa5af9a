-- title: Which accounts were closed by force, in fact and in the replay?
-- params: kind VARCHAR = liquidation (or adl); symbol VARCHAR = NULL (all symbols, or a coin such as BTC); outcome VARCHAR = NULL (all, or one of both, in fact, in the replay, neither); addresses BOOLEAN = false (true: whole addresses); limit INTEGER = 50
-- grain: one row per position of the book, the largest first
-- units: notional_usd at the run's first mark; distance_frac from the venue's mark to its own liquidation price at the snapshot, null if it has none; actual_usd at the fill's price, replayed_usd at mark; late_s seconds by which the replay came later
-- note: without imported fills there is no row; account is short and stable: the beginning of the address, or the whole of it where two accounts begin alike
WITH closes AS (
  SELECT *, $kind = 'adl' AS is_adl,
         CASE WHEN $kind = 'adl' THEN actual_adl_usd ELSE actual_liquidated_usd END AS actual_usd,
         CASE WHEN $kind = 'adl' THEN replayed_adl_usd ELSE replayed_liquidated_usd END AS replayed_usd,
         CASE WHEN $kind = 'adl' THEN actual_adl_ts ELSE actual_liquidation_ts END AS actual_ts,
         CASE WHEN $kind = 'adl' THEN replayed_adl_ts ELSE replayed_liquidation_ts END AS replayed_ts
  FROM account_outcomes
),
named AS (
  SELECT *, CASE WHEN actual_usd > 0 AND replayed_usd > 0 THEN 'both' WHEN actual_usd > 0 THEN 'in fact'
                 WHEN replayed_usd > 0 THEN 'in the replay' ELSE 'neither' END AS outcome
  FROM closes WHERE actual_usd IS NOT NULL
),
alike AS (  -- beginnings that several accounts of the venue have
  SELECT left(account, 12) AS beginning FROM actual_positions GROUP BY beginning HAVING count(DISTINCT account) > 1
)
SELECT CASE WHEN $addresses OR NOT starts_with(account, '0x') OR left(account, 12) IN (FROM alike) THEN account
            ELSE left(account, 12) END AS account, symbol, side, notional_usd, CASE WHEN isfinite(distance_frac) THEN distance_frac END AS distance_frac, outcome,
       actual_usd, replayed_usd, actual_ts, replayed_ts,
       date_diff('millisecond', actual_ts, replayed_ts) / 1e3 AS late_s
FROM named
WHERE ($symbol IS NULL OR $symbol IN (symbol, split_part(symbol, '/', 1))) AND ($outcome IS NULL OR $outcome = outcome)
ORDER BY notional_usd DESC, position_id
LIMIT $limit
