-- title: How much more was ordered than the market could take?
-- params: none
-- grain: one row per minute bar and symbol with liquidations
-- units: ordered_usd breached notional, a deferred position counted once; book_usd of it filled by the book; pressure_ratio ordered notional over the bar's liquidity, used and left, null without liquidity; book_share_frac by lots
WITH bars AS (
  SELECT symbol, bar_ts, arg_max(liquidity_left_lots, step) AS left_lots, arg_max(lot_value_usd, step) AS lot_value_usd
  FROM steps GROUP BY symbol, bar_ts
),
orders AS (
  SELECT s.bar_ts, l.symbol, l.position_id,
         arg_min(l.notional_usd, l.liquidation_id) AS ordered_usd, arg_min(l.lots, l.liquidation_id) AS ordered_lots,
         sum(l.book_usd) AS book_usd, sum(l.book_lots) AS book_lots
  FROM liquidations l JOIN steps s USING (step, symbol) GROUP BY s.bar_ts, l.symbol, l.position_id
),
sums AS (
  SELECT bar_ts, symbol, sum(ordered_usd) AS ordered_usd, sum(ordered_lots) AS ordered_lots,
         coalesce(sum(book_usd), 0) AS book_usd, sum(book_lots) AS book_lots
  FROM orders GROUP BY bar_ts, symbol
)
SELECT date_trunc('minute', bar_ts) AS minute_ts, symbol, o.ordered_usd, o.book_usd,
       o.ordered_usd / nullif(o.book_usd + b.left_lots * b.lot_value_usd, 0) AS pressure_ratio,
       o.book_lots::DOUBLE / o.ordered_lots::DOUBLE AS book_share_frac
FROM sums o JOIN bars b USING (bar_ts, symbol)
ORDER BY bar_ts, symbol
