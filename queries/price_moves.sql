-- title: What fell, and how far?
-- params: none
-- grain: one row per symbol
-- units: _px quote per base; move_to_low_frac and mark_move_to_low_frac against the first trade and the first mark; times UTC
WITH extremes AS (
  SELECT symbol,
         arg_min(trade_px, step) AS first_px, min(trade_low_px) AS low_px, max(trade_high_px) AS high_px,
         arg_max(trade_px, step) AS last_px,
         first(ts ORDER BY trade_low_px, trade_px, step) AS low_ts,
         arg_min(mark_px, step) AS first_mark_px, min(mark_px) AS mark_low_px, max(mark_px) AS mark_high_px,
         first(ts ORDER BY mark_px, step) AS mark_low_ts
  FROM steps GROUP BY symbol
)
SELECT symbol, first_px, low_px, low_ts, high_px, last_px, low_px / first_px - 1 AS move_to_low_frac,
       mark_low_px, mark_low_ts, mark_low_px / first_mark_px - 1 AS mark_move_to_low_frac,
       first_mark_px, mark_high_px
FROM extremes
ORDER BY move_to_low_frac, symbol
