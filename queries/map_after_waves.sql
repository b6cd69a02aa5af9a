-- title: What was left of the map after each wave?
-- params: limit INTEGER = 12
-- grain: one row per wave, the largest ones, in the order of time
-- units: _usd at the wave's mark of what neither liquidations nor ADL had closed up to the end of its step, by liquidation price at the start: longs up to 2 or 10 % below the mark, shorts as far above it
WITH chosen AS (
  SELECT wave_id, step, ts, symbol, mark_px, notional_usd FROM adl_events
  QUALIFY row_number() OVER (ORDER BY notional_usd DESC, wave_id) <= $limit
),
gone AS (
  SELECT position_id, step, lots - remaining_lots AS lots FROM liquidations
  UNION ALL SELECT position_id, step, lots FROM adl_fills
),
near AS (
  SELECT c.wave_id, c.step, p.position_id, p.side, p.lots, abs(p.liquidation_px / c.mark_px - 1) AS away_frac
  FROM chosen c JOIN positions p USING (symbol)
  WHERE away_frac <= 0.1 AND (p.side = 'long') = (p.liquidation_px <= c.mark_px)
),
closed AS (
  SELECT n.wave_id, n.position_id, sum(g.lots) AS lots
  FROM near n JOIN gone g ON g.position_id = n.position_id AND g.step <= n.step GROUP BY n.wave_id, n.position_id
),
still AS (
  SELECT n.wave_id, n.side, n.away_frac, (n.lots - coalesce(c.lots, 0)) * s.lot_value_usd AS usd
  FROM near n
  JOIN chosen w USING (wave_id)
  JOIN steps s ON s.step = w.step AND s.symbol = w.symbol
  LEFT JOIN closed c USING (wave_id, position_id)
)
SELECT c.wave_id, c.ts, c.symbol, c.mark_px, c.notional_usd,
       coalesce(sum(s.usd) FILTER (s.side = 'long' AND s.away_frac <= 0.02), 0) AS long_near_usd,
       coalesce(sum(s.usd) FILTER (s.side = 'long'), 0) AS long_far_usd,
       coalesce(sum(s.usd) FILTER (s.side = 'short' AND s.away_frac <= 0.02), 0) AS short_near_usd,
       coalesce(sum(s.usd) FILTER (s.side = 'short'), 0) AS short_far_usd
FROM chosen c LEFT JOIN still s USING (wave_id)
GROUP BY c.wave_id, c.ts, c.symbol, c.mark_px, c.notional_usd
ORDER BY c.wave_id
