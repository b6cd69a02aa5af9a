"""Parameters of a query: read from its header, and the values given for them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

from backtest.errors import ParameterError, QueryError
from backtest.scenario.amounts import number_of

Value = str | int | float | bool | datetime | None

_PARAM = re.compile(r"(\w+) ([A-Z]+)(?: = ([^()]*[^() ]))?(?: \((.+)\))?")


@dataclass(frozen=True, slots=True)
class Param:
    """One named parameter of a query; ``note`` says what the default stands for."""

    name: str
    type: str
    default: Value
    required: bool
    note: str


def parse_params(query: str, text: str) -> tuple[Param, ...]:
    """Read the ``params`` line of a header: ``name TYPE = default (note); ...`` or ``none``.

    A parameter without a default is required.

    Examples
    --------
    >>> [(p.name, p.default, p.required) for p in parse_params("q", "bins INTEGER = 60; start TIMESTAMP")]
    [('bins', 60, False), ('start', None, True)]
    """
    if text == "none":
        return ()
    params = []
    for part in text.split("; "):
        match = _PARAM.fullmatch(part)
        if match is None or match[2] not in PARAM_TYPES:
            known = ", ".join(PARAM_TYPES)
            raise QueryError(f"query {query}: parameter '{part}' is not 'name TYPE = default (note)'; types: {known}")
        name, kind, default, note = match[1], match[2], match[3], match[4] or ""
        bare = Param(name, kind, None, default is None, note)
        value = None if default in {None, "NULL"} else convert(query, bare, default)
        params.append(Param(name, kind, value, default is None, note))
    return tuple(params)


def convert(query: str, param: Param, value: object) -> Value:
    """Return ``value`` as the parameter's type; text is parsed, times become naive UTC.

    Examples
    --------
    >>> convert("q", Param("start", "TIMESTAMP", None, True, ""), "2025-10-10T23:15+02:00")
    datetime.datetime(2025, 10, 10, 21, 15)
    """
    if value is None and not param.required:
        return None
    kind = PARAM_TYPES[param.type]
    if isinstance(value, kind.accepts) and (kind.accepts[0] is bool or not isinstance(value, bool)):
        try:
            return kind.read(value)
        except (ValueError, OverflowError):
            pass
    raise ParameterError(f"query {query}: parameter {param.name} takes {expected(param)}, not {value!r}")


def _whole(value: Any) -> int:
    found = number_of(value) if isinstance(value, str) else value
    if found is None or found != int(found):
        raise ValueError
    number = int(found)
    if not -(2**63) <= number < 2**63:
        raise ValueError
    return number


def _number(value: Any) -> float:
    found = number_of(value) if isinstance(value, str) else None
    return float(value if found is None else found)


def _truth(value: Any) -> bool:
    if str(value).lower() not in {"true", "false"}:
        raise ValueError
    return str(value).lower() == "true"


def _utc(value: Any) -> datetime:
    ts = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    return ts.astimezone(UTC).replace(tzinfo=None) if ts.tzinfo else ts


class ParamType(NamedTuple):
    """A type of parameters: the Python types accepted, the reader, and the type in words."""

    accepts: tuple[type, ...]
    read: Callable[[Any], Value]
    words: str


PARAM_TYPES: Mapping[str, ParamType] = {
    "VARCHAR": ParamType((str,), str, "text"),
    "INTEGER": ParamType((int, str), _whole, "a whole number"),
    "DOUBLE": ParamType((float, int, str), _number, "a number"),
    "BOOLEAN": ParamType((bool, str), _truth, "true or false"),
    "TIMESTAMP": ParamType((datetime, str), _utc, "a UTC time such as 2025-10-10T21:15"),
}


def expected(param: Param) -> str:
    """Return the type of a parameter in words."""
    return f"{param.type}, {PARAM_TYPES[param.type].words}"
