-- title: What happened to each position, in fact and in the replay?
-- params: none
-- grain: one row per position of the book
-- units: notional_usd at the run's first mark; distance_frac from the venue's mark to its own liquidation price at the snapshot; actual_ amounts at the fill's price, replayed_ ones at mark; _backstop_usd part of liquidations that a vault or fund took over or that went to ADL
-- note: accounts are those of the venue; actual columns are null if no fills were imported; distance_frac is null if the position was opened after the snapshot, infinite if it has no liquidation price
WITH known AS (
  SELECT CASE WHEN (SELECT count(*) FROM actual_liquidations) + (SELECT count(*) FROM actual_adl) > 0 THEN 0 END AS nothing
),
liquidated AS (
  SELECT account, symbol, side, sum(notional_usd) AS usd, min(ts) AS first_ts,
         sum(CASE WHEN method = 'backstop' THEN notional_usd ELSE 0 END) AS backstop_usd
  FROM actual_liquidations GROUP BY account, symbol, side
),
deleveraged AS (
  SELECT account, symbol, side, sum(notional_usd) AS usd, min(ts) AS first_ts
  FROM actual_adl GROUP BY account, symbol, side
),
breached AS (
  SELECT position_id, sum(closed_usd) AS usd, sum(closed_usd - book_usd) AS backstop_usd, min(ts) AS first_ts
  FROM liquidations WHERE lots > remaining_lots GROUP BY position_id
),
closed AS (SELECT position_id, sum(notional_usd) AS usd, min(ts) AS first_ts FROM adl_fills GROUP BY position_id),
firsts AS (SELECT symbol, arg_min(lot_value_usd, step) AS lot_usd FROM steps GROUP BY symbol)
SELECT p.position_id, a.name AS account, p.symbol, p.side, p.quantity_base, p.lots * f.lot_usd AS notional_usd,
       CASE WHEN o.snapshot_quantity_base > 0 THEN
         coalesce(abs(o.liquidation_px / o.mark_px - 1), 'infinity'::DOUBLE) END AS distance_frac,
       coalesce(l.usd, nothing) AS actual_liquidated_usd, coalesce(b.usd, 0) AS replayed_liquidated_usd,
       coalesce(l.backstop_usd, nothing) AS actual_backstop_usd, greatest(coalesce(b.backstop_usd, 0), 0) AS replayed_backstop_usd,
       coalesce(d.usd, nothing) AS actual_adl_usd, coalesce(c.usd, 0) AS replayed_adl_usd,
       l.first_ts AS actual_liquidation_ts, b.first_ts AS replayed_liquidation_ts,
       d.first_ts AS actual_adl_ts, c.first_ts AS replayed_adl_ts
FROM positions p
JOIN accounts a USING (account_id)
JOIN firsts f USING (symbol)
CROSS JOIN known
LEFT JOIN actual_positions o ON o.account_id = p.account_id AND o.symbol = p.symbol AND o.side = p.side
LEFT JOIN liquidated l ON l.account = a.name AND l.symbol = p.symbol AND l.side = p.side
LEFT JOIN deleveraged d ON d.account = a.name AND d.symbol = p.symbol AND d.side = p.side
LEFT JOIN breached b USING (position_id)
LEFT JOIN closed c USING (position_id)
