-- title: Losses and those who bore them sum to zero
-- params: none
-- grain: one row if the stages of loss_waterfall leave a rest
-- units: residual_usd sum of all stages, which should be 0
SELECT sum(amount_usd) AS residual_usd
FROM loss_waterfall
HAVING sum(amount_usd) <> 0
