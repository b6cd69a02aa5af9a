"""Strict reading of TOML: wrong types and unknown keys are refused with the key named."""

from __future__ import annotations

import datetime as dt
import math
import tomllib
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, TypeVar, overload

from backtest.errors import ConfigError, near_matches

T = TypeVar("T")
_MISSING: Any = object()
_WORDS: dict[type, str] = {
    str: "text in quotes",
    int: "a whole number",
    float: "a finite number",
    bool: "true or false",
    list: "a list",
    dict: "a table",
    dt.datetime: "a UTC time such as 2025-10-10T21:00:00, without offset",
    dt.date: "a date such as 2025-10-10",
}
MARKS = {"V": "primary source", "S": "secondary source", "D": "derived", "U": "not verified"}
LONGEST_SHOWN = 60  # characters of a wrong value


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file; a syntax error becomes one line with file and place."""
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except FileNotFoundError:
        raise ConfigError(f"{path.name}: no such file; give the path of a TOML file") from None
    except (ValueError, RecursionError) as error:  # syntax, encoding, a number of 5,000 digits, endless nesting
        raise ConfigError(f"{path.name}: not valid TOML: {error}; correct the file") from None
    except OSError as error:
        raise ConfigError(f"{path.name}: cannot be read: {error.strerror}") from None


class Reader:
    """A table being read: every key is asked for by name and type, and what is left over is refused.

    Examples
    --------
    >>> table = Reader({"seed": 1, "sead": 2}, "scenario.toml")
    >>> table.get("seed", int)
    1
    >>> table.done()
    Traceback (most recent call last):
    backtest.errors.ConfigError: scenario.toml: unknown key 'sead'; did you mean seed? Allowed: seed
    """

    def __init__(self, table: Mapping[str, Any], where: str) -> None:
        self.table = table
        self.where = where
        self.asked: dict[str, None] = {}

    @overload
    def get(self, key: str, kind: type[T]) -> T: ...
    @overload
    def get(self, key: str, kind: type[T], default: None) -> T | None: ...
    @overload
    def get(self, key: str, kind: type[T], default: T) -> T: ...
    def get(self, key: str, kind: type[T], default: Any = _MISSING) -> Any:
        """Return one value; whole numbers pass as numbers, nothing else is converted."""
        self.asked[key] = None
        if key not in self.table:
            if default is _MISSING:
                raise ConfigError(f"{self.where}: key '{key}' is missing; add it as {_WORDS[kind]}")
            return default
        value = self.table[key]
        if kind is float and isinstance(value, int) and not isinstance(value, bool):
            return float(value)
        if kind is dt.date and isinstance(value, dt.datetime):
            return value.date()
        fits = isinstance(value, kind) and (kind is bool or not isinstance(value, bool))
        finite = not isinstance(value, float) or math.isfinite(value)
        zoned = isinstance(value, dt.datetime) and value.tzinfo is not None
        if not fits or not finite or zoned:
            raise ConfigError(f"{self.where}: key '{key}' is {shown(value)}; it must be {_WORDS[kind]}")
        return value

    def texts(self, key: str, default: list[str] | None = None) -> tuple[str, ...]:
        """Return a list of texts; without a default at least one."""
        values = self.get(key, list) if default is None else self.get(key, list, default)
        bad = [value for value in values if not isinstance(value, str)]
        if bad:
            raise ConfigError(f"{self.where}: key '{key}' holds {shown(bad[0])}; it must be a list of texts in quotes")
        if not values and default is None:
            raise ConfigError(f"{self.where}: key '{key}' is empty; give at least one")
        return tuple(values)

    def choice(self, key: str, allowed: Mapping[str, Any] | tuple[str, ...], default: str = "") -> str:
        """Return a text that is one of the allowed names."""
        value = self.get(key, str, default) if default else self.get(key, str)
        if value not in allowed:
            near = near_matches(value, allowed)
            guess = f" did you mean {near[0]}?" if near else ""
            raise ConfigError(f"{self.where}: {key} = '{value}';{guess} allowed: {', '.join(allowed)}")
        return value

    def table_of(self, key: str) -> Reader:
        """Return a sub-table as a reader; an absent one is empty."""
        return Reader(self.get(key, dict, {}), f"{self.where} [{key}]")

    def tables(self, key: str) -> list[Reader]:
        """Return an array of tables as readers."""
        rows = self.get(key, list, [])
        bad = [row for row in rows if not isinstance(row, dict)]
        if bad:
            raise ConfigError(f"{self.where}: '{key}' holds {shown(bad[0])}; write it as [[{key}]] tables")
        return [Reader(row, f"{self.where} [[{key}]] {number}") for number, row in enumerate(rows, 1)]

    def done(self) -> None:
        """Refuse keys that nobody asked for."""
        for key in self.table:
            if key not in self.asked:
                near = near_matches(key, self.asked)
                guess = f"; did you mean {near[0]}?" if near else ";"
                raise ConfigError(f"{self.where}: unknown key '{key}'{guess} Allowed: {', '.join(sorted(self.asked))}")


def shown(value: Any) -> str:
    """Return a wrong value as a message shows it: as TOML writes it, in short.

    Examples
    --------
    >>> shown(dt.date(2021, 12, 4)), shown("x"), shown(True)
    ('2021-12-04', "'x'", 'true')
    """
    text = str(value).lower() if isinstance(value, bool) else repr(value)
    if isinstance(value, dt.date):  # a datetime too
        text = value.isoformat()
    return text if len(text) <= LONGEST_SHOWN else f"{text[: LONGEST_SHOWN - 3]}..."


def decimal_of(text: str, where: str) -> Decimal:
    """Return a finite decimal written as text."""
    try:
        number = Decimal(text)
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite():
        raise ConfigError(f"{where}: {shown(text)} is not a number; write it as a decimal in quotes")
    return number


def positive(section: Reader, key: str) -> int:
    """Return a whole number above zero."""
    number = section.get(key, int)
    if number <= 0:
        raise ConfigError(f"{section.where}: {key} = {number}; it must be above zero")
    return number
