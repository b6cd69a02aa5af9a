-- title: Who absorbed the forced sales of a window, and how soon did they come?
-- params: symbol VARCHAR = NULL (all coins with bars, several are joined by +); start TIMESTAMP; end TIMESTAMP
-- grain: one row
-- units: times UTC, end exclusive; off_book_share_frac liquidated notional that went to fund, vault or ADL instead of the order book; forced_share_30min_frac liquidated notional of the 30 minutes from the first liquidation on; branching_ratio_x liquidated notional that the tape's marks do not reach and displaced ones do
-- note: null without a liquidation, branching_ratio_x also where no mark is displaced from the tape's
WITH forced AS (
  SELECT ts, on_tape, closed_usd::DOUBLE AS usd, notional_usd::DOUBLE * (takeover_lots + adl_lots) / lots AS off_book_usd,
         min(ts) OVER () AS first_ts
  FROM liquidations WHERE is_among(symbol, $symbol) AND ts >= $start AND ts < $end
)
SELECT sum(off_book_usd) / nullif(sum(usd), 0) AS off_book_share_frac,
       sum(usd) FILTER (ts < first_ts + INTERVAL 30 MINUTE) / nullif(sum(usd), 0) AS forced_share_30min_frac,
       CASE WHEN (SELECT bool_or(mark_px <> tape_mark_px) FROM steps)
         THEN coalesce(sum(usd) FILTER (NOT on_tape), 0) / nullif(sum(usd), 0) END AS branching_ratio_x
FROM forced
