-- title: Where did my positions stand in the queue?
-- params: name VARCHAR = NULL (all watched positions)
-- grain: one row per watched position and wave of its symbol
-- units: rank from 1; notional_ahead_usd at the step's mark; lights 1 to 5 as venues show them, 5 = first fifth of the queue by cumulative notional, null if not in it
SELECT ts, name, symbol, wave_id, in_queue, rank, candidates, notional_ahead_usd, lights,
       closed_lots, close_px, mark_px, side
FROM watch
WHERE $name IS NULL OR name = $name
ORDER BY wave_id, name, position_id
