"""What is drawn for a run: the priors that apply to it, their values for each draw, the scenario of a draw."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from msgspec.structs import replace

from backtest.catalogue.priors import AcceptedDraw, Prior, whole
from backtest.errors import ConfigError
from backtest.run.resolve import Resolved
from backtest.run.vaults import CAPITAL
from backtest.scenario.fields import BY_NAME, Scenario
from backtest.scenario.values import per_coin
from backtest.scenario.vault_sets import OTHERS
from backtest.studies.latin import column, generator

VAULTS = "vaults"
Value = float | str
Values = Mapping[str, Value]  # by the names of what is drawn
BESIDE = {VAULTS: (CAPITAL,), CAPITAL: (VAULTS,)}  # fields that state what another one does
ONCE = ""  # part of a prior that has one number


@dataclass(frozen=True, slots=True)
class Parameter:
    """A number that is drawn: that of a prior or, where it has several, of one of its parts (a coin, a bucket)."""

    prior: Prior
    part: str = ONCE

    @property
    def name(self) -> str:
        """Return the name under which its values are stored."""
        return f"{self.prior.id}.{self.part}" if self.part else self.prior.id


@dataclass(frozen=True, slots=True)
class Parameters:
    """What is drawn for a run, and notes on priors that do not apply."""

    rows: tuple[Parameter, ...]
    notes: tuple[str, ...]


def parameters_of(
    priors: Sequence[Prior], resolved: Resolved, overrides: Mapping[str, Any], *, imported: bool
) -> Parameters:
    """Return what is drawn for a run: not what a user gave, nor what its venue, coins or book have no use for."""
    rows: list[Parameter] = []
    notes: list[str] = []
    book: list[str] = []
    for prior in priors:
        if given := next((name for name in (prior.field, *BESIDE.get(prior.field, ())) if name in overrides), ""):
            notes.append(f"{given} was given and is not drawn")
        elif imported and prior.of_book:
            book.append(prior.field)
        elif _applies(prior, resolved):
            rows += [Parameter(prior, part) for part in _parts(prior, resolved)]
    if book:
        notes.append(f"the book is imported: {', '.join(dict.fromkeys(book))} are not drawn")
    return Parameters(tuple(rows), tuple(dict.fromkeys(notes)))


def _applies(prior: Prior, resolved: Resolved) -> bool:
    scenario = resolved.scenario
    own = getattr(scenario, prior.field)
    if prior.venues and resolved.venue.id not in prior.venues:
        return False
    if (prior.unless_zero and not own) or (prior.is_factor and own is None):
        return False
    if prior.field in BESIDE and (prior.field == VAULTS) != bool(scenario.vaults):
        return False
    return len(scenario.coins) >= prior.least_coins


def _parts(prior: Prior, resolved: Resolved) -> list[str]:
    if prior.field == VAULTS:
        return [_name_of(each.name) for each in resolved.vaults]
    if prior.each_coin:
        return list(resolved.scenario.coins)
    if prior.shares is None:
        return [ONCE]
    buckets = [f"{row.low_x:g}-{row.high_x:g}" for row in prior.shares if row.low is not None]
    return [*buckets, "level"] if prior.level_low < prior.level_high else buckets


def _name_of(coin_set: str) -> str:
    return "others" if coin_set == OTHERS else coin_set


def draw(
    parameters: Sequence[Parameter], resolved: Resolved, size: int, accepted: Sequence[AcceptedDraw] = ()
) -> list[dict[str, Value]]:
    """Return the values of each draw by name; a Latin hypercube over all of them.

    Values that a calibration accepted are taken together, a row of them by its weight.
    """
    scenario = resolved.scenario
    chosen = _chosen(accepted, size, scenario.seed) if accepted else []
    columns: dict[str, list[Value]] = {}
    for parameter in parameters:
        if accepted and parameter.name in accepted[0].values:
            columns[parameter.name] = [_scaled(parameter.prior, row.values[parameter.name], resolved) for row in chosen]
            continue
        places = column(size, generator(scenario.seed, parameter.name)).tolist()
        columns[parameter.name] = [_value(parameter, place, resolved) for place in places]
    return [{name: values[k] for name, values in columns.items()} for k in range(size)]


def _chosen(accepted: Sequence[AcceptedDraw], size: int, seed: int) -> list[AcceptedDraw]:
    """Return an accepted draw for each draw, each as often as its weight says."""
    ends = np.cumsum([row.weight for row in accepted])
    places = column(size, generator(seed, "accepted")) * ends[-1]
    return [accepted[int(k)] for k in np.searchsorted(ends, places)]


def _scaled(prior: Prior, value: Value, resolved: Resolved) -> Value:
    """Return a value of the event's coins as it is for those of the run."""
    if isinstance(value, str):
        return value
    if prior.at_most_coins:
        value = min(value, float(len(resolved.scenario.simulated_coins)))
    return value * resolved.vault_frac if prior.field == CAPITAL and not prior.is_factor else value


