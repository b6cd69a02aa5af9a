-- title: When were longs and shorts liquidated?
-- params: symbol VARCHAR = NULL (all coins with bars, several are joined by +)
-- grain: one row per minute bar with liquidations
-- units: _usd lots that left accounts in breach (book, take-over, ADL), at their breach mark; minute_ts UTC
WITH per_minute AS (
  SELECT date_trunc('minute', s.bar_ts) AS minute_ts,
         coalesce(sum(l.closed_usd) FILTER (l.side = 'long'), 0) AS long_usd,
         coalesce(sum(l.closed_usd) FILTER (l.side = 'short'), 0) AS short_usd,
         count(*) AS liquidations
  FROM liquidations l JOIN steps s USING (step, symbol)
  WHERE is_among(symbol, $symbol)
  GROUP BY minute_ts
)
SELECT minute_ts, long_usd, short_usd, sum(long_usd + short_usd) OVER (ORDER BY minute_ts) AS cumulative_usd, liquidations
FROM per_minute
ORDER BY minute_ts
