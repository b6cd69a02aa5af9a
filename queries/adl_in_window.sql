-- title: Whom did auto-deleveraging close in a window, and how?
-- params: symbol VARCHAR = NULL (all coins with bars, several are joined by +); start TIMESTAMP; end TIMESTAMP
-- grain: one row
-- units: times UTC, end exclusive; adl_mean_px price of all lots closed, of one symbol; adl_profit_frac profit realised over closed notional; adl_return_median_frac over positions, profit over entry value of the lots closed; adl_leverage_median_x over closes, notional over equity when the queue stood; adl_full_share_frac closes that left nothing of the position; adl_closes_share_frac closes of the window over those of the run; adl_vault_share_frac closed notional that was the vault's inventory; adl_gini_frac and adl_top10_share_frac over accounts, of closed notional; adl_first_s seconds from start until 1 % of the window's ADL was closed; adl_largest_usd of one position in one wave; adl_largest_instant_usd of one step
-- note: a close is one position in one wave; null where nothing was closed
WITH fills AS (
  SELECT * FROM adl_fills WHERE is_among(symbol, $symbol) AND ts >= $start AND ts < $end
),
totals AS (
  SELECT sum(notional_usd)::DOUBLE AS usd, sum(realized_usd)::DOUBLE AS pnl_usd,
         sum(notional_usd) FILTER (bankrupt = 'vault')::DOUBLE AS vault_usd
  FROM fills
),
prices AS (
  SELECT symbol, mean_px(symbol, close_px, amount_usd, lots, quantity_base) AS mean_px FROM fills GROUP BY symbol
),
price AS (SELECT CASE WHEN count(*) = 1 THEN any_value(mean_px) END AS mean_px FROM prices),
-- The entry value of what was closed: its amount less what it gained.
positions AS (
  SELECT position_id,
         sum(realized_usd)::DOUBLE
           / nullif(sum(amount_usd - value_sign(side, symbol) * realized_usd)::DOUBLE, 0) AS return_frac
  FROM fills GROUP BY position_id
),
returns AS (SELECT median(return_frac) AS median_frac FROM positions),
closes AS (
  SELECT count(*) FILTER (inside) AS closes, median(leverage) FILTER (inside) AS leverage_x,
         avg((status = 'closed')::INTEGER) FILTER (inside) AS full_frac, count(*) AS all_closes
  FROM (SELECT leverage, status, ts >= $start AND ts < $end AS inside FROM adl_queue WHERE is_among(symbol, $symbol) AND closed_lots > 0)
),
accounts AS (
  SELECT account_id, (sum(notional_usd) * 1000000)::HUGEINT AS quanta FROM fills GROUP BY account_id
),
ranked AS (
  SELECT quanta, row_number() OVER (ORDER BY quanta, account_id) AS place, count(*) OVER () AS accounts,
         sum(quanta) OVER () AS total
  FROM accounts
),
shares AS (
  SELECT sum((2 * place - accounts - 1) * quanta)::DOUBLE
           / nullif(any_value(accounts) * any_value(total), 0)::DOUBLE AS gini_frac,
         sum(quanta) FILTER (place > accounts - 10)::DOUBLE / nullif(any_value(total), 0)::DOUBLE AS top10_frac
  FROM ranked
),
largest AS (
  SELECT max(usd) AS usd
  FROM (SELECT sum(notional_usd)::DOUBLE AS usd FROM fills GROUP BY wave_id, position_id)
),
instants AS (SELECT step, min(ts) AS ts, sum(notional_usd) AS usd FROM fills GROUP BY step),
growth AS (SELECT ts, usd, sum(usd) OVER (ORDER BY step) AS until_usd, sum(usd) OVER () AS all_usd FROM instants),
path AS (
  SELECT min(ts) FILTER (100 * until_usd >= all_usd AND all_usd > 0) AS first_ts, max(usd)::DOUBLE AS largest_usd FROM growth
)
SELECT price.mean_px AS adl_mean_px,
       t.pnl_usd AS adl_pnl_usd,
       t.pnl_usd / nullif(t.usd, 0) AS adl_profit_frac,
       returns.median_frac AS adl_return_median_frac,
       closes.leverage_x AS adl_leverage_median_x,
       closes.full_frac AS adl_full_share_frac,
       closes.closes / nullif(closes.all_closes, 0) AS adl_closes_share_frac,
       coalesce(t.vault_usd, 0) / nullif(t.usd, 0) AS adl_vault_share_frac,
       shares.gini_frac AS adl_gini_frac,
       shares.top10_frac AS adl_top10_share_frac,
       epoch(path.first_ts - $start) AS adl_first_s,
       largest.usd AS adl_largest_usd,
       path.largest_usd AS adl_largest_instant_usd
FROM totals t
POSITIONAL JOIN price
POSITIONAL JOIN returns
POSITIONAL JOIN closes
POSITIONAL JOIN shares
POSITIONAL JOIN largest
POSITIONAL JOIN path
