"""The coins of a venue without bars as one modelled coin: its open interest, and when there is none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from backtest.errors import ConfigError
from backtest.scenario.fields import Scenario
from backtest.scenario.values import per_coin
from backtest.schema.coins import REST
from backtest.venue.profile import VenueProfile

NEUTRAL_SCALE = 1.0  # its volume is that of the venue already, as scaled for the coins it follows


@dataclass(frozen=True, slots=True)
class Rest:
    """The rest of the venue: open interest of a side in USD, None where there is no rest; ``note`` says why."""

    usd: float | None = None
    note: str = ""


def rest_of(scenario: Scenario, venue: VenueProfile) -> Rest:
    """Return the rest of the venue that a scenario asks for: the venue's open interest less that of its coins.

    An open interest of the coin ``REST`` that the scenario states goes first.

    Raises
    ------
    ConfigError
        A coin of the scenario has the name of the rest.
    """
    if REST in scenario.coins:
        raise ConfigError(f"coins names {REST}, the rest of the venue; leave it out and set rest_of_venue=basket")
    if scenario.rest_of_venue == "none":
        return Rest()
    fault = _fault(scenario, venue)
    if fault:
        return Rest(note=f"no rest of the venue is added: {fault}")
    interest, whole = scenario.open_interest_usd, scenario.venue_open_interest_usd
    if isinstance(interest, Mapping) and REST in interest:
        return Rest(float(interest[REST]), f"{REST} has the {float(interest[REST]):,.0f} USD a side that were given")
    covered = covered_usd(scenario)
    assert whole is not None
    usd = round(whole - covered, 2)
    held = f"{whole:,.0f} of the venue less {covered:,.0f} of {', '.join(scenario.coins)}"
    return Rest(usd, f"{REST}, all other coins of the venue, has {usd:,.0f} USD of open interest a side: {held}")


def covered_usd(scenario: Scenario) -> float:
    """Return the open interest of a side of the coins with bars, in USD."""
    return sum(per_coin(scenario.open_interest_usd, coin, "open_interest_usd") for coin in scenario.coins)


def _fault(scenario: Scenario, venue: VenueProfile) -> str:
    """Return why a scenario has no rest of the venue, empty where it has one."""
    interest, whole = scenario.open_interest_usd, scenario.venue_open_interest_usd
    stated = interest.get(REST) if isinstance(interest, Mapping) else None
    if scenario.positions_file:
        return "a book of your own is the whole venue"
    if len(scenario.coins) < 2:
        return "one coin is simulated, and the path of others would be its own"
    if scenario.impact == "depth":
        return "impact = depth needs an order book, and it has none"
    if not any(table.coin == "*" for table in venue.tables):
        return f"{venue.id} has no margin table for any coin"
    if stated is None and interest is None:
        return "the open interest of the simulated coins is not known; give it with open_interest_usd"
    if stated is None and whole is None:
        return "the open interest of the venue is not known; give it with venue_open_interest_usd"
    if stated is None and whole is not None and whole <= covered_usd(scenario):
        return f"the simulated coins have all {whole:,.0f} USD of the venue's open interest"
    return ""


def with_rest_interest(scenario: Scenario, rest: Rest) -> Scenario:
    """Return the scenario with the open interest and the scale of liquidity of the rest among those of its coins."""
    if rest.usd is None:
        return scenario
    interest, scale = scenario.open_interest_usd, scenario.liquidity_scale
    of_coins = {coin: per_coin(interest, coin, "open_interest_usd") for coin in scenario.coins}
    scales = dict(scale) if isinstance(scale, Mapping) else {"default": scale}
    return scenario.with_(
        open_interest_usd=dict(sorted({**of_coins, REST: rest.usd}.items())),
        liquidity_scale=dict(sorted({REST: NEUTRAL_SCALE, **scales}.items())),
    )
