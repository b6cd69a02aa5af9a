"""Scenario values as a user gives them, in TOML, with ``--set`` or in Python: checked one by one, defaults left out."""

from __future__ import annotations

import datetime as dt
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from backtest.errors import ConfigError, RenamedError, UnknownNameError
from backtest.scenario.amounts import doubtful, plain_number
from backtest.scenario.fields import BY_NAME
from backtest.scenario.param import Mix, Param
from backtest.scenario.renamed import RENAMED_FIELDS, RENAMED_VALUES
from backtest.scenario.vault_sets import named, parse_sets, sets_fault
from backtest.scenario.watched import names_clash
from backtest.schema.coins import coin_name, symbol_name
from backtest.toml import decode, read_toml, shown


def read_scenario(path: Path) -> dict[str, Any]:
    """Read a scenario file: checked shape, only the keys given."""
    return check_values(read_toml(path), path.name)


def check_values(table: Mapping[str, Any], where: str, *, of_user: bool = True) -> dict[str, Any]:
    """Check names, types, choices and bounds of scenario values.

    Raises
    ------
    ConfigError
        Naming the key, what it holds and what is allowed.

    Examples
    --------
    >>> check_values({"seed": 3}, "here")
    {'seed': 3}
    >>> check_values({"seed": -1}, "here")
    Traceback (most recent call last):
    backtest.errors.ConfigError: here: seed = -1; allowed: 0 to 2,147,483,647
    """
    for key in table:
        if key in RENAMED_FIELDS:
            raise RenamedError("field", key, RENAMED_FIELDS[key], where)
        if key not in BY_NAME:
            raise ConfigError(f"{where}: {unknown_field('key', key)}")
    return {key: check_value(BY_NAME[key], value, where, of_user=of_user) for key, value in table.items()}


def unknown_field(kind: str, name: str) -> UnknownNameError:
    """Return the error for a name that no field has, with the fields of such a name or meaning."""
    return UnknownNameError(kind, name, {each: param.doc for each, param in BY_NAME.items()}, "See crashbook params")


def check_value(param: Param, value: Any, where: str, *, of_user: bool = True) -> Any:
    """Check one value and return it in the field's type.

    ``of_user``: whether the user wrote it, who may name code of his own; files of others may not.
    """
    value = _forgiven(param, value, where)
    if isinstance(value, str) and (renamed := RENAMED_VALUES.get(param.name, {}).get(value)):
        raise RenamedError(param.name, value, renamed, where)
    if param.user and isinstance(value, str) and value not in param.choices and not re.fullmatch(param.user, value):
        raise ConfigError(f"{where}: {UnknownNameError(param.name, value, param.choices, f'Or {param.form}')}")
    if param.user and not of_user and value not in param.choices:
        raise ConfigError(
            f"{where}: {param.name} = {shown(value)}; a policy of yours is named in a command or a scenario only, "
            f"allowed here: {', '.join(param.choices)}"
        )
    if param.kind == "time":
        return _time(param, value, where)
    if param.kind == "coins" and isinstance(value, str):
        value = re.split(r"\s*[,;+]\s*|\s+", value.strip())
    if param.kind == "vaults" and isinstance(value, str):
        value = parse_sets(value, where)
    found = decode(value, param.decoded, where, key=param.name)
    if param.kind == "coins":
        found = tuple(map(coin_name, found))
    if param.kind in {"per_coin", "mix"} and isinstance(found, Mapping):
        found = _by_coin(found, param.name, where)
    if param.kind == "mix":
        _check_mix(found, param.name, where)
    if found == "":
        raise ConfigError(f"{where}: {param.name} is empty; give a value or leave it out")
    if param.kind == "coins" and len(set(found)) < len(found):
        raise ConfigError(f"{where}: coins = {value!r} names a coin twice; name each once")
    if param.kind == "vaults":
        found = named(found)
        if fault := sets_fault(found):
            raise ConfigError(f"{where}: {fault}")
    if param.kind == "watch":
        found = tuple(replace(row, coin=symbol_name(row.coin)) for row in found)
        if clash := names_clash(found):
            raise ConfigError(f"{where}: {clash}")
    return found


def _forgiven(param: Param, value: Any, where: str) -> Any:
    """Return a value as TOML would have it: ``50M`` as its number, a choice in other capitals as it is declared."""
    if param.kind in {"int", "float", "per_coin"}:
        if isinstance(value, Mapping):
            return {key: _forgiven(param, item, where) for key, item in value.items()}
        if isinstance(value, str) and (reason := doubtful(value)):
            raise ConfigError(f"{where}: {param.name}: {reason}")
        number = plain_number(value) if isinstance(value, str) and not re.fullmatch(r"[\d.]*", value) else None
        return value if number is None else number
    if param.name in {"venue", "book_of"} and isinstance(value, str):
        return value.strip().lower()  # as their files are named
    if param.choices and isinstance(value, str) and value not in param.choices:
        return next((name for name in param.choices if name.lower() == value.strip().lower()), value)
    return value


def _by_coin(values: Mapping[str, Any], name: str, where: str) -> dict[str, Any]:
    """Return values by the names of coins, sorted; ``default`` is that of all others."""
    named = {key: key if key == "default" else coin_name(key) for key in sorted(values)}
    if len(set(named.values())) < len(named):
        raise ConfigError(f"{where}: {name} = {shown(values)} names a coin twice; name each once")
    return {coin: values[key] for key, coin in named.items()}


def _time(param: Param, given: Any, where: str) -> dt.datetime:
    try:
        value = dt.datetime.fromisoformat(given) if isinstance(given, str) else given
    except ValueError:
        value = None
    if not isinstance(value, dt.datetime) or value.tzinfo is not None:
        raise ConfigError(f"{where}: {param.name} = {shown(given)}; write UTC as 2025-10-10T21:00:00")
    return value


def _check_mix(mix: Mix, name: str, where: str) -> None:
    for coin, rows in mix.items():
        shares = sum(row[2] for row in rows)
        if abs(shares - 1) > 1e-9 or any(0 < row[1] <= row[0] or min(row) < 0 for row in rows):
            rule = "each row is [from, to, share] with from < to or to = 0"
            held = shown([list(row) for row in rows])
            raise ConfigError(f"{where}: {name}.{coin} = {held}; shares sum to 1 (now {shares:g}), {rule}")


def parse_set(text: str) -> dict[str, Any]:
    """Read one ``--set field=value``; the value is TOML, bare words are text, ``field.COIN`` sets one coin.

    Examples
    --------
    >>> parse_set("open_interest_usd.BTC=4.48e9"), parse_set("ranking=bitmex")
    ({'open_interest_usd': {'BTC': 4480000000.0}}, {'ranking': 'bitmex'})
    """
    key, equals, raw = text.partition("=")
    if not equals or not key.strip():
        raise ConfigError(f"--set {text}: write --set field=value")
    name, _, coin = key.strip().partition(".")
    name = {"open_interest": "open_interest_usd", "policy": "ranking"}.get(name, name)
    try:
        value = tomllib.loads(f"value = {raw.strip()}")["value"]
    except (ValueError, RecursionError):  # not TOML: a bare word, checked below
        value = raw.strip()
    if name in BY_NAME and BY_NAME[name].kind == "text" and not isinstance(value, str):
        value = raw.strip()  # a name may look like a date or a number
    return check_values({name: {coin: value} if coin else value}, "--set")
