-- title: Which accounts lost several coins at once?
-- params: limit INTEGER = 50
-- grain: one row per account and step in which positions of it in several coins were in breach
-- units: notional_usd positions in breach at their breach mark; closed_usd lots of them that left the account; coins, symbols those in breach; positions_held the account's positions at the start
WITH hits AS (
  SELECT account_id, step, min(ts) AS ts, count(DISTINCT symbol) AS coins,
         string_agg(DISTINCT symbol, ', ' ORDER BY symbol) AS symbols,
         string_agg(DISTINCT side, ' and ' ORDER BY side) AS sides,
         count(*) AS liquidations, sum(notional_usd) AS notional_usd, sum(closed_usd) AS closed_usd
  FROM liquidations GROUP BY account_id, step HAVING count(DISTINCT symbol) > 1
)
SELECT h.ts, h.account_id, a.name, a.margin_mode, h.coins, h.symbols, h.sides, h.liquidations, h.notional_usd, h.closed_usd,
       a.positions AS positions_held, h.step
FROM hits h LEFT JOIN accounts a USING (account_id)
ORDER BY h.notional_usd DESC, h.step, h.account_id
LIMIT $limit
