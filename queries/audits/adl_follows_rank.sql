-- title: ADL takes the queue from the front, or every candidate by its share
-- params: none
-- grain: one row per offending candidate
-- units: rank from 1; last_rank the last one that was closed at all
-- note: without a rank (every allocation but queue) those closed in part pay in proportion to the weights of a pro-rata allocation, within one lot (two where a cap sends them round again), those closed whole no more, winners and losers each among themselves; in water_filling score is the factor leverage before the wave, and nobody who still holds a lot is left above one who paid, within a lot; in a queue only the last winner is closed in part, and those skipped during the wave; scores fall along the ranks among those in profit unless the ranking is random
WITH rules_of_run AS (
  SELECT any_value(allocation) AS allocation, bool_or(allocation <> 'queue') AS without_ranks, bool_and(ranking <> 'random') AS by_score FROM runs
),
weighted AS (
  SELECT *, CASE allocation
              WHEN 'pro_rata' THEN lots
              WHEN 'capped_pro_rata' THEN lots
              WHEN 'pro_rata_pnl' THEN CASE WHEN pnl_usd > 0 THEN pnl_usd END
              WHEN 'pro_rata_equity' THEN equity_usd
              WHEN 'min_max' THEN equity_usd
              WHEN 'pro_rata_leverage' THEN lots * greatest(least(
                1000 * (notional_usd * 1e6)::HUGEINT // (equity_usd * 1e6)::HUGEINT, 1e6), 1)
            END AS weight,
            CASE allocation WHEN 'water_filling' THEN notional_usd::DOUBLE / lots / equity_usd::DOUBLE
            END AS lot_leverage,
            CASE allocation WHEN 'capped_pro_rata' THEN 2 ELSE 1 END AS slack
  FROM adl_queue CROSS JOIN rules_of_run
),
reached AS (
  SELECT wave_id, coalesce(max(rank) FILTER (closed_lots > 0), 0) AS last_rank, count(*) FILTER (status = 'skipped') AS marked
  FROM adl_queue GROUP BY wave_id
),
alike AS (
  SELECT wave_id, coalesce(pnl_usd < 0, false) AS loses,
         max((closed_lots - slack) / weight) FILTER (closed_lots > 0) AS least_share,
         min((closed_lots + slack) / weight) FILTER (closed_lots BETWEEN 1 AND lots - 1) AS most_share,
         max(score - (closed_lots + 1) * lot_leverage) FILTER (closed_lots < lots AND status <> 'skipped') AS highest_left,
         min(score - (closed_lots - 1) * lot_leverage) FILTER (closed_lots > 0) AS lowest_paid
  FROM weighted GROUP BY ALL
),
queue AS (
  SELECT q.*, r.last_rank, coalesce(e.skipped > r.marked, false) AS may_be_partial,
         a.least_share, a.most_share, a.highest_left, a.lowest_paid,
         row_number() OVER by_rank AS place,
         lag(CASE WHEN q.pnl_usd >= 0 THEN q.score END IGNORE NULLS) OVER by_rank AS score_ahead
  FROM weighted q JOIN reached r USING (wave_id) LEFT JOIN adl_events e USING (wave_id)
  JOIN alike a ON a.wave_id = q.wave_id AND a.loses = coalesce(q.pnl_usd < 0, false)
  WINDOW by_rank AS (PARTITION BY q.wave_id ORDER BY q.rank)
),
checked AS (
  SELECT *,
         CASE
           WHEN (rank IS NULL) <> without_ranks THEN 'a rank without a queue, or a queue without ranks'
           WHEN rank IS NULL AND status NOT IN ('closed', 'partial', 'skipped') AND lot_leverage IS NULL THEN 'recorded, but neither closed nor skipped'
           WHEN rank IS NULL AND closed_lots > 0 AND least_share > most_share * (1 + 1e-6) THEN 'not in proportion to the others'
           WHEN highest_left > lowest_paid + 1e-9 * (1 + abs(lowest_paid)) AND status <> 'skipped' THEN 'levels of leverage differ'
           WHEN rank <= last_rank AND rank <> place THEN 'a rank in front is missing or doubled'
           WHEN rank < last_rank AND status = 'not_reached' THEN 'not reached in front of a winner'
           WHEN status = 'closed' AND closed_lots <> lots THEN 'closed, but not whole'
           WHEN status = 'partial' AND closed_lots NOT BETWEEN 1 AND lots - 1 THEN 'partial, but none or all was closed'
           WHEN status = 'partial' AND rank < last_rank AND NOT may_be_partial THEN 'closed in part in front of a winner'
           WHEN status = 'not_reached' AND closed_lots <> 0 THEN 'not reached, but closed'
           WHEN status NOT IN ('closed', 'partial', 'skipped', 'not_reached') THEN 'unknown status'
           WHEN rank IS NOT NULL AND pnl_usd >= 0 AND score > score_ahead + 1e-9 * abs(score_ahead) AND by_score THEN 'scores higher than the one in front'
         END AS problem
  FROM queue
)
SELECT wave_id, rank, account_id, status, lots, closed_lots, last_rank, problem
FROM checked
WHERE problem IS NOT NULL
ORDER BY wave_id, rank, account_id
