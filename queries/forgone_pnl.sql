-- title: Who missed the most by being closed?
-- params: limit INTEGER = 20
-- grain: one row per account and symbol, most forgone first
-- units: closed_usd at the mark of the close; immediate_usd against that mark; forgone_usd profit missed up to the last mark of the window, best_forgone_usd up to the best mark from the close on; plus = missed
WITH ahead AS (
  SELECT symbol, step, max(mark_px) OVER onwards AS high_px, min(mark_px) OVER onwards AS low_px,
         last_value(mark_px) OVER onwards AS last_px
  FROM steps
  WINDOW onwards AS (PARTITION BY symbol ORDER BY step ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING)
),
slices AS (
  SELECT f.account_id, f.symbol, f.side, f.lots, f.notional_usd, f.amount_usd, f.immediate_usd, a.last_px,
         CASE f.side WHEN 'long' THEN 1 ELSE -1 END AS sign,
         f.quantity_base / f.lots AS lot_base,
         CASE f.side WHEN 'long' THEN a.high_px ELSE a.low_px END AS best_px
  FROM adl_fills f LEFT JOIN ahead a USING (step, symbol)
)
SELECT account_id, symbol, side, sum(notional_usd) AS closed_usd,
       sum(amount_usd) / (sum(lots)::BIGINT * max(lot_base)) AS close_px,
       max(last_px) AS last_mark_px,
       sum(immediate_usd) AS immediate_usd,
       sum(sign * (lots * (last_px * lot_base)::DECIMAL(18, 6) - amount_usd)) AS forgone_usd,
       sum(sign * (lots * (best_px * lot_base)::DECIMAL(18, 6) - amount_usd)) AS best_forgone_usd
FROM slices
GROUP BY account_id, symbol, side
ORDER BY best_forgone_usd DESC, account_id, symbol
LIMIT $limit
