"""Rules of a contract's terms as a venue states them: tick, lot and size, and the tiers of its margin table.

They hold when terms are fetched, so that none that breaks them is stored, and when they are read, since another program
may have written the file.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

from backtest.venue.listings import LARGEST_UNIT, SMALLEST_UNIT

if TYPE_CHECKING:
    import polars as pl

STEPS = ("tick_px", "lot_base", "contract_size", "quantity_min")
DEDUCTIONS = ("cum", "mmDeduction", "deduction")  # what Binance, Bybit and Gate call a tier's deduction
TOLERANCE = 1e-3  # of a stated deduction, which venues round


class TierRule(NamedTuple):
    """The bounds of a column of tiers, and whether a value may follow another."""

    allowed: str
    least: float
    most: float
    goes_on: Callable[[float, float], bool]


TIER_RULES: Mapping[str, TierRule] = {
    "notional_floor": TierRule("floors from 0 on, each above the one before", 0.0, 1e15, operator.lt),
    "maintenance_frac": TierRule("rates from 0 to 1, each above the one before", 0.0, 1.0, operator.lt),
    "max_leverage": TierRule("leverages from 1 on, none above the one before", 1.0, 1e4, operator.ge),
}


def limits_fault(frame: pl.DataFrame) -> str:
    """Return the first rule that a row of ``limits`` breaks, empty if none; a null is what the venue does not state.

    Examples
    --------
    >>> import polars as pl
    >>> row = {"tick_px": 0.0, "lot_base": 0.001, "contract_size": 1.0, "quantity_min": None}
    >>> limits_fault(pl.DataFrame([row]))
    'tick_px = 0; allowed: 1e-12 to 1e+9'
    """
    least, most = float(SMALLEST_UNIT), float(LARGEST_UNIT)
    for name in STEPS:
        for value in frame[name].to_list():
            if value is not None and not least <= value <= most:  # also false for what is not a number
                return f"{name} = {value:g}; allowed: {SMALLEST_UNIT:g} to {LARGEST_UNIT:g}"
    return ""


def tiers_fault(frame: pl.DataFrame) -> str:
    """Return the first rule that a table of ``leverage_tiers`` breaks, empty if none.

    Floors and rates rise, so that every deduction rises from 0; leverage falls or stays; no cap is above the next
    tier's floor; no tier liquidates at its own largest leverage.

    Examples
    --------
    >>> import polars as pl
    >>> tiers = {"tier": [1, 2], "notional_floor": [0.0, 5e4], "notional_cap": [5e4, None],
    ...          "maintenance_frac": [0.01, 0.005], "max_leverage": [50.0, 25.0]}
    >>> tiers_fault(pl.DataFrame(tiers))
    'maintenance_frac = 0.005 in tier 2; allowed: rates from 0 to 1, each above the one before'
    """
    return next(_broken(frame.sort("tier")), "")


def _broken(table: pl.DataFrame) -> Iterator[str]:
    numbers = table["tier"].to_list()
    if len(set(numbers)) < len(numbers) or None in numbers:
        yield "tier is not a number of its own in every row; allowed: 1, 2, 3 and so on"
    for name, rule in TIER_RULES.items():
        values = table[name].fill_null(float("nan")).to_list()
        for at, value in enumerate(values):
            goes_on = at == 0 or rule.goes_on(values[at - 1], value)
            if not rule.least <= value <= rule.most or not goes_on:
                yield f"{name} = {value:g} in tier {numbers[at]}; allowed: {rule.allowed}"
    floors, caps = table["notional_floor"].to_list(), table["notional_cap"].to_list()
    if floors and floors[0] != 0:
        yield f"notional_floor = {floors[0]:g} in tier {numbers[0]}; allowed: 0 in the first tier"
    for number, cap, following in zip(numbers, caps, floors[1:], strict=False):
        if cap is not None and not 0 < cap <= following:
            yield f"notional_cap = {cap:g} in tier {number}; allowed: at most the floor of the next tier, {following:g}"
    for number, rate, leverage in table.select("tier", "maintenance_frac", "max_leverage").iter_rows():
        if rate * leverage > 1 + 1e-9:
            yield f"max_leverage = {leverage:g} in tier {number}; allowed: at most 1 / maintenance_frac, {1 / rate:.4g}"


def deductions_fault(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the first deduction of ccxt's tiers that their floors and rates do not give, empty if none is stated.

    A tier's deduction is that of the tier before plus its floor times the rise of the rate: 50,000 x (1 % - 0.5 %).

    Examples
    --------
    >>> tier = {"minNotional": 0.0, "maintenanceMarginRate": 0.005, "info": {"cum": "0"}}
    >>> deductions_fault([tier, {"minNotional": 5e4, "maintenanceMarginRate": 0.01, "info": {"cum": "25"}}])
    'deduction = 25 in tier 2; allowed: 250, as floors and rates give it'
    """
    due = 0.0
    for number, (before, tier) in enumerate(pairwise(rows), 2):
        figures = [each[key] for each in (before, tier) for key in ("minNotional", "maintenanceMarginRate")]
        if None in figures or not (figures[0] < figures[2] and figures[1] < figures[3]):
            return ""  # such a table is refused for that
        due += figures[2] * (figures[3] - figures[1])
        info = tier.get("info")
        stated = next((info[key] for key in DEDUCTIONS if info.get(key)), None) if isinstance(info, Mapping) else None
        try:
            value = None if stated is None else float(stated)
        except (TypeError, ValueError):
            value = float("nan")
        if value is not None and not abs(value - due) <= TOLERANCE * max(abs(due), 1.0):
            return f"deduction = {value:g} in tier {number}; allowed: {due:g}, as floors and rates give it"
    return ""
