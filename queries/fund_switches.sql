-- title: When was deleveraging on, when was a fund empty, and what did it first refuse?
-- params: none
-- grain: one row per switch
-- units: _usd equity of the fund, and what the drop compares (profit of the symbol, or equity) with its largest value in the window; drop_ratio the difference over the fund's peak; lasted_s until the switch back, null at the end of the run
-- note: adl_on and adl_off follow the venue's drop rule; depleted and restored say that equity was zero or less, and above again; refused is the first claim a fund did not take whole
SELECT event_id, ts, serves, symbol, event, cause, equity_usd, peak_usd, compared_usd, compared_peak_usd, drop_ratio,
       CASE WHEN event IN ('adl_on', 'depleted')
            THEN epoch(lead(ts) OVER (PARTITION BY serves, symbol, event IN ('adl_on', 'adl_off'), event = 'refused' ORDER BY event_id) - ts)
       END AS lasted_s
FROM fund_events
ORDER BY event_id
