"""Former names of columns, values, queries and SQL functions, for users who still write them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

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
    "criticality": "potential",
}
QUERIES = {
    "criticality_by_minute": "potential_by_minute",
    "fund_switches": "fund_timeline",
    "accounts_lost_in_several_coins": "multi_coin_breaches",
    "positions_end_as_ledger_says": "positions_match_ledger",
    "ledger_explains_accounts": "accounts_match_ledger",
}
PARAMETERS = {"coin": "symbol"}  # of queries
FUNCTIONS = {"worth_sign": "value_sign"}
VALUES = {  # of a column: old -> new
    "status": {"spared": "not_reached"},
    "cause": {"drop": "drawdown"},
    "stage": {"shared by accounts": "socialised losses"},
}


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


def may_compare(text: str) -> bool:
    """Return whether a statement holds a former value at all.

    Examples
    --------
    >>> may_compare("SELECT * FROM adl_queue WHERE status = 'spared'"), may_compare("SELECT 1")
    (True, False)
    """
    return any(old in text for values in VALUES.values() for old in values)


def value_hint(tree: Any) -> str | None:
    """Return the new name of the first former value that a parsed statement compares with its column.

    Parameters
    ----------
    tree
        The statement as DuckDB's ``json_serialize_sql`` gives it.

    Examples
    --------
    >>> column = {"class": "COLUMN_REF", "column_names": ["q", "Status"]}
    >>> text = {"class": "CONSTANT", "literal": {"kind": "STRING", "text": "spared"}}
    >>> value_hint([{"class": "COMPARISON", "type": "COMPARE_EQUAL", "left": column, "right": text}])
    "status 'spared' is now called 'not_reached'"
    """
    for sides in _comparisons(tree):
        columns = [side["column_names"][-1].lower() for side in sides if side["class"] == "COLUMN_REF"]
        texts = [side["literal"].get("text") for side in sides if side["class"] == "CONSTANT"]
        for column in columns:
            for text in texts:
                if new := VALUES.get(column, {}).get(text):
                    return f"{column} '{text}' is now called '{new}'"
    return None


def _comparisons(tree: Any) -> Iterator[list[Any]]:
    """Yield the sides of every comparison of a parsed statement, ``IN`` included."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            parts = list(node.values())
            if str(node.get("type", "")).startswith("COMPARE_"):
                sides = [each for part in parts for each in (part if isinstance(part, list) else [part])]
                yield [side for side in sides if isinstance(side, dict) and "class" in side]
        else:
            parts = node if isinstance(node, list) else []
        waiting += reversed(parts)
