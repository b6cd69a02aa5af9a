-- title: What did cross margin change?
-- params: none
-- grain: one row per symbol, margin mode and side
-- units: accounts, positions counts; opening_usd at the first mark; contagion positions liquidated though the mark never reached the liquidation price of their own collateral; supported positions whose mark did reach it, yet never in breach (nor closed by ADL); contagion_usd lots that left in breach, at their breach mark; supported_usd at the first mark
-- note: isolated positions are neither but for funding, which no liquidation price counts; positions of an imported cross account whose collateral stands in one row have no price of their own
WITH seen AS (
  SELECT symbol, step, min(mark_px) OVER past AS low_px, max(mark_px) OVER past AS high_px
  FROM steps WINDOW past AS (PARTITION BY symbol ORDER BY step)
),
ends AS (
  SELECT symbol, arg_min(lot_value_usd, step) AS first_usd, min(mark_px) AS low_px, max(mark_px) AS high_px FROM steps GROUP BY symbol
),
lost AS (
  SELECT position_id, min(step) AS step, sum(closed_usd) AS closed_usd FROM liquidations GROUP BY position_id
),
compared AS (
  SELECT p.symbol, p.margin_mode, p.side, p.account_id, p.fate, l.closed_usd,
         p.lots * e.first_usd AS opening_usd,
         l.position_id IS NOT NULL AS was_lost,
         coalesce(CASE p.side WHEN 'long' THEN coalesce(s.low_px, e.low_px) <= p.isolated_liquidation_px
                              ELSE coalesce(s.high_px, e.high_px) >= p.isolated_liquidation_px END, false) AS alone_lost
  FROM positions p
  JOIN ends e USING (symbol)
  LEFT JOIN lost l USING (position_id)
  LEFT JOIN seen s ON s.symbol = p.symbol AND s.step = l.step
)
SELECT symbol, margin_mode, side, count(DISTINCT account_id) AS accounts, count(*) AS positions,
       sum(opening_usd) AS opening_usd,
       count(*) FILTER (was_lost) AS liquidated,
       count(*) FILTER (was_lost AND NOT alone_lost) AS contagion,
       coalesce(sum(closed_usd) FILTER (was_lost AND NOT alone_lost), 0) AS contagion_usd,
       count(*) FILTER (NOT was_lost AND alone_lost AND fate = 'open') AS supported,
       coalesce(sum(opening_usd) FILTER (NOT was_lost AND alone_lost AND fate = 'open'), 0) AS supported_usd
FROM compared
GROUP BY symbol, margin_mode, side
ORDER BY symbol, margin_mode, side
