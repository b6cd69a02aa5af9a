-- title: What did funding cost this position?
-- params: account_id INTEGER = NULL (all watched positions)
-- grain: one row per account, symbol and funding event at which it held lots
-- units: lots signed, plus is long, both legs of a hedge netted; rate per settlement, longs pay when positive; fetched_rate before the venue's cap; notional_px charged on, the mark or the oracle price by notional_basis; amount_usd signed, received is plus, exact to a millionth of a quantum; total_usd up to the event
-- note: the booked amount is rounded once per change of lots and may differ from total_usd by a quantum each time
WITH held AS (
  SELECT p.account_id, any_value(a.name) AS name, p.symbol, max(p.quantity_base / p.lots) AS lot_base,
         sum(CASE p.side WHEN 'long' THEN p.lots ELSE -p.lots END) AS lots
  FROM positions p JOIN accounts a USING (account_id)
  WHERE p.lots > 0 AND CASE WHEN $account_id IS NULL THEN a.name <> '' ELSE p.account_id = $account_id END
  GROUP BY p.account_id, p.symbol
),
-- What a long of one lot received at each event, in 1e-12 USD: whole numbers.
events AS (
  SELECT step, symbol, any_value(ts) AS ts, any_value(rate) AS rate, any_value(fetched_rate) AS fetched_rate,
         bool_or(clipped) AS clipped, any_value(notional_basis) AS notional_basis, any_value(notional_px) AS notional_px,
         max((amount_usd * 1000000000000)::HUGEINT // CASE side WHEN 'long' THEN lots ELSE -lots END) AS per_lot
  FROM funding WHERE lots > 0 GROUP BY step, symbol
),
moved AS (
  SELECT account_id, symbol, step, sum(lots) AS lots FROM ledger
  WHERE owner = 'account' AND cause <> 'opening' AND lots <> 0 AND account_id IN (SELECT account_id FROM held)
  GROUP BY account_id, symbol, step
),
-- Funding is the first act of a step: lots that leave in it are still charged.
charged AS (
  SELECT h.account_id, h.name, h.symbol, h.lot_base, e.* EXCLUDE (symbol),
         any_value(h.lots) + coalesce(sum(m.lots), 0) AS lots
  FROM held h JOIN events e ON e.symbol = h.symbol
  LEFT JOIN moved m ON m.account_id = h.account_id AND m.symbol = h.symbol AND m.step < e.step
  GROUP BY ALL
)
SELECT ts, step, name, account_id, symbol, lots::BIGINT AS lots, lots * lot_base AS quantity_base, rate, fetched_rate, clipped,
       notional_basis, notional_px, (lots * per_lot)::DECIMAL(26, 0) * 0.000000000001 AS amount_usd,
       sum((lots * per_lot)::DECIMAL(26, 0) * 0.000000000001) OVER (PARTITION BY account_id, symbol ORDER BY step) AS total_usd
FROM charged
WHERE lots <> 0
ORDER BY account_id, symbol, step
