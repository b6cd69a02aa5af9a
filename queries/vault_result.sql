-- title: What did the vault earn by the end?
-- params: none
-- grain: one row
-- units: capital_usd at the opening; low_equity_usd and end_equity_usd cash plus inventory at mark; vault_pnl_usd end equity less capital, null without a vault; held_usd inventory not unwound by the end, at mark, longs and shorts added
WITH capital AS (SELECT sum(amount_usd) AS usd FROM fund WHERE pool = 'vault' AND cause = 'opening'),
path AS (SELECT DISTINCT step, vault_equity_usd FROM steps),
equity AS (SELECT min(vault_equity_usd) AS low_usd, arg_max(vault_equity_usd, step) AS end_usd FROM path),
inventory AS (
  SELECT f.symbol, sum(f.lots) AS lots FROM fund f WHERE f.pool = 'vault' AND f.cause <> 'opening' GROUP BY f.symbol
),
ends AS (SELECT symbol, arg_max(lot_value_usd, step) AS last_usd FROM steps GROUP BY symbol),
held AS (SELECT coalesce(sum(abs(lots) * last_usd), 0) AS usd FROM inventory JOIN ends USING (symbol))
SELECT capital.usd AS capital_usd, equity.low_usd AS low_equity_usd, equity.end_usd AS end_equity_usd,
       (equity.end_usd - capital.usd)::DOUBLE AS vault_pnl_usd, held.usd AS held_usd
FROM capital CROSS JOIN equity CROSS JOIN held
