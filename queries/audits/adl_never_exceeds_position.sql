-- title: ADL never closes more than the position, and queue and slices agree
-- params: none
-- grain: one row per mismatch
-- units: lots
-- note: a bankrupt account's own opposite position (rank 0) is closed before the queue forms
WITH slices AS (SELECT wave_id, position_id, sum(lots) AS lots FROM adl_fills WHERE rank IS DISTINCT FROM 0 GROUP BY wave_id, position_id),
closed AS (SELECT position_id, sum(lots) AS lots FROM adl_fills GROUP BY position_id)
SELECT 'opening size' AS against, NULL AS wave_id, position_id, c.lots AS closed_lots, p.lots AS allowed_lots
FROM closed c LEFT JOIN positions p USING (position_id) WHERE p.lots IS NULL OR c.lots > p.lots
UNION ALL
SELECT 'size in the queue', wave_id, position_id, closed_lots, lots FROM adl_queue WHERE closed_lots > lots OR closed_lots < 0
UNION ALL
SELECT 'slices of the wave', wave_id, position_id, coalesce(s.lots, 0), coalesce(q.closed_lots, 0)
FROM slices s FULL JOIN (SELECT * FROM adl_queue WHERE closed_lots <> 0) q USING (wave_id, position_id)
WHERE coalesce(s.lots, 0) <> coalesce(q.closed_lots, 0)
ORDER BY against, wave_id, position_id
