-- title: Which liquidations were the largest?
-- params: limit INTEGER = 20
-- grain: one row per liquidation
-- units: notional_usd of the lots that left the account, at the breach mark; lots at detection; book_share_frac share of the lots that left which the order book took
WITH left_accounts AS (
  SELECT *, lots - kept_lots AS left_lots,
         closed_usd AS left_usd
  FROM liquidations
)
SELECT row_number() OVER (ORDER BY left_usd DESC, liquidation_id) AS rank,
       ts, symbol, side, account_id, cohort, left_usd AS notional_usd, mark_px, bankruptcy_px,
       book_lots, takeover_lots, adl_lots, lots, book_lots / nullif(left_lots, 0) AS book_share_frac, liquidation_id
FROM left_accounts
QUALIFY rank <= $limit
ORDER BY rank
