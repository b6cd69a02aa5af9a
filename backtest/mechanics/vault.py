"""Liquidator vaults: which positions they take, and whether they keep a margin of their own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from backtest.mechanics.rule import Rule, declared

VAULT_MARGINS: Mapping[str, Rule] = declared(
    "vault_margin",
    {
        "none": Rule(
            sentence="A vault keeps no margin: it takes what its rule gives it while its equity is not below zero, and "
            "below zero all of its inventory enters the ADL queue.",
            source="Hyperliquid, liquidations: deleveraging of a vault below zero; no margin of its own is published",
        ),
        "maintenance": Rule(
            sentence="A vault keeps the maintenance margin of its inventory: what would leave it below goes to ADL "
            "instead, and once it is below, all of its inventory enters the ADL queue.",
            source="this engine, a vault held to the margin of any account; no venue publishes whether it does so (U)",
        ),
    },
)


@dataclass(frozen=True, slots=True, kw_only=True)
class VaultRule:
    """Vaults that take positions of their symbols with ``0 <= equity < num / den x maintenance``.

    ``capitals`` are those of the vaults in quanta, by number; ``of`` is the number of each symbol's vault (empty: one
    vault over all symbols). ``margin`` is one of ``VAULT_MARGINS``.

    Examples
    --------
    >>> VaultRule(capitals=(15, 20), of=(0, 1, 0)).capital
    35
    """

    capitals: tuple[int, ...]
    of: tuple[int, ...] = ()
    num: int = 2
    den: int = 3
    margin: str = "none"

    @property
    def capital(self) -> int:
        """Return the capital of all vaults together."""
        return sum(self.capitals)

    @property
    def keeps_margin(self) -> bool:
        """Return whether each vault keeps the maintenance margin of its inventory."""
        return self.margin == "maintenance"