def _value(parameter: Parameter, place: float, resolved: Resolved) -> Value:
    """Return the value at a place from 0 to 1 of a distribution, to six digits, so that it can be set by hand."""
    value = _exact_value(parameter, place, resolved)
    return value if isinstance(value, str) else float(f"{value:.6g}")


def _exact_value(parameter: Parameter, place: float, resolved: Resolved) -> Value:
    prior = parameter.prior
    if prior.shares is not None:
        if parameter.part == "level":
            return _log_uniform(prior.level_low, prior.level_high, place)
        row = next(row for row in prior.shares if f"{row.low_x:g}-{row.high_x:g}" == parameter.part)
        return _uniform(row.low or 0.0, row.high or 0.0, place)
    if prior.values is not None:
        return prior.values[min(int(place * len(prior.values)), len(prior.values) - 1)]
    if prior.log_sd is not None:
        return math.exp(NormalDist(0, prior.log_sd).inv_cdf(place))
    assert prior.low is not None
    assert prior.high is not None
    low, high = prior.low, prior.high
    if prior.at_most_coins:
        most = len(resolved.scenario.simulated_coins)
        low, high = min(low, most), min(high, most)
    value = (_log_uniform if prior.distribution == "log_uniform" else _uniform)(low, high, place)
    return value * resolved.vault_frac if prior.field == CAPITAL and not prior.is_factor else value


def _uniform(low: float, high: float, place: float) -> float:
    return low + (high - low) * place


def _log_uniform(low: float, high: float, place: float) -> float:
    """Return the value at a place of a range that is even in its logarithm.

    Examples
    --------
    >>> round(_log_uniform(5, 20, 0.5), 9)
    10.0
    """
    return low * math.exp(math.log(high / low) * place)


def scenario_of(scenario: Scenario, parameters: Sequence[Parameter], values: Values) -> Scenario:
    """Return the scenario with the values of a draw; several factors on a field multiply."""
    changed: dict[str, Any] = {}
    for prior in dict.fromkeys(parameter.prior for parameter in parameters):
        own = changed.get(prior.field, getattr(scenario, prior.field))
        parts = {each.part: values[each.name] for each in parameters if each.prior == prior}
        if prior.field == VAULTS:
            changed[VAULTS] = tuple(
                replace(each, capital_usd=float(parts.get(_name_of(each.name), each.capital_usd or 0.0)))
                for each in own
            )
        elif prior.shares is not None:
            changed[prior.field] = _mixed(prior, parts)
        else:
            changed[prior.field] = _set(prior, own, parts, scenario)
    return scenario.with_(**changed)


def _set(prior: Prior, own: Any, parts: Mapping[str, Value], scenario: Scenario) -> Any:
    """Return the value of a field: drawn, or its own times what is drawn; by coin where the field or a part is."""
    param = BY_NAME[prior.field]
    if not prior.each_coin and not (prior.is_factor and isinstance(own, Mapping)):
        value = parts[ONCE]
        return _bounded(prior, float(own) * float(value) if prior.is_factor else whole(param, value))
    by_coin = {}
    for coin in scenario.simulated_coins:
        value = parts.get(coin, parts.get(ONCE, 1.0))
        before = per_coin(own, coin, prior.field) if prior.is_factor else 1.0
        by_coin[coin] = _bounded(prior, before * float(value))
    return dict(sorted(by_coin.items()))


def _bounded(prior: Prior, value: Any) -> Any:
    """Return a value within the bounds of its field.

    Raises
    ------
    ConfigError
        It is not; the range of the prior, times the field's own value, is too wide.
    """
    param = BY_NAME[prior.field]
    low, high = param.low, param.high
    if isinstance(value, float) and low is not None and high is not None and not low <= value <= high:
        bounds = f"{low:,.15g} to {high:,.15g}"
        raise ConfigError(f"prior '{prior.id}': {prior.field} = {value:.6g}; allowed: {bounds}; narrow the prior")
    return value


def _mixed(prior: Prior, parts: Mapping[str, Value]) -> dict[str, tuple[tuple[float, float, float], ...]]:
    """Return a mix of leverage for all coins: shares that sum to 1, leverage times the level."""
    level = float(parts.get("level", 1.0))
    rows = prior.shares or ()
    drawn = [None if row.low is None else float(parts[f"{row.low_x:g}-{row.high_x:g}"]) for row in rows]
    known = sum(share for share in drawn if share is not None)
    total = known if None not in drawn else 1.0
    shares = [(1.0 - known if share is None else share) / total for share in drawn]
    return {
        "default": tuple(
            (row.low_x * level, row.high_x * level, share) for row, share in zip(rows, shares, strict=True)
        )
    }
