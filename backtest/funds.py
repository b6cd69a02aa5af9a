"""The insurance funds of a run: from the scenario's fields to what each fund begins with and its drop rule."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from backtest.book.sheet import PositionBook
from backtest.errors import ConfigError
from backtest.market import MarketPath
from backtest.mechanics.exact import exact_sum, quanta, ratio
from backtest.mechanics.pools import DropRule, PoolRule, divide, fund_groups
from backtest.scenario import Scenario, per_coin


def open_interest(book: PositionBook, market: MarketPath, mark0: Any) -> list[int]:
    """Return the open interest of each symbol at the first mark, the larger side, in quanta."""
    out = []
    for symbol, unit in enumerate(market.instruments):
        sides = [exact_sum(book.lots[(book.symbol == symbol) & (book.side == side)]) for side in (1, -1)]
        mark = int(mark0[symbol])
        out.append(max(sides) * unit.worth(mark).one(mark))
    return out


def funds_of(scenario: Scenario, interest: list[int]) -> dict[str, Any]:
    """Return the funds, what each begins with, and their drop rule; ``interest`` divides a common start."""
    start, coins = scenario.fund_start_usd, scenario.coins
    if isinstance(start, Mapping):
        weights = [quanta(per_coin(start, coin, "fund_start_usd")) for coin in coins]
        total = sum(weights)
    else:
        weights, total = interest, quanta(start)
    fund_of = fund_groups(scenario.fund_pools, coins)
    shares = [
        sum(w for w, n in zip(weights, fund_of, strict=True) if n == number) for number in range(max(fund_of) + 1)
    ]
    limit = quanta(scenario.fund_inventory_limit_usd)
    limits = divide(limit, shares) if limit else [None] * len(shares)
    pools = tuple(PoolRule(*pair) for pair in zip(divide(total, shares), limits, strict=True))
    several = {"pools": pools, "fund_of": fund_of} if len(pools) > 1 else {}
    return {"fund_start": total, "inventory_limit": limit or None, "drop": _drop(scenario), **several}


def _drop(scenario: Scenario) -> DropRule | None:
    if scenario.fund_drop == "none":
        if scenario.inventory_adl == "to_trigger":
            raise ConfigError("inventory_adl = 'to_trigger' but fund_drop = 'none'; name what switches it on")
        return None
    trigger, stop = (
        tuple(ratio(per_coin(getattr(scenario, name), coin, name)) for coin in scenario.coins)
        for name in ("fund_trigger_frac", "fund_stop_frac")
    )
    for coin, on, off in zip(scenario.coins, trigger, stop, strict=True):
        if off > on:
            raise ConfigError(
                f"fund_stop_frac of {coin} is {float(off):g}, above fund_trigger_frac of {float(on):g}; it must not be"
            )
    return DropRule(scenario.fund_drop, trigger, stop, quanta(scenario.fund_above_usd), 3 * scenario.fund_window_s)
