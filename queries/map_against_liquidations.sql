-- title: Why do the map and the liquidations differ?
-- params: none
-- grain: one row per symbol and side
-- units: _usd at the first mark but for liquidated_usd; map_usd positions whose liquidation price lay within the range of the mark; kept_usd lots of them that never left in breach; beyond_usd lots that left in breach though the mark never reached the position's price; left_usd all lots that left in breach; liquidated_usd the same at their breach mark
-- note: map_usd less kept_usd plus beyond_usd is left_usd; the price of a position holds while nothing else in its account moves: in cross margin losses and gains of other coins shift it
WITH marks AS (
  SELECT symbol, arg_min(lot_value_usd, step) AS first_usd, min(mark_px) AS low_px, max(mark_px) AS high_px
  FROM steps GROUP BY symbol
),
lost AS (
  SELECT position_id, sum(lots - remaining_lots) AS lots, sum(closed_usd) AS usd FROM liquidations GROUP BY position_id
),
book AS (
  SELECT p.symbol, p.side, p.lots, m.first_usd,
         coalesce(l.lots, 0)::BIGINT AS left_lots,
         coalesce(l.usd, 0) AS liquidated_usd,
         coalesce(p.liquidation_px BETWEEN m.low_px AND m.high_px, false) AS reached
  FROM positions p JOIN marks m USING (symbol) LEFT JOIN lost l USING (position_id)
)
SELECT symbol, side,
       coalesce(sum(lots * first_usd) FILTER (reached), 0) AS map_usd,
       coalesce(sum((lots - left_lots) * first_usd) FILTER (reached), 0) AS kept_usd,
       coalesce(sum(left_lots * first_usd) FILTER (NOT reached), 0) AS beyond_usd,
       sum(left_lots * first_usd) AS left_usd,
       sum(liquidated_usd) AS liquidated_usd
FROM book
GROUP BY symbol, side
ORDER BY symbol, side
