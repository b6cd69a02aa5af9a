-- title: Who was liquidated?
-- params: none
-- grain: one row per symbol, cohort and side
-- units: opening_notional_usd at the first mark; liquidated_usd lots that left accounts in breach, at their breach mark; liquidated_share_frac share of the cohort's lots, so 1 means that all of it was liquidated
WITH liquidated AS (
  SELECT symbol, cohort, side, count(*) AS liquidations, sum(lots - remaining_lots) AS closed_lots,
         sum(closed_usd) AS closed_usd
  FROM liquidations GROUP BY symbol, cohort, side
),
first_marks AS (SELECT symbol, arg_min(lot_value_usd, step) AS first_usd FROM steps GROUP BY symbol),
opening AS (
  SELECT symbol, cohort, side, count(*) AS positions, sum(p.lots) AS lots,
         sum(p.lots * m.first_usd) AS notional_usd,
         min(leverage) AS low_leverage
  FROM positions p LEFT JOIN first_marks m USING (symbol) GROUP BY symbol, cohort, side
)
SELECT symbol, cohort, side, o.positions, o.notional_usd AS opening_notional_usd,
       coalesce(l.liquidations, 0) AS liquidations,
       coalesce(l.closed_usd, 0) AS liquidated_usd,
       coalesce(l.closed_lots, 0)::DOUBLE / o.lots::DOUBLE AS liquidated_share_frac
FROM opening o LEFT JOIN liquidated l USING (symbol, cohort, side)
ORDER BY symbol, o.low_leverage, cohort, side
