-- title: Where did the liquidations sit?
-- params: symbol VARCHAR = NULL (all symbols, several are joined by +); bins INTEGER = 60; cohort VARCHAR = NULL (all ranges of leverage)
-- grain: one row per symbol, price bin and side, empty bins included
-- units: _px quote per base; notional_usd of the opening book at the first mark, by its liquidation price; outside_usd of the side outside all bins or without a liquidation price
-- note: the bins span the range traded and the book's liquidation prices up to half the first mark away; reached = the mark traded in the bin
WITH marks AS (
  SELECT symbol, arg_min(mark_px, step) AS first_px, arg_min(lot_value_usd, step) AS first_usd, min(mark_px) AS low_px, max(mark_px) AS high_px
  FROM steps WHERE is_named(symbol, $symbol) GROUP BY symbol
),
book AS (
  SELECT p.symbol, p.side, p.cohort, p.liquidation_px, p.lots * m.first_usd AS notional_usd
  FROM positions p JOIN marks m USING (symbol)
),
bounds AS (
  SELECT symbol, min(liquidation_px) AS nearest_px, max(liquidation_px) AS farthest_px FROM book GROUP BY symbol
),
spans AS (
  SELECT symbol, m.low_px, m.high_px,
         least(m.low_px, greatest(b.nearest_px, 0.5 * m.first_px)) AS start_px,
         greatest(m.high_px, least(b.farthest_px, 1.5 * m.first_px)) AS end_px,
         CASE WHEN end_px > start_px THEN end_px - start_px ELSE 0.001 * m.first_px END / $bins AS width_px
  FROM marks m JOIN bounds b USING (symbol)
),
placed AS (
  SELECT k.symbol, k.side, k.notional_usd,
         CASE WHEN k.liquidation_px BETWEEN s.start_px AND s.end_px
              THEN least(floor((k.liquidation_px - s.start_px) / s.width_px)::BIGINT, $bins - 1) END AS bin_no
  FROM book k JOIN spans s USING (symbol) WHERE $cohort IS NULL OR k.cohort = $cohort
),
filled AS (SELECT symbol, side, bin_no, sum(notional_usd) AS notional_usd FROM placed GROUP BY symbol, side, bin_no),
grid AS (
  SELECT s.*, b.bin_no, d.side
  FROM spans s, range($bins::BIGINT) AS b(bin_no), (VALUES ('long'), ('short')) AS d(side)
)
SELECT g.start_px + g.bin_no * g.width_px AS bin_low_px,
       g.start_px + (g.bin_no + 1) * g.width_px AS bin_high_px,
       g.side,
       coalesce(f.notional_usd, 0) AS notional_usd,
       bin_high_px >= g.low_px AND bin_low_px <= g.high_px AS reached,
       g.symbol,
       coalesce(o.notional_usd, 0) AS outside_usd
FROM grid g
LEFT JOIN filled f ON f.symbol = g.symbol AND f.side = g.side AND f.bin_no = g.bin_no
LEFT JOIN filled o ON o.symbol = g.symbol AND o.side = g.side AND o.bin_no IS NULL
ORDER BY g.symbol, g.bin_no, g.side
