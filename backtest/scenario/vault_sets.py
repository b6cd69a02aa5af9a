"""Vaults by coin set: read from tables or from ``BTC+ETH:15e6,*:15e6``, and checked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec

from backtest.errors import ConfigError
from backtest.schema.coins import coin_name
from backtest.toml import Table, shown

LARGEST_USD = 999e9  # money columns end below 1e12
OTHERS = "*"  # all coins that stand in no other set
FORM = "BTC+ETH:15e6,*:15e6 or tables of coins and capital_usd"
COINS = '["BTC", "ETH"] or "*" for all others'

Usd = Annotated[float, msgspec.Meta(ge=0, le=LARGEST_USD, extra={"unit": "usd"})]
Coins = Annotated[tuple[Annotated[str, msgspec.Meta(min_length=1)], ...], msgspec.Meta(min_length=1)]


class VaultSet(Table, frozen=True, kw_only=True):
    """A vault of its own over some coins, or over all others; without a capital it has ``vault_capital_usd``.

    ``open_interest_usd`` is that of a side of all coins that the venue has in the set: a run of some of them has their
    share of the capital.
    """

    coins: Annotated[Coins | Literal["*"], msgspec.Meta(description=COINS)]
    capital_usd: Usd | None = None
    open_interest_usd: Annotated[float, msgspec.Meta(gt=0, le=LARGEST_USD, extra={"unit": "usd"})] | None = None

    @property
    def name(self) -> str:
        """Return the coins joined by +.

        Examples
        --------
        >>> VaultSet(coins=("BTC", "ETH")).name, VaultSet(coins="*").name
        ('BTC+ETH', '*')
        """
        return "+".join(self.coins)

    def plain(self) -> dict[str, Any]:
        """Return the fields as JSON-ready values, without what is not stated."""
        coins = self.coins if isinstance(self.coins, str) else list(self.coins)
        money = {"capital_usd": self.capital_usd, "open_interest_usd": self.open_interest_usd}
        return {"coins": coins} | {name: value for name, value in money.items() if value is not None}


def parse_sets(text: str, where: str) -> list[dict[str, Any]]:
    """Read the short spelling of sets into tables.

    Examples
    --------
    >>> parse_sets("BTC+ETH:15e6,*", "here")
    [{'coins': ['BTC', 'ETH'], 'capital_usd': 15000000.0}, {'coins': '*'}]
    """
    return [_parse_set(part.strip(), text, where) for part in text.split(",")]


def _parse_set(part: str, text: str, where: str) -> dict[str, Any]:
    names, colon, tail = part.rpartition(":")
    try:
        capital = float(tail) if colon else None
    except ValueError:
        if tail[:1].isdigit() or not tail:
            raise ConfigError(f"{where}: vaults = {shown(text)}; write {FORM}") from None
        names, capital = part, None  # xyz:SILVER, the market of a builder
    names = names if colon else part
    coins: str | list[str] = OTHERS if names == OTHERS else [name.strip() for name in names.split("+")]
    return {"coins": coins} | ({} if capital is None else {"capital_usd": capital})


def named(sets: Sequence[VaultSet]) -> tuple[VaultSet, ...]:
    """Return sets with the names of coins as symbols have them."""
    return tuple(
        each if isinstance(each.coins, str) else msgspec.structs.replace(each, coins=tuple(map(coin_name, each.coins)))
        for each in sets
    )


def coins_of(sets: Sequence[VaultSet]) -> list[str]:
    """Return the coins that sets name, as often as they do; ``*`` is none."""
    return [coin for each in sets if not isinstance(each.coins, str) for coin in each.coins]


def sets_fault(sets: Sequence[VaultSet]) -> str:
    """Return what is wrong with sets taken together, empty if nothing: a coin stands in one of them.

    Examples
    --------
    >>> sets_fault([VaultSet(coins=("BTC", "ETH")), VaultSet(coins=("BTC",))])
    'vaults names BTC twice; a coin stands in one set'
    """
    coins = coins_of(sets) + [OTHERS for each in sets if each.coins == OTHERS]
    twice = next((coin for coin in coins if coins.count(coin) > 1), None)
    return f"vaults names {twice} twice; a coin stands in one set" if twice else ""
