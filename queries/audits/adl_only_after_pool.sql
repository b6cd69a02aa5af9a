-- title: Every lot of ADL comes from a liquidation that passed book and fund, or from a pool's inventory
-- params: none
-- grain: one row per mismatch
-- units: lots closed by ADL against lots that a liquidation or a pool sent there
WITH for_accounts AS (
  SELECT liquidation_id, min(bankrupt) AS bankrupt, max(bankrupt) AS other, sum(lots) AS lots FROM adl_fills
  WHERE bankrupt NOT IN ('fund', 'vault') GROUP BY liquidation_id
),
for_pools AS (
  SELECT bankrupt AS pool, step, symbol, sum(lots) AS lots FROM adl_fills
  WHERE bankrupt IN ('fund', 'vault') GROUP BY bankrupt, step, symbol
),
given AS (SELECT pool, step, symbol, abs(sum(lots)) AS lots FROM fund WHERE cause = 'adl' AND lots <> 0 GROUP BY pool, step, symbol)
SELECT 'liquidation' AS source, f.liquidation_id::VARCHAR AS which, f.lots AS closed_lots, coalesce(l.adl_lots, 0) AS sent_lots
FROM for_accounts f LEFT JOIN liquidations l USING (liquidation_id)
WHERE l.liquidation_id IS NULL OR f.lots > l.adl_lots OR f.bankrupt <> l.account_id::VARCHAR OR f.other <> f.bankrupt
UNION ALL
SELECT 'inventory', concat_ws(' ', pool, step, symbol), coalesce(f.lots, 0), coalesce(g.lots, 0)
FROM for_pools f FULL JOIN given g USING (pool, step, symbol)
WHERE coalesce(f.lots, 0) <> coalesce(g.lots, 0)
ORDER BY source, which
