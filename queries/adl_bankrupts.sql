-- title: Was ADL set off by accounts, or by what a vault or fund had taken over?
-- params: symbol VARCHAR = NULL (all symbols, or a coin such as BTC)
-- grain: one row per symbol and kind of bankrupt party
-- units: bankrupt account: the order book was exhausted and nobody took it over; vault or fund: its inventory, its own money was exhausted; first_ts of the replay; replayed_usd at mark, actual_usd at the fill's price, _frac share of the symbol's
-- note: in fact a bankrupt party is an account if it held that side at the start, else a vault; without a true book, or without the party's name, it is not known; of a market without a vault all are accounts
WITH replayed AS (
  SELECT symbol, CASE WHEN bankrupt LIKE 'vault%' THEN 'vault' WHEN bankrupt LIKE 'fund%' THEN 'fund' ELSE 'account' END AS bankrupt,
         sum(notional_usd) AS usd, count(DISTINCT wave_id) AS waves, min(ts) AS first_ts
  FROM adl_fills GROUP BY ALL
),
holders AS (SELECT DISTINCT account, symbol, side FROM actual_positions),
actual AS (
  SELECT f.symbol, CASE WHEN f.liquidated_account = '' OR (SELECT count(*) FROM holders) = 0 THEN 'not known'
                        WHEN h.account IS NULL THEN 'vault' ELSE 'account' END AS bankrupt, sum(f.notional_usd) AS usd
  FROM actual_adl f
  LEFT JOIN holders h ON h.account = f.liquidated_account AND h.symbol = f.symbol AND h.side <> f.side
  GROUP BY ALL
),
known AS (SELECT CASE WHEN count(*) > 0 THEN 0 END AS nothing FROM actual_adl)
SELECT symbol, bankrupt, coalesce(r.waves, 0) AS waves, r.first_ts, coalesce(r.usd, 0) AS replayed_usd,
       r.usd::DOUBLE / sum(r.usd) OVER (PARTITION BY symbol)::DOUBLE AS replayed_frac,
       coalesce(a.usd, nothing) AS actual_usd, a.usd::DOUBLE / sum(a.usd) OVER (PARTITION BY symbol)::DOUBLE AS actual_frac
FROM replayed r FULL JOIN actual a USING (symbol, bankrupt) CROSS JOIN known
WHERE $symbol IS NULL OR $symbol IN (symbol, split_part(symbol, '/', 1))
ORDER BY symbol, replayed_usd DESC, bankrupt
