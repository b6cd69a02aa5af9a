-- title: How does the replay compare with what happened, minute by minute?
-- params: symbol VARCHAR = NULL (all symbols, several are joined by +)
-- grain: one row per minute and symbol in which the replay or the venue closed positions by force
-- units: minute_ts UTC; _usd replayed at mark, actual at the fill's price; liquidated by book and take-over, without ADL; actual columns null if no fills were imported
-- note: actual fills are those of Hyperliquid, every trade once; in minutes outside the imported files they read zero
WITH happened AS (
  SELECT ts, symbol, notional_usd AS liquidated_usd, 0 AS adl_usd FROM actual_liquidations
  UNION ALL SELECT ts, symbol, 0, notional_usd FROM actual_adl
),
actual AS (
  SELECT date_trunc('minute', ts) AS minute_ts, symbol, sum(liquidated_usd) AS liquidated_usd, sum(adl_usd) AS adl_usd
  FROM happened GROUP BY minute_ts, symbol
),
replayed AS (
  SELECT date_trunc('minute', bar_ts) AS minute_ts, symbol,
         sum(liquidated_long_usd + liquidated_short_usd) AS liquidated_usd, sum(adl_usd) AS adl_usd
  FROM steps GROUP BY minute_ts, symbol
),
known AS (SELECT CASE WHEN count(*) > 0 THEN 0 END AS nothing FROM happened)
SELECT minute_ts, symbol,
       coalesce(r.liquidated_usd, 0) AS replayed_liquidated_usd, coalesce(a.liquidated_usd, nothing) AS actual_liquidated_usd,
       coalesce(r.adl_usd, 0) AS replayed_adl_usd, coalesce(a.adl_usd, nothing) AS actual_adl_usd
FROM replayed r FULL JOIN actual a USING (minute_ts, symbol) CROSS JOIN known
WHERE coalesce(r.liquidated_usd, 0) + coalesce(r.adl_usd, 0) + coalesce(a.liquidated_usd, 0) + coalesce(a.adl_usd, 0) > 0
  AND is_named(symbol, $symbol)
ORDER BY minute_ts, symbol
