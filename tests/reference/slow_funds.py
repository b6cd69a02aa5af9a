"""The funds of a world: which there are, who owns what a symbol brings them, and what has been seen of them.

Where a world has several funds or a drop rule, each symbol has an owner of its own for what it brings its fund
(`fund BTC`), and each fund one that holds its start (`fund 0`). What a symbol has brought is then the equity of its
owner, and a fund the sum of its owners.
"""

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

FUND = "fund"


@dataclass
class Funds:
    """The funds of a world and what has been seen of them."""

    world: dict[str, Any]
    history: list[tuple[Fraction, list[int], dict[str, int]]] = field(default_factory=list)  # clock, equities, profits
    dropped: dict[str, bool] = field(default_factory=dict)
    on: dict[str, bool] = field(default_factory=dict)
    empty: list[bool] = field(default_factory=list)
    refused: set[int] = field(default_factory=set)
    events: list[list[Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        symbols = list(self.world["symbols"])
        starts = [pool["start"] for pool in self.pools]
        self.history.append((Fraction(0), starts, dict.fromkeys(symbols, 0)))
        self.empty = [start <= 0 for start in starts]
        self.dropped = dict.fromkeys(symbols, False)
        self.on = {symbol: bool(self.rules.get("drop")) and starts[self.number(symbol)] <= 0 for symbol in symbols}

    @property
    def rules(self) -> dict[str, Any]:
        """The profile's rule of the fund."""
        rules: dict[str, Any] = self.world["profile"]["fund"]
        return rules

    @property
    def pools(self) -> list[dict[str, Any]]:
        """The funds: one over all symbols where the world names none."""
        pools: list[dict[str, Any]] | None = self.rules.get("pools")
        return pools or [{**self.rules, "symbols": list(self.world["symbols"])}]

    def number(self, symbol: str) -> int:
        """Return the number of a symbol's fund."""
        return next(n for n, pool in enumerate(self.pools) if symbol in pool["symbols"])


def in_parts(world: dict[str, Any]) -> bool:
    """Tell whether the funds of a world are kept in parts."""
    return bool(world["profile"]["fund"].get("pools") or world["profile"]["fund"].get("drop"))


def owner_of(world: dict[str, Any], symbol: str) -> str:
    """Return who owns what a symbol brings its fund."""
    return f"{FUND} {symbol}" if in_parts(world) else FUND


def is_fund(owner: object) -> bool:
    """Tell whether an owner is a fund or a part of one."""
    return isinstance(owner, str) and owner.startswith(FUND)


def fund_owners(world: dict[str, Any]) -> dict[str, int]:
    """Return the owners the funds consist of, with their cash at the start."""
    if not in_parts(world):
        return {FUND: world["profile"]["fund"]["start"]}
    starts = {f"{FUND} {number}": pool["start"] for number, pool in enumerate(Funds(world).pools)}
    return {**starts, **{owner_of(world, symbol): 0 for symbol in world["symbols"]}}
