-- title: Who missed the most by being closed?
-- params: limit INTEGER = 20
-- grain: one row per account and symbol, most forgone first
-- units: closed_usd at the mark of the close; immediate_usd against that mark; forgone_usd profit missed up to the last mark of the window, best_forgone_usd up to the best mark from the close on; plus = missed
WITH ahead AS (
  SELECT symbol, step, max(lot_value_usd) OVER onwards AS high_usd, min(lot_value_usd) OVER onwards AS low_usd,
         last_value(lot_value_usd) OVER onwards AS last_usd, last_value(mark_px) OVER onwards AS last_px
  FROM steps
  WINDOW onwards AS (PARTITION BY symbol ORDER BY step ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING)
),
slices AS (
  SELECT f.account_id, f.symbol, f.side, f.lots, f.notional_usd, f.amount_usd, f.immediate_usd, f.close_px, f.quantity_base,
         value_sign(f.side, f.symbol) AS sign, a.last_px, a.last_usd,
         CASE value_sign(f.side, f.symbol) WHEN 1 THEN a.high_usd ELSE a.low_usd END AS best_usd
  FROM adl_fills f LEFT JOIN ahead a USING (step, symbol)
)
SELECT account_id, symbol, side, sum(notional_usd) AS closed_usd,
       mean_px(symbol, close_px, amount_usd, lots, quantity_base) AS close_px,
       max(last_px) AS last_mark_px,
       sum(immediate_usd) AS immediate_usd,
       sum(sign * (lots * last_usd - amount_usd)) AS forgone_usd,
       sum(sign * (lots * best_usd - amount_usd)) AS best_forgone_usd
FROM slices
GROUP BY account_id, symbol, side
ORDER BY best_forgone_usd DESC, account_id, symbol
LIMIT $limit
