"""Names of the headline metrics, and their values in the unit that a name ends with."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from backtest.formatting import NONE, Number, count, duration, exact, percent, significant, usd
from backtest.report.tables import Cell

NAMES = {
    "worst_move_frac": "deepest fall",
    "liquidations": "liquidations",
    "liquidated_usd": "liquidated",
    "liquidated_long_share_frac": "long share of liquidations",
    "adl_usd": "closed by ADL",
    "adl_share_frac": "ADL / liquidated",
    "adl_positions": "positions closed by ADL",
    "first_adl_after_s": "first ADL after first liquidation",
    "pool_low_usd": "lowest equity of fund or vault",
    "pool_end_usd": "fund or vault at the end",
    "uncovered_usd": "uncovered",
}
_UNITS: Mapping[str, Callable[[Number], str]] = {"_usd": usd, "_frac": percent, "_s": duration, "_px": significant}


def metric_text(metric: str, value: Number | None) -> str:
    """Return a metric in its unit.

    Examples
    --------
    >>> metric_text("adl_share_frac", 0.5)[:4], metric_text("adl_positions", 4211)
    ('50.0', '4,211')
    """
    if value is None:
        return NONE
    for suffix, write in _UNITS.items():
        if metric.endswith(suffix):
            return write(value)
    return significant(value) if value % 1 else count(value)


def metric_cell(metric: str, value: Number | None) -> Cell:
    """Return the cell of a table for a metric."""
    return Cell(metric_text(metric, value), exact(value))


def metric_name(metric: str) -> str:
    """Return the heading of a metric; ``adl_btc_usd`` is the ADL of one coin.

    Examples
    --------
    >>> metric_name("adl_btc_usd"), metric_name("adl_usd"), metric_name("adl_waves")
    ('ADL BTC', 'closed by ADL', 'ADL waves')
    """
    parts = metric.split("_")
    if metric in NAMES:
        return NAMES[metric]
    if len(parts) == 3 and parts[0] == "adl" and parts[2] == "usd":
        return f"ADL {parts[1].upper()}"
    return " ".join("ADL" if part == "adl" else part for part in parts)
