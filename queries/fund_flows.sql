-- title: What went into the fund and the vault, and what came out?
-- params: none
-- grain: one row per fund or vault (serves), and cause
-- units: _usd change of cash, the opening included; movements and lots_movements count rows, the latter those that change the inventory
SELECT pool, serves, cause, count(*) AS movements, count(*) FILTER (lots <> 0) AS lots_movements,
       coalesce(sum(amount_usd) FILTER (amount_usd > 0), 0) AS inflow_usd,
       coalesce(-sum(amount_usd) FILTER (amount_usd < 0), 0) AS outflow_usd,
       coalesce(sum(amount_usd), 0) AS net_usd
FROM fund
GROUP BY pool, serves, cause
ORDER BY pool, min(movement_id)
