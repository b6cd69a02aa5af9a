-- title: Which bars, marks, liquidations and ADL does another backtester load?
-- params: symbol VARCHAR = NULL (all coins with bars, several are joined by +)
-- grain: one row per bar and symbol
-- units: bar_ts open of the bar, UTC; _px quote per base, of the bar's trades and marks; _usd at mark, within the bar; open_interest_usd of longs, which equal shorts with the pools' inventory, at the bar's end
SELECT bar_ts, symbol,
       arg_min(trade_px, step) AS open_px, max(trade_high_px) AS high_px, min(trade_low_px) AS low_px,
       arg_max(trade_px, step) AS close_px,
       arg_min(mark_px, step) AS mark_open_px, max(mark_high_px) AS mark_high_px, min(mark_low_px) AS mark_low_px,
       arg_max(mark_px, step) AS mark_close_px,
       sum(liquidations)::BIGINT AS liquidations, sum(liquidated_long_usd) AS liquidated_long_usd,
       sum(liquidated_short_usd) AS liquidated_short_usd, sum(adl_usd) AS adl_usd,
       arg_max(long_oi_usd, step) AS open_interest_usd, bool_or(bridged) AS bridged
FROM steps
WHERE is_among(symbol, $symbol)
GROUP BY bar_ts, symbol
ORDER BY bar_ts, symbol
