"""Strict reading of TOML: wrong types and unknown keys are refused with the key named."""

from __future__ import annotations

import datetime as dt
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar, overload

from backtest.errors import ConfigError, near_matches

T = TypeVar("T")
_MISSING: Any = object()
_WORDS = {str: "text", int: "a whole number", float: "a number", bool: "true or false", list: "a list", dict: "a table"}


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file; a syntax error becomes one line with file and place."""
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except FileNotFoundError:
        raise ConfigError(f"{path.name}: no such file; give the path of a TOML file") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
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
                raise ConfigError(f"{self.where}: key '{key}' is missing; add it as {_WORDS.get(kind, kind.__name__)}")
            return default
        value = self.table[key]
        if kind is float and isinstance(value, int) and not isinstance(value, bool):
            return float(value)
        if kind is dt.date and isinstance(value, dt.datetime):
            return value.date()
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            wanted = _WORDS.get(kind, kind.__name__)
            raise ConfigError(f"{self.where}: key '{key}' is {value!r}; it must be {wanted}")
        return value

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
            raise ConfigError(f"{self.where}: '{key}' holds {bad[0]!r}; write it as [[{key}]] tables")
        return [Reader(row, f"{self.where} [[{key}]] {number}") for number, row in enumerate(rows, 1)]

    def done(self) -> None:
        """Refuse keys that nobody asked for."""
        for key in self.table:
            if key not in self.asked:
                near = near_matches(key, self.asked)
                guess = f"; did you mean {near[0]}?" if near else ";"
                raise ConfigError(f"{self.where}: unknown key '{key}'{guess} Allowed: {', '.join(sorted(self.asked))}")
