-- title: Funding is charged on a mark of the bar, not on one carried across missing bars
-- params: none
-- grain: one row per offending event and symbol
-- units: mark_px the payment was charged on
SELECT f.step, f.ts, f.symbol, any_value(f.mark_px) AS mark_px, any_value(s.bridged) AS bridged
FROM funding f LEFT JOIN steps s USING (step, symbol)
WHERE s.bridged IS DISTINCT FROM false AND f.notional_basis <> 'oracle'
GROUP BY f.step, f.ts, f.symbol
ORDER BY f.step, f.symbol
