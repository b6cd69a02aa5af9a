-- title: Where is our liquidation price not the venue's own?
-- params: off DOUBLE = 0.001; symbol VARCHAR = NULL (all symbols, or a coin such as BTC); limit INTEGER = 50
-- grain: one row per position whose two prices differ by more than off, the largest difference first
-- units: _px at the snapshot; off_frac model over venue, less 1; compared and differing positions of the run of the same symbol, with both prices
-- note: both are of the snapshot, before any fill; a margin table that is not the venue's shows here first; account as in actual_accounts
WITH both_known AS (
  SELECT account, symbol, side, snapshot_quantity_base, mark_px, liquidation_px, model_liquidation_px,
         model_liquidation_px / liquidation_px - 1 AS off_frac, account_mode, leverage_type
  FROM actual_positions WHERE liquidation_px > 0 AND model_liquidation_px > 0
),
counted AS (
  SELECT *, count(*) OVER (PARTITION BY symbol) AS compared,
         count(*) FILTER (abs(off_frac) > $off) OVER (PARTITION BY symbol) AS differing
  FROM both_known
),
alike AS (  -- beginnings that several accounts of the venue have
  SELECT left(account, 12) AS beginning FROM actual_positions GROUP BY beginning HAVING count(DISTINCT account) > 1
)
SELECT CASE WHEN starts_with(account, '0x') AND left(account, 12) NOT IN (FROM alike) THEN left(account, 12)
            ELSE account END AS account, symbol, side, snapshot_quantity_base, mark_px, liquidation_px,
       model_liquidation_px, off_frac, account_mode, leverage_type, compared, differing
FROM counted
WHERE abs(off_frac) > $off AND ($symbol IS NULL OR $symbol IN (symbol, split_part(symbol, '/', 1)))
ORDER BY abs(off_frac) DESC, account, symbol
LIMIT $limit
