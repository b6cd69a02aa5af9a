-- title: When was deleveraging on, when was a fund empty, and which claim did a fund or vault first refuse?
-- params: none
-- grain: one row per event of a fund or vault
-- units: equity_usd, peak_usd of the fund or vault; basis_usd base of the drawdown (profit from the symbol, or equity), basis_peak_usd its largest value in the window; drawdown_ratio the difference over peak_usd; lasted_s until adl_off or restored, null at the end of the run
-- note: adl_on and adl_off follow the venue's drawdown rule; depleted: equity at zero or below, restored: above it again; refused: the first claim a fund did not take whole, or a vault left to ADL for its margin
SELECT event_id, ts, pool, serves, symbol, event, cause, equity_usd, peak_usd, basis_usd, basis_peak_usd, drawdown_ratio,
       CASE WHEN event IN ('adl_on', 'depleted')
            THEN epoch(lead(ts) OVER (PARTITION BY pool, serves, symbol, event IN ('adl_on', 'adl_off'), event = 'refused' ORDER BY event_id) - ts)
       END AS lasted_s
FROM fund_events
ORDER BY event_id
