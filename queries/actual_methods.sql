-- title: What did the order book take of liquidations, and what the backstop?
-- params: symbol VARCHAR = NULL (all symbols, or a coin such as BTC)
-- grain: one row per symbol with liquidations in fact or in the replay
-- units: actual_ at the fill's price, replayed_ at mark; _backstop_frac share that a vault or fund took over or that went to ADL, null without liquidations
-- note: without imported fills there is no row; positions that the market holds are not in it
SELECT symbol, sum(actual_liquidated_usd) AS actual_usd, sum(replayed_liquidated_usd) AS replayed_usd,
       sum(actual_backstop_usd)::DOUBLE / nullif(sum(actual_liquidated_usd), 0)::DOUBLE AS actual_backstop_frac,
       sum(replayed_backstop_usd)::DOUBLE / nullif(sum(replayed_liquidated_usd), 0)::DOUBLE AS replayed_backstop_frac
FROM account_outcomes
WHERE actual_liquidated_usd IS NOT NULL AND ($symbol IS NULL OR $symbol IN (symbol, split_part(symbol, '/', 1)))
GROUP BY symbol
HAVING sum(actual_liquidated_usd) + sum(replayed_liquidated_usd) > 0
ORDER BY symbol
