-- title: When did auto-deleveraging strike?
-- params: symbol VARCHAR = NULL (all symbols, several are joined by +)
-- grain: one row per wave
-- units: notional_usd closed lots at the step's mark; _px quote per base; difference_usd bankruptcy value against close amount, signed for the bankrupt side
SELECT wave_id, ts, symbol, bankrupt_side, source, bankrupts, candidates, lots_wanted, lots_closed, lots_unmatched,
       notional_usd, winners, skipped, close_rule, mark_px, previous_mark_px, step, unmatched_to, difference_usd
FROM adl_events
WHERE is_named(symbol, $symbol)
ORDER BY wave_id
