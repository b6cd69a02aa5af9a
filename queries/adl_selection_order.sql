-- title: Who was closed, in which order?
-- params: wave_id INTEGER = NULL (the largest wave); limit INTEGER = 50
-- grain: one row per candidate: the first in rank, the last one reached, and ten of those not reached right behind it; without ranks (an allocation other than queue) the largest closes
-- units: _usd at the step's mark; close_px mean of the candidate's slices; closed_frac share of the position; forgone_usd profit missed up to the last mark of the window, null where nothing was closed
-- note: score is by the venue's ranking (runs.ranking); who was closed first of all, and what it missed: adl_first_closed
WITH chosen AS (
  SELECT wave_id, mark_px FROM adl_events
  WHERE wave_id = coalesce($wave_id, (SELECT wave_id FROM adl_events ORDER BY notional_usd DESC, wave_id LIMIT 1))
),
queue AS (
  SELECT q.*, c.mark_px, coalesce(q.rank, row_number() OVER (ORDER BY q.closed_lots DESC, q.account_id)) AS place
  FROM adl_queue q JOIN chosen c USING (wave_id)
),
reached AS (SELECT coalesce(max(rank) FILTER (closed_lots > 0), 0) AS last_rank FROM queue),
closes AS (
  SELECT f.position_id, sum(f.amount_usd) AS amount_usd, sum(f.lots)::BIGINT AS lots, 
         mean_px(f.symbol, f.close_px, f.amount_usd, f.lots, f.quantity_base) AS close_px
  FROM adl_fills f JOIN chosen c USING (wave_id) GROUP BY f.position_id, f.symbol
),
last_marks AS (SELECT symbol, arg_max(lot_value_usd, step) AS last_usd FROM steps GROUP BY symbol)
SELECT q.wave_id, q.rank, q.account_id, q.side, q.cohort, q.lots, q.notional_usd, q.score, q.pnl_usd, q.leverage,
       q.notional_ahead_usd, q.closed_lots, q.closed_lots / q.lots AS closed_frac, q.status,
       c.close_px,
       q.mark_px,
       value_sign(q.side, q.symbol) * (c.lots * m.last_usd - c.amount_usd) AS forgone_usd,
       q.symbol, q.position_id
FROM queue q
CROSS JOIN reached r
LEFT JOIN closes c USING (position_id)
LEFT JOIN last_marks m ON m.symbol = q.symbol
WHERE q.place <= $limit OR q.rank BETWEEN r.last_rank AND r.last_rank + 10
ORDER BY q.place
