-- title: Lots sent to ADL are closed or recorded as unmatched
-- params: none
-- grain: one row per offending wave, or per symbol and side of a step in which other lots were sent to ADL than waves were asked for
-- units: lots; sent_lots from the liquidations of the step
-- note: the rounds of a step have a wave each, held against its liquidations as a sum; lots that a pool cannot place stay with it, so its waves may close less than they wanted; lots deferred on the account are not sent
WITH sent AS (
  SELECT step, symbol, side AS bankrupt_side, sum(adl_lots) AS lots FROM liquidations
  WHERE adl_lots <> 0 GROUP BY step, symbol, side
),
asked AS (
  SELECT min(wave_id) AS wave_id, step, symbol, bankrupt_side, sum(lots_wanted) AS lots_wanted, sum(lots_closed) AS lots_closed,
         sum(lots_unmatched) AS lots_unmatched,
         sum(lots_wanted - CASE unmatched_to WHEN 'account' THEN lots_unmatched ELSE 0 END) AS lots_due, bool_and(lots_wanted = lots_closed + lots_unmatched) AS adds_up
  FROM adl_events WHERE source = 'account' GROUP BY step, symbol, bankrupt_side
),
slices AS (SELECT wave_id, sum(lots) AS lots FROM adl_fills GROUP BY wave_id)
SELECT wave_id, step, symbol, bankrupt_side, coalesce(s.lots, 0) AS sent_lots, a.lots_wanted, a.lots_closed, a.lots_unmatched
FROM asked a FULL JOIN sent s USING (step, symbol, bankrupt_side)
WHERE coalesce(s.lots, 0) <> coalesce(a.lots_due, 0) OR NOT coalesce(adds_up, true)
UNION ALL
SELECT wave_id, step, symbol, bankrupt_side, NULL, lots_wanted, lots_closed, lots_unmatched
FROM adl_events LEFT JOIN slices s USING (wave_id)
WHERE lots_closed <> coalesce(s.lots, 0) OR (source <> 'account' AND lots_closed > lots_wanted)
ORDER BY step, symbol, bankrupt_side, wave_id
