-- title: What happened in a window, to compare with a published figure?
-- params: symbol VARCHAR = NULL (all coins with bars, several are joined by +); start TIMESTAMP; end TIMESTAMP
-- grain: one row
-- units: times UTC, end exclusive; liquidated_notional_usd at the breach mark, adl_notional_usd at the step's mark; adl_onset_s seconds from the first liquidation of the window to its first ADL; price_move_frac lowest trade against the first trade of the window
-- note: with several symbols price_low and price_move_frac are those of the symbol that fell most
WITH liquidated AS (
  SELECT coalesce(sum(closed_usd), 0) AS usd, coalesce(sum(closed_usd) FILTER (side = 'long'), 0) AS long_usd,
         min(ts) AS first_ts
  FROM liquidations WHERE is_among(symbol, $symbol) AND ts >= $start AND ts < $end
),
waves AS (
  SELECT coalesce(sum(notional_usd), 0) AS usd, min(ts) FILTER (lots_closed > 0) AS first_ts
  FROM adl_events WHERE is_among(symbol, $symbol) AND ts >= $start AND ts < $end
),
winners AS (
  SELECT count(DISTINCT position_id) AS positions
  FROM adl_fills WHERE is_among(symbol, $symbol) AND ts >= $start AND ts < $end
),
paths AS (
  SELECT symbol, arg_min(trade_px, step) AS first_px, min(trade_low_px) AS low_px
  FROM steps WHERE is_among(symbol, $symbol) AND bar_ts >= $start AND bar_ts < $end
  GROUP BY symbol
),
worst AS (SELECT low_px, low_px / first_px - 1 AS move_frac FROM paths ORDER BY move_frac, symbol LIMIT 1)
SELECT l.usd AS liquidated_notional_usd,
       l.long_usd / nullif(l.usd, 0) AS liquidated_long_share_frac,
       w.usd AS adl_notional_usd,
       winners.positions AS adl_positions,
       epoch(w.first_ts - l.first_ts) AS adl_onset_s,
       worst.low_px AS price_low,
       worst.move_frac AS price_move_frac
FROM liquidated l
CROSS JOIN waves w
CROSS JOIN winners
LEFT JOIN worst ON true
