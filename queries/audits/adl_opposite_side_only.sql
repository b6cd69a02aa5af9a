-- title: ADL closes the opposite side only, and never the bankrupt account itself
-- params: none
-- grain: one row per offending slice
-- units: lots closed
SELECT f.fill_id, f.wave_id, f.account_id, f.side, e.bankrupt_side, f.bankrupt, f.lots
FROM adl_fills f LEFT JOIN adl_events e USING (wave_id)
WHERE f.side NOT IN ('long', 'short') OR e.bankrupt_side IS NULL OR f.side = e.bankrupt_side
   OR f.symbol <> e.symbol OR f.bankrupt = f.account_id::VARCHAR
ORDER BY f.fill_id
