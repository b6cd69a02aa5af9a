"""A scenario written as TOML that ``crashbook replay -c`` reads back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from backtest.scenario.fields import PARAMS, Scenario


def scenario_toml(scenario: Scenario) -> str:
    """Return the resolved scenario as TOML that ``replay -c`` reads back."""
    plain, lines = scenario.plain(), []
    for param in PARAMS:
        value = plain[param.name]
        if param.name == "watch" or value is None:
            continue
        lines.append(f"{param.name} = {toml_value(value)}")
    for row in plain["watch"]:
        lines += ["", "[[watch]]", *(f"{key} = {toml_value(value)}" for key, value in row.items())]
    return "\n".join(lines) + "\n"


def toml_value(value: Any) -> str:
    """Return a value as TOML writes it.

    Examples
    --------
    >>> toml_value({"BTC": 1.5, "default": True}), toml_value(("a", 2))
    ('{ BTC = 1.5, default = true }', '["a", 2]')
    """
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key} = {toml_value(item)}" for key, item in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(toml_value(item) for item in value) + "]"
    return repr(value)
