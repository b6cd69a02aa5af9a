-- title: When did liquidations feed on themselves?
-- params: symbol VARCHAR = NULL (all symbols, several are joined by +); least DOUBLE = 0.0 (smallest potential shown)
-- grain: one row per bar and symbol with positions within 10 bps of their breach mark at the end of the bar
-- units: ahead_usd notional liquidated by a further move of 10 bps; absorbed_usd notional the book takes over that move by the run's impact; potential their ratio, null where no size moves the price or nothing traded
-- note: above 1 a small move liquidates more than the book takes over it: the move sustains itself; isolated positions only
SELECT bar_ts AS minute_ts, symbol, side, mark_px, ahead_lots, ahead_usd, absorbed_usd, potential
FROM potential
WHERE ahead_lots > 0 AND coalesce(potential, $least) >= $least
  AND is_named(symbol, $symbol)
ORDER BY bar_ts, symbol
