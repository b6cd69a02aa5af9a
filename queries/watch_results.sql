-- title: What did ADL make of my positions' result?
-- params: none
-- grain: one row per watched position
-- units: with_usd from the first mark to the last as it happened, funding and fees in it; without_usd the same with the lots that ADL closed held to the last mark, margin aside; difference_usd what ADL brought, minus = it cost
WITH marks AS (
  SELECT symbol, arg_min(lot_value_usd, step) AS first_usd, arg_max(lot_value_usd, step) AS last_usd FROM steps GROUP BY symbol
),
mine AS (
  SELECT a.name, p.position_id, p.symbol, p.side, p.leverage,
         p.final_equity_usd - p.opening_cash_usd - value_sign(p.side, p.symbol) * p.lots * m.first_usd AS with_usd
  FROM accounts a JOIN positions p USING (account_id) JOIN marks m USING (symbol) WHERE a.watched
),
forgone AS (
  SELECT f.position_id, sum(value_sign(f.side, f.symbol) * (f.lots * m.last_usd - f.amount_usd)) AS usd
  FROM adl_fills f JOIN marks m USING (symbol) GROUP BY f.position_id
)
SELECT w.name, w.symbol, w.side, w.leverage, w.with_usd, w.with_usd + coalesce(f.usd, 0) AS without_usd,
       -coalesce(f.usd, 0) AS difference_usd
FROM mine w LEFT JOIN forgone f USING (position_id)
ORDER BY w.name, w.position_id
