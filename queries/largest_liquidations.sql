-- title: Which liquidations were the largest?
-- params: limit INTEGER = 20
-- grain: one row per liquidation
-- units: notional_usd of the lots that left the account, at the breach mark; lots at detection; book_share_frac share of the lots that left which the order book took
SELECT row_number() OVER (ORDER BY closed_usd DESC, liquidation_id) AS rank,
       ts, symbol, side, account_id, cohort, closed_usd AS notional_usd, mark_px, bankruptcy_px,
       book_lots, takeover_lots, adl_lots, lots, book_lots / nullif(lots - remaining_lots, 0) AS book_share_frac, liquidation_id
FROM liquidations
QUALIFY rank <= $limit
ORDER BY rank
