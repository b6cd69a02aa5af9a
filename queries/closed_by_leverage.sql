-- title: How often were positions like mine closed, by leverage?
-- params: symbol VARCHAR = NULL (all symbols, or a coin such as BTC); side VARCHAR = NULL (both)
-- grain: one row per symbol, side and range of leverage at the start; watched positions are not in it
-- units: adl_frac and liquidated_frac shares of the positions of which ADL or a liquidation closed lots; adl_lots_frac share of all their lots that ADL closed
WITH ranges(least, most) AS (VALUES (0, 2), (2, 3), (3, 5), (5, 7), (7, 10), (10, 15), (15, 20), (20, 30), (30, 50), (50, NULL)),
crowd AS (
  SELECT p.position_id, p.symbol, p.side, p.lots, r.least AS leverage_from, r.most AS leverage_to
  FROM positions p
  JOIN accounts a USING (account_id)
  JOIN ranges r ON p.leverage >= r.least AND (r.most IS NULL OR p.leverage < r.most)
  WHERE NOT a.watched AND ($symbol IS NULL OR $symbol IN (p.symbol, split_part(p.symbol, '/', 1)))
    AND ($side IS NULL OR p.side = $side)
),
adl AS (SELECT position_id, sum(lots) AS lots FROM adl_fills GROUP BY position_id),
liquidated AS (SELECT DISTINCT position_id FROM liquidations)
SELECT c.symbol, c.side, c.leverage_from, c.leverage_to, count(*) AS positions,
       count(a.lots) / count(*) AS adl_frac,
       count(l.position_id) / count(*) AS liquidated_frac,
       coalesce(sum(a.lots), 0) / sum(c.lots) AS adl_lots_frac
FROM crowd c
LEFT JOIN adl a USING (position_id)
LEFT JOIN liquidated l USING (position_id)
GROUP BY c.symbol, c.side, c.leverage_from, c.leverage_to
ORDER BY c.symbol, c.side, c.leverage_from
