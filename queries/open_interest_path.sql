-- title: How did open interest fall?
-- params: symbol VARCHAR = NULL (all symbols, or a coin such as BTC)
-- grain: one row per minute bar and symbol
-- units: _oi_usd open interest of the accounts on each side, at the mark of the bar's last price
SELECT date_trunc('minute', bar_ts) AS minute_ts, symbol,
       arg_max(long_oi_usd, step) AS long_oi_usd, arg_max(short_oi_usd, step) AS short_oi_usd
FROM steps
WHERE $symbol IS NULL OR $symbol IN (symbol, split_part(symbol, '/', 1))
GROUP BY minute_ts, symbol
ORDER BY minute_ts, symbol
