"""Old names of scenario fields and of their values, which a reader is told of."""

RENAMED_FIELDS = {
    "stepper": "liquidation_rule",
    "adl_visits": "max_candidates",
    "spared": "queue_not_reached",
    "fund_drop": "drawdown_trigger",
    "fund_trigger_frac": "drawdown_trigger_frac",
    "fund_stop_frac": "drawdown_stop_frac",
    "fund_above_usd": "drawdown_above_usd",
    "fund_window_s": "drawdown_window_s",
}
RENAMED_VALUES = {"drawdown_trigger": {"pool_drop": "pool_drawdown"}}
