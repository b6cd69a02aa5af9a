-- title: Whom did the venue deleverage first?
-- params: symbol VARCHAR = NULL (all symbols, several are joined by +); limit INTEGER = 50
-- grain: one row per deleveraging fill, the first ones in order of emission
-- units: _px quote per base, entry_px from the profit realised; notional_usd at px; closed_frac share of the position held before the fill; from_start_s seconds after the first of them
SELECT row_number() OVER (ORDER BY block_ts, seq, symbol, account) AS place, ts, symbol, account, side,
       quantity_base, px, notional_usd,
       least(quantity_base / nullif(abs(start_position_base), 0), 1) AS closed_frac,
       px - CASE side WHEN 'long' THEN 1 ELSE -1 END * closed_pnl_usd::DOUBLE / quantity_base AS entry_px,
       closed_pnl_usd, mark_px, liquidated_account, method,
       date_diff('microsecond', min(block_ts) OVER (), block_ts) / 1e6 AS from_start_s, block_ts, seq
FROM actual_adl
WHERE is_named(symbol, $symbol)
QUALIFY place <= $limit
ORDER BY place
