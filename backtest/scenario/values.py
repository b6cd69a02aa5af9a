"""Scenario values in layers: laid over each other, built into a scenario, looked up by coin.

A field left out takes the event's default for the venue, then the venue profile's rule, then the field's own default.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from backtest.errors import ConfigError
from backtest.scenario.fields import BY_NAME, PARAMS, Scenario
from backtest.scenario.param import EVENT, RULE, PerCoin

OPEN_INTEREST = ("open_interest_usd", "venue_open_interest_usd")  # fields of events, counted as the venue counts


def merge(*layers: Mapping[str, Any]) -> dict[str, Any]:
    """Lay scenario values over each other; tables per coin are merged key by key."""
    out: dict[str, Any] = {}
    for layer in layers:
        for key, value in layer.items():
            old = out.get(key)
            kind = BY_NAME[key].kind
            if kind in {"per_coin", "mix"} and isinstance(value, Mapping) and old is not None:
                base = old if isinstance(old, Mapping) else {"default": old}
                value = dict(sorted({**base, **value}.items()))
            out[key] = value
    return out


def build(values: Mapping[str, Any]) -> Scenario:
    """Build a scenario from merged values; rules must have been filled in from venue and event."""
    filled = {param.name: values.get(param.name, param.default) for param in PARAMS}
    for name, value in filled.items():
        if isinstance(value, str) and value in {RULE, EVENT}:
            if name in OPEN_INTEREST:
                filled[name] = None
                continue
            raise ConfigError(f"{name} has no value {value}; give it with --set {name}=VALUE")
    return Scenario(**filled)


def baseline_of(scenario: Scenario, default: Scenario) -> Scenario:
    """Return the run on the tape that a feedback run is compared with: fields that are not ``kept`` at their default.

    What the defaults do not know of a coin, such as the open interest of a further one, stays as it is.

    Parameters
    ----------
    default
        The scenario of the event and the venue without overrides.
    """
    values: dict[str, Any] = {"path": "tape"}
    for param in PARAMS:
        own, usual = getattr(scenario, param.name), getattr(default, param.name)
        if param.kept or (usual is None and param.kind == "per_coin"):
            values[param.name] = own
        elif param.kind in {"per_coin", "mix"}:
            values[param.name] = merge({param.name: own}, {param.name: usual})[param.name]
    return default.with_(**values)


def per_coin(value: PerCoin | None, coin: str, name: str) -> float:
    """Return a coin's own value, or the common one.

    Examples
    --------
    >>> per_coin({"BTC": 0.15, "default": 1.0}, "SOL", "liquidity_scale")
    1.0
    """
    if isinstance(value, int | float):
        return float(value)
    if value is not None:
        found = value.get(coin, value.get("default"))
        if found is not None:
            return float(found)
    raise ConfigError(f"{name} has no value for {coin}; give it with --set {name}.{coin}=NUMBER")
