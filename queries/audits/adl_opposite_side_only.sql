-- title: ADL closes the opposite side only, and of the bankrupt account only its own other position, first
-- params: none
-- grain: one row per offending slice
-- units: lots closed; rank 0 is the bankrupt account's own opposite position (hedge mode)
SELECT f.fill_id, f.wave_id, f.account_id, f.side, e.bankrupt_side, f.bankrupt, f.lots
FROM adl_fills f LEFT JOIN adl_events e USING (wave_id)
WHERE f.side NOT IN ('long', 'short') OR e.bankrupt_side IS NULL OR f.side = e.bankrupt_side
   OR f.symbol <> e.symbol OR (f.bankrupt = f.account_id::VARCHAR) <> (f.rank IS NOT DISTINCT FROM 0)
ORDER BY f.fill_id
