"""The fund or the vaults of a scenario as one sum: how large it is, how to change it, and why ADL came past it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from msgspec.structs import replace as with_fields

from backtest.engine.ledger import Ledger
from backtest.engine.records import ACCOUNT, FUND, NONE, OWNERS, FundRow, Record, WaveRow
from backtest.engine.world import World
from backtest.errors import UsageError
from backtest.mechanics.exact import QUANTA_PER_USD
from backtest.run.prepare import Prepared
from backtest.run.resolve import Resolved
from backtest.run.vaults import CAPITAL
from backtest.scenario.fields import MOST, Scenario

SIZED = ("fund_start_usd", "fund_inventory_limit_usd", CAPITAL, "vaults")  # never drawn where the size is what varies


@dataclass(frozen=True, slots=True)
class Cause:
    """Why lots went to ADL; ``of_size``: a larger fund or vault takes more of it; ``empties``: it had no money left."""

    text: str
    of_size: bool
    empties: bool


CAUSES: Mapping[str, Cause] = {
    "vault_below_zero": Cause("inventory of a vault that is below zero", of_size=True, empties=True),
    "vault_below_margin": Cause("inventory of a vault below the margin that it keeps", of_size=True, empties=True),
    "vault_margin": Cause("accounts that would leave a vault below its margin", of_size=True, empties=True),
    "fund_below_floor": Cause("inventory of a fund below its floor", of_size=True, empties=True),
    "fund_empty": Cause("inventory of a fund that is empty", of_size=True, empties=True),
    "fund_at_floor": Cause("accounts that would leave the fund below its floor", of_size=True, empties=True),
    "fund_drawdown": Cause("the venue deleverages on a drawdown of a fund that has money", of_size=True, empties=False),
    "fund_limit": Cause("accounts beyond the limit of the fund's inventory", of_size=True, empties=False),
    "past_the_vault": Cause("accounts below zero within one price: no vault takes them", of_size=False, empties=False),
    "no_takeover": Cause("bankrupt accounts: the fund takes no position over", of_size=False, empties=False),
}


@dataclass(frozen=True, slots=True)
class Pool:
    """What pays before ADL: ``fund`` or ``vault``, and its size in USD, of several together."""

    owner: str
    size_usd: float

    @staticmethod
    def of(prepared: Prepared) -> Pool:
        """Return the pool of a prepared replay that has the money.

        Raises
        ------
        UsageError
            If there is none, or the venue has no ADL.
        """
        rules, venue = prepared.world.rules, prepared.resolved.venue.id
        if rules.ranking == "none":
            raise UsageError(f"{venue} has no ADL (ranking = none) that a fund could prevent; name another venue")
        if rules.vault and rules.vault.capital:
            return Pool("vault", rules.vault.capital / QUANTA_PER_USD)
        if rules.fund_start > 0:
            return Pool("fund", rules.fund_start / QUANTA_PER_USD)
        name = CAPITAL if rules.vault else "fund_start_usd"
        raise UsageError(f"{venue} has neither fund nor vault with money; give --set {name}=AMOUNT")

    def scaled(self, resolved: Resolved, size_usd: float) -> Scenario:
        """Return a scenario whose pool has another size, divided as before; an inventory limit that follows it follows.

        Fund and vaults of other kinds stay.
        """
        scenario, factor = resolved.scenario, size_usd / self.size_usd
        if self.owner == "vault":
            sets = tuple(
                each if each.capital_usd is None else with_fields(each, capital_usd=each.capital_usd * factor)
                for each in scenario.vaults
            )
            return scenario.with_(vaults=sets, vault_capital_usd=scenario.vault_capital_usd * factor)
        start, share = scenario.fund_start_usd, resolved.venue.inventory_limit_frac
        if isinstance(start, Mapping):
            return scenario.with_(fund_start_usd={coin: usd * factor for coin, usd in start.items()})
        changed = scenario.with_(fund_start_usd=start * factor)
        if share is None or resolved.sources["fund_inventory_limit_usd"] == "given":
            return changed
        return changed.with_(fund_inventory_limit_usd=min(share * start * factor, MOST))


class Recorded(Protocol):
    """A run in progress, or finished: what it started from, and what it has written down."""

    @property
    def world(self) -> World:
        """Return what the run started from."""

    @property
    def ledger(self) -> Ledger:
        """Return who holds what."""

    @property
    def record(self) -> Record:
        """Return what was written down."""


def adl_by_cause(s: Recorded) -> dict[str, float]:
    """Return the notional that ADL has closed in a run, in USD, by cause."""
    found: dict[str, int] = {}
    for wave in s.record.waves:
        if wave.closed_lots:
            cause = cause_of(s, wave)
            found[cause] = found.get(cause, 0) + wave.notional
    return {cause: found[cause] / QUANTA_PER_USD for cause in CAUSES if cause in found}


def cause_of(s: Recorded, wave: WaveRow) -> str:
    """Return why the lots of a wave went to ADL, a name in ``CAUSES``."""
    rules = s.world.rules
    if wave.source == "vault":
        return "vault_below_margin" if rules.vault and rules.vault.keeps_margin else "vault_below_zero"
    number = s.ledger.fund_of[wave.symbol]
    until = [event for event in s.record.fund_events if event.step <= wave.step]
    events = [event for event in until if event.pool == FUND]
    if wave.source == OWNERS[FUND]:
        if rules.inventory_adl == "below_floor":
            return "fund_below_floor"
        return _switched(events, wave)
    assert wave.source == OWNERS[ACCOUNT]
    if rules.vault and rules.vault.capital:
        refused = rules.vault.keeps_margin and any(event.event == "refused" for event in until)
        return "vault_margin" if refused else "past_the_vault"
    if not rules.fund_takes_over:
        return "no_takeover"
    why = next((event.cause for event in events if event.event == "refused" and event.number == number), "floor")
    return {"trigger": "fund_drawdown", "limit": "fund_limit", "floor": "fund_at_floor"}[why]


def _switched(events: list[FundRow], wave: WaveRow) -> str:
    """Return what last switched deleveraging of a symbol on."""
    on = [event.cause for event in events if event.event == "adl_on" and event.symbol in {wave.symbol, NONE}]
    return "fund_empty" if on and on[-1] == "empty" else "fund_drawdown"
