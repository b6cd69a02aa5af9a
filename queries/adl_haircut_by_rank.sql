-- title: How much did each place in the queue give up?
-- params: wave_id INTEGER = NULL (the largest wave)
-- grain: one row per candidate kept in the queue of one wave, the largest close first where nobody is ranked
-- units: haircut_frac share of the position that was closed; notional_usd of the whole position at the step's mark
SELECT rank, closed_lots / lots AS haircut_frac, notional_usd, status
FROM adl_queue
WHERE wave_id = coalesce($wave_id, (SELECT wave_id FROM adl_events ORDER BY notional_usd DESC, wave_id LIMIT 1))
ORDER BY rank, closed_lots DESC, account_id
