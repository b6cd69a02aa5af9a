-- title: How did open interest fall?
-- params: symbol VARCHAR = NULL (all symbols, several are joined by +)
-- grain: one row per minute bar and symbol
-- units: _oi_usd open interest of the accounts on each side, at the mark of the bar's last price
SELECT date_trunc('minute', bar_ts) AS minute_ts, symbol,
       arg_max(long_oi_usd, step) AS long_oi_usd, arg_max(short_oi_usd, step) AS short_oi_usd
FROM steps
WHERE is_named(symbol, $symbol)
GROUP BY minute_ts, symbol
ORDER BY minute_ts, symbol
