-- title: In which symbols did auto-deleveraging fall?
-- params: none
-- grain: one row per symbol
-- units: liquidated_usd at the breach mark; adl_usd at the step's mark; adl_share_frac of the liquidated; mean_close_px quote per base, over all slices; against_ what the winners' closes brought against the mark and against the traded price of the step, _frac of it at the mark
WITH liquidated AS (SELECT symbol, sum(closed_usd) AS usd FROM liquidations GROUP BY symbol),
waves AS (
  SELECT symbol, count(*) AS waves, sum(notional_usd) AS usd, min(ts) FILTER (lots_closed > 0) AS first_ts
  FROM adl_events GROUP BY symbol
),
closes AS (
  SELECT symbol, count(DISTINCT position_id) AS positions,
         mean_px(symbol, close_px, amount_usd, lots, quantity_base) AS mean_px,
         sum(immediate_usd) AS mark_usd, sum(notional_usd) AS closed_usd,
         sum(value_sign(side, symbol) * (amount_usd - notional_usd *
             CASE WHEN is_inverse(symbol) THEN f.mark_px / trade_px ELSE trade_px / f.mark_px END)) AS trade_usd
  FROM adl_fills f LEFT JOIN (SELECT step, symbol, trade_px FROM steps) USING (step, symbol) GROUP BY symbol
)
SELECT s.symbol,
       coalesce(l.usd, 0) AS liquidated_usd,
       coalesce(w.usd, 0) AS adl_usd,
       coalesce(w.usd, 0) / nullif(l.usd, 0) AS adl_share_frac,
       coalesce(w.waves, 0) AS waves,
       coalesce(c.positions, 0) AS positions,
       w.first_ts AS first_adl_ts,
       c.mean_px AS mean_close_px,
       c.mark_usd AS against_mark_usd,
       c.mark_usd / nullif(c.closed_usd, 0) AS against_mark_frac,
       c.trade_usd::DECIMAL(18, 6) AS against_trade_usd,
       c.trade_usd / nullif(c.closed_usd, 0) AS against_trade_frac
FROM (SELECT DISTINCT symbol FROM steps) s
LEFT JOIN liquidated l USING (symbol)
LEFT JOIN waves w USING (symbol)
LEFT JOIN closes c USING (symbol)
ORDER BY adl_usd DESC, liquidated_usd DESC, s.symbol
