"""Former names of columns, queries and SQL functions, for users who still write them."""

from __future__ import annotations

import re

COLUMNS = {
    "gap": "jump",
    "lot_usd": "lot_value_usd",
    "bucket_lots": "liquidity_left_lots",
    "policy": "ranking",
    "wallet_usd": "collateral_usd",
    "cost_usd": "entry_value_usd",
    "kept_lots": "remaining_lots",
    "bankruptcy_usd": "bankruptcy_value_usd",
    "bankrupt_usd": "bankruptcy_value_usd",
    "worth_usd": "inventory_change_usd",
    "compared_usd": "basis_usd",
    "compared_peak_usd": "basis_peak_usd",
    "drop_ratio": "drawdown_ratio",
    "naked_base": "unhedged_base",
    "naked_usd": "unhedged_usd",
    "naked_s": "unhedged_s",
    "naked_pnl_usd": "unhedged_pnl_usd",
    "adl_lots_from_pool_frac": "adl_for_pools_share_frac",
    "dragged": "contagion",
    "dragged_usd": "contagion_usd",
    "carried": "supported",
    "carried_usd": "supported_usd",
    "low_5": "p05",
    "high_95": "p95",
}
QUERIES = {
    "fund_switches": "fund_timeline",
    "accounts_lost_in_several_coins": "multi_coin_breaches",
    "positions_end_as_ledger_says": "positions_match_ledger",
    "ledger_explains_accounts": "accounts_match_ledger",
}
FUNCTIONS = {"worth_sign": "value_sign"}


def hint(message: str) -> str | None:
    """Return the new name of the first former name that a message of DuckDB or polars quotes; None without one.

    Examples
    --------
    >>> hint('Binder Error: Referenced column "kept_lots" not found in FROM clause!')
    "'kept_lots' is now called 'remaining_lots'"
    >>> hint('Binder Error: Referenced column "keptlots" not found in FROM clause!') is None
    True
    """
    known = COLUMNS | QUERIES | FUNCTIONS
    for name in re.findall(r'(?<=")\w+(?=")|(?<=name )\w+', message):
        if name.lower() in known:
            return f"'{name}' is now called '{known[name.lower()]}'"
    return None
