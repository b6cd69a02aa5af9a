-- title: Who was closed first, and what did they forgo?
-- params: none
-- grain: one row, none without ADL: the first winner of the first wave that closed lots
-- units: notional_usd of the whole position, closed_usd of the closed lots, both at the step's mark; close_px mean of the slices; realized_usd against entry, immediate_usd against closing at mark, forgone_usd profit missed up to the last mark of the window
-- note: only the first of all; the whole order of a wave: adl_selection_order
WITH opener AS (SELECT wave_id, position_id FROM adl_fills WHERE is_covered(symbol) ORDER BY fill_id LIMIT 1),
slices AS (
  SELECT wave_id, position_id, any_value(ts) AS ts, symbol, any_value(side) AS side,
         any_value(account_id) AS account_id, any_value(mark_px) AS mark_px,
         sum(notional_usd) AS closed_usd, sum(amount_usd) AS amount_usd, sum(lots)::BIGINT AS lots,
         mean_px(symbol, close_px, amount_usd, lots, quantity_base) AS close_px, sum(realized_usd) AS realized_usd, sum(immediate_usd) AS immediate_usd
  FROM adl_fills JOIN opener USING (wave_id, position_id) GROUP BY wave_id, position_id, symbol
),
last_marks AS (SELECT symbol, arg_max(lot_value_usd, step) AS last_usd FROM steps GROUP BY symbol)
SELECT s.ts, s.symbol, s.side, s.account_id, q.notional_usd, s.closed_usd,
       s.close_px, s.mark_px, p.entry_px, s.realized_usd, s.immediate_usd,
       value_sign(s.side, s.symbol) * (s.lots * m.last_usd - s.amount_usd) AS forgone_usd,
       q.leverage, s.wave_id, q.cohort
FROM slices s
LEFT JOIN adl_queue q USING (wave_id, position_id)
LEFT JOIN positions p ON p.position_id = s.position_id
LEFT JOIN last_marks m ON m.symbol = s.symbol
