-- title: What became of the positions I watch?
-- params: none
-- grain: one row per watched position
-- units: mean_close_px and mean_mark_px of the lots closed by ADL; immediate_usd against closing at mark; unhedged_base signed delta of the outside leg left without its hedge, unhedged_usd the same at mean_mark_px (or the breach mark); unhedged_s seconds from the first close to the end; unhedged_pnl_usd result of that delta up to the last mark
-- note: a liquidated hedge leaves the outside leg unhedged too
WITH watched AS (
  SELECT a.name, a.hedged, p.position_id, p.account_id, p.symbol, p.side, p.lots, p.quantity_base / p.lots AS lot_base, p.fate,
         CASE p.side WHEN 'long' THEN 1 ELSE -1 END AS sign, value_sign(p.side, p.symbol) AS value_sign
  FROM accounts a JOIN positions p USING (account_id) WHERE a.watched
),
places AS (
  SELECT position_id, count(*) AS waves, min(rank) AS best_rank,
         min(notional_ahead_usd) AS lowest_notional_ahead_usd
  FROM watch GROUP BY position_id
),
closes AS (
  SELECT position_id, sum(lots)::BIGINT AS lots, min(ts) AS first_ts, sum(amount_usd) AS amount_usd,
         sum(notional_usd) AS mark_usd, sum(immediate_usd) AS immediate_usd,
         mean_px(symbol, close_px, amount_usd, lots, quantity_base) AS close_px,
         mean_px(symbol, mark_px, notional_usd, lots, quantity_base) AS mark_px
  FROM adl_fills WHERE position_id IN (SELECT position_id FROM watched) GROUP BY position_id, symbol
),
breaches AS (
  SELECT position_id, sum(lots - remaining_lots)::BIGINT AS lots, min(ts) AS first_ts,
         sum(closed_usd) AS mark_usd
  FROM liquidations WHERE position_id IN (SELECT position_id FROM watched) GROUP BY position_id
),
ends AS (SELECT symbol, arg_max(lot_value_usd, step) AS last_usd, max(ts) AS end_ts FROM steps GROUP BY symbol),
closed AS (
  SELECT w.*, coalesce(p.waves, 0) AS waves, p.best_rank, p.lowest_notional_ahead_usd,
         coalesce(c.lots, 0) AS closed_lots, c.first_ts AS first_close_ts, c.close_px, c.mark_px,
         c.immediate_usd, coalesce(b.lots, 0) AS liquidated_lots, least(c.first_ts, b.first_ts) AS unhedged_from_ts,
         CASE WHEN w.hedged THEN coalesce(c.lots, 0) + coalesce(b.lots, 0) ELSE 0 END AS unhedged_lots,
         (coalesce(c.mark_usd, 0) + coalesce(b.mark_usd, 0))::DOUBLE AS closed_mark_usd,
         e.last_usd::DOUBLE AS last_usd, e.end_ts
  FROM watched w
  LEFT JOIN places p USING (position_id)
  LEFT JOIN closes c USING (position_id)
  LEFT JOIN breaches b USING (position_id)
  LEFT JOIN ends e USING (symbol)
)
SELECT name, symbol, side, hedged, account_id, lots AS opening_lots, closed_lots, first_close_ts,
       close_px AS mean_close_px, mark_px AS mean_mark_px,
       coalesce(immediate_usd, 0) AS immediate_usd,
       -sign * unhedged_lots * lot_base AS unhedged_base,
       CASE WHEN unhedged_lots > 0 THEN -sign * closed_mark_usd ELSE 0 END AS unhedged_usd,
       CASE WHEN unhedged_lots > 0 THEN epoch(end_ts - unhedged_from_ts) END AS unhedged_s,
       waves, best_rank, lowest_notional_ahead_usd, fate, liquidated_lots,
       CASE WHEN unhedged_lots > 0 THEN -value_sign * (unhedged_lots * last_usd - closed_mark_usd) ELSE 0 END AS unhedged_pnl_usd
FROM closed
ORDER BY name, account_id, symbol
