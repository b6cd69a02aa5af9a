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
        lines.append(f"{param.name} = {_toml(value)}")
    for row in plain["watch"]:
        lines += ["", "[[watch]]", *(f"{key} = {_toml(value)}" for key, value in row.items())]
    return "\n".join(lines) + "\n"


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key} = {_toml(item)}" for key, item in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    return repr(value)
