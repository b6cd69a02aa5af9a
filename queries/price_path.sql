-- title: Which prices were walked?
-- params: symbol VARCHAR = NULL (all symbols, several are joined by +)
-- grain: one row per step and symbol
-- units: _px quote per base; trade_low_px and trade_high_px of the bar; ts UTC
-- note: jump is true where no time passes before the price, bridged where the bar was missing and the last price stands for it
SELECT ts, trade_px, mark_px, jump, bridged, trade_low_px, trade_high_px, step, symbol, tape_mark_px
FROM steps
WHERE is_named(symbol, $symbol)
ORDER BY symbol, step
