"""The vaults of a run: whose coins they take, and the part of their capital that the run's coins have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from backtest.catalogue.events import CrashEvent
from backtest.errors import ConfigError
from backtest.run.event_defaults import covered_frac
from backtest.scenario.fields import Scenario
from backtest.scenario.values import per_coin
from backtest.scenario.vault_sets import OTHERS, VaultSet, coins_of
from backtest.schema.coins import REST

CAPITAL = "vault_capital_usd"


@dataclass(frozen=True, slots=True)
class OneVault:
    """One vault over all coins: its capital, its share of that of the event's coins, a note where that is not all."""

    capital: float
    frac: float = 1.0
    note: str = ""

    @classmethod
    def of(cls, event: CrashEvent, defaults: Mapping[str, Any], rules: Mapping[str, Any], coins: Any) -> Self:
        """Return the capital of the event's or the venue's vault for some coins of the event."""
        whole, coin_set = float(defaults.get(CAPITAL, rules[CAPITAL])), ", ".join(event.coins)
        if not whole or coins is None or set(coins) >= set(event.coins):
            return cls(whole)
        frac = covered_frac(defaults.get("open_interest_usd"), event.coins, coins)
        if frac is None:
            return cls(whole, 1.0, f"the vault of {coin_set} runs whole: the share of these coins is not known")
        capital = round(whole * frac, 2)
        note = f"the vault has {capital:,.0f} USD: {frac:.1%} of the {whole:,.0f} of {coin_set}, as of open interest"
        return cls(capital, frac, note)


@dataclass(frozen=True, slots=True, kw_only=True)
class SetVault:
    """The vault of a coin set: the run's coins in it, its capital in USD, a note where that is not all of the set's."""

    name: str
    coins: tuple[str, ...]
    capital: float
    note: str = ""


def vaults_of(scenario: Scenario, event_coins: Sequence[str], open_interest: Any) -> tuple[SetVault, ...]:
    """Return the vaults by coin set in their order, those without a coin of the run left out; none without sets.

    Parameters
    ----------
    event_coins, open_interest
        The event's coins and what it sets as their open interest: the share that the run's coins have in it is the
        share of the capital.

    Raises
    ------
    ConfigError
        If a coin of the run stands in no set.
    """
    sets = scenario.vaults
    stated = coins_of(sets)

    def within(each: VaultSet, coins: Sequence[str]) -> tuple[str, ...]:
        if each.coins == OTHERS:
            return tuple(coin for coin in coins if coin not in stated)
        return tuple(coin for coin in coins if coin in each.coins)

    if sets and not any(each.coins == OTHERS for each in sets):
        for coin in scenario.simulated_coins:
            if coin not in stated:
                raise ConfigError(f'vaults has no set for {coin}; add {coin} to one, or coins = "*" for all others')
    found = []
    for each in sets:
        if coins := within(each, scenario.simulated_coins):
            whole = scenario.vault_capital_usd if each.capital_usd is None else each.capital_usd
            if each.open_interest_usd is not None:
                found.append(_of_venue(each, coins, whole, _with_rest(open_interest, scenario)))
            else:
                found.append(_covered(each.name, coins, within(each, event_coins), whole, open_interest))
    return tuple(found)


def _with_rest(open_interest: Any, scenario: Scenario) -> Any:
    """Return the open interest that the event sets, and that of the rest of the venue where it is simulated."""
    if REST not in scenario.simulated_coins:
        return open_interest
    known = open_interest if isinstance(open_interest, Mapping) else dict.fromkeys(scenario.coins, open_interest)
    return {**known, REST: per_coin(scenario.open_interest_usd, REST, "open_interest_usd")}


def _covered(
    name: str, coins: tuple[str, ...], of_event: tuple[str, ...], whole: float, open_interest: Any
) -> SetVault:
    """Return a vault with the share of its capital that some coins have in the event's coins of the set."""
    if not whole or set(coins) >= set(of_event):
        return SetVault(name=name, coins=coins, capital=whole)
    frac = covered_frac(open_interest, of_event, coins)
    if frac is None:
        note = f"the vault of {name} runs whole: the share of these coins is not known"
        return SetVault(name=name, coins=coins, capital=whole, note=note)
    capital, those = round(whole * frac, 2), ", ".join(of_event)
    note = f"the vault of {name} has {capital:,.0f} USD: {frac:.1%} of its {whole:,.0f}, as of open interest of {those}"
    return SetVault(name=name, coins=coins, capital=capital, note=note)


def _of_venue(each: VaultSet, coins: tuple[str, ...], whole: float, open_interest: Any) -> SetVault:
    """Return a vault with the share of its capital that some coins have in all open interest of its set."""
    assert each.open_interest_usd is not None
    known = open_interest if isinstance(open_interest, Mapping) else dict.fromkeys(coins, open_interest)
    sizes = [float(known.get(coin) or 0) for coin in coins]
    if not whole or not all(sizes):
        note = f"the vault of {each.name} runs whole: the open interest of its coins is not known" if whole else ""
        return SetVault(name=each.name, coins=coins, capital=whole, note=note)
    frac = min(sum(sizes) / each.open_interest_usd, 1.0)
    capital = round(whole * frac, 2)
    held = f"the {each.open_interest_usd:,.0f} of open interest of its coins at the venue"
    note = f"the vault of {each.name} has {capital:,.0f} USD: {frac:.1%} of its {whole:,.0f}, as of {held}"
    return SetVault(name=each.name, coins=coins, capital=capital, note=note)


def refuse_without_capital(sets: Sequence[VaultSet], capital: float, stated: bool) -> None:
    """Refuse a set that has no capital of its own where ``vault_capital_usd`` is not stated either.

    Raises
    ------
    ConfigError
        Naming the set.
    """
    bare = next((each.name for each in sets if each.capital_usd is None), None)
    if bare and not capital and not stated:
        raise ConfigError(f"vaults: the set {bare} has no capital_usd; give it one, or {CAPITAL} to all sets")
