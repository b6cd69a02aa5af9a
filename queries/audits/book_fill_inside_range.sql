-- title: Every book fill lies inside the trade range of its step
-- params: none
-- grain: one row per offending liquidation
-- units: _px quote per base
-- note: a price of an inverse contract is known from its value in quanta only, to a millionth
SELECT l.liquidation_id, l.step, l.round, l.symbol, l.book_lots, l.book_px, s.trade_low_px, s.trade_high_px
FROM liquidations l LEFT JOIN steps s USING (step, symbol),
     LATERAL (SELECT CASE WHEN is_inverse(l.symbol) THEN 1e-6 ELSE 1e-9 END AS share) rounding
WHERE l.book_lots > 0
  AND (l.book_px BETWEEN s.trade_low_px * (1 - share) AND s.trade_high_px * (1 + share)) IS DISTINCT FROM true
ORDER BY l.liquidation_id
