"""Strict decoding of TOML into typed values: what does not fit is refused in one line that names key, value and fix."""

from __future__ import annotations

import datetime as dt
import math
import os
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

import msgspec

from backtest.errors import ConfigError, near_matches, nearest_of

T = TypeVar("T")
Utc = Annotated[dt.datetime, msgspec.Meta(tz=False)]
Id = Annotated[
    str,
    msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}\Z", description="small letters, digits and . _ -, 64 at most"),
]
Mark = Literal["V", "S", "D", "U"]
MARKS = {"V": "primary source", "S": "secondary source", "D": "derived", "U": "not verified"}
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")
LARGEST = 16 << 20  # bytes of a file
FILES_KEPT = 64  # more than events and venues together
LONGEST_SHOWN = 60  # characters of a wrong value
_KINDS: dict[Any, str] = {
    str: "text in quotes",
    int: "a whole number",
    float: "a finite number",
    bool: "true or false",
    Decimal: "a decimal in quotes",
    dt.datetime: "a UTC time such as 2025-10-10T21:00:00, without offset",
    dt.date: "a date such as 2025-10-10",
    tuple: "a list",
    dict: "a table",
}


class Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of a TOML file; a key that is not declared is refused."""


class Cited(Table, frozen=True, kw_only=True):
    """A table that says where its contents come from and how far they are verified."""

    source: str
    mark: Mark
    note: str = ""


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file; a syntax error becomes one line with file and place."""
    return _table(_text(path), path.name)


def read_once(path: Path, parse: Callable[[dict[str, Any], str], T]) -> T:
    """Return what ``parse`` makes of a TOML file's table and name, once in a process for each text of the file.

    It has to be a value that nobody changes. An event takes 8 ms, a venue 6.
    """
    made: T = _made(parse, _text(path), path.name)
    return made


def _text(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_size > LARGEST:
                raise ConfigError(
                    f"{path.name}: larger than {LARGEST >> 20} MB; such a file holds texts and numbers only"
                )
            return file.read()
    except FileNotFoundError:
        raise ConfigError(f"{path.name}: no such file; give the path of a TOML file") from None
    except OSError as error:
        raise ConfigError(f"{path.name}: cannot be read: {error.strerror}") from None
    except ValueError as error:  # a path with a zero byte
        raise ConfigError(f"{path.name}: not valid TOML: {error}; correct the file") from None


def _table(text: bytes, name: str) -> dict[str, Any]:
    try:
        return deepcopy(_parsed(text))
    except (ValueError, RecursionError) as error:  # syntax, encoding, a number of 5,000 digits, endless nesting
        raise ConfigError(f"{name}: not valid TOML: {error}; correct the file") from None


@lru_cache(maxsize=FILES_KEPT)
def _parsed(text: bytes) -> dict[str, Any]:
    """Parse the text of a file, once in a process: an event takes as long as a third of a small replay."""
    return tomllib.loads(text.decode())


@lru_cache(maxsize=FILES_KEPT)
def _made(parse: Callable[[dict[str, Any], str], T], text: bytes, name: str) -> T:
    return parse(_table(text, name), name)


def decode(value: Any, kind: type[T], where: str, *, key: str = "") -> T:
    """Convert a value read from TOML into a type; whole numbers pass as numbers, nothing else is converted.

    Parameters
    ----------
    where
        File, or file and table, that a message begins with.
    key
        Key that holds the value, if it is not a whole file.

    Raises
    ------
    ConfigError
        Naming the table, the key, what it holds and what is allowed.

    Examples
    --------
    >>> class Window(Table, frozen=True, kw_only=True):
    ...     rows: int
    >>> decode({"rows": 49}, Window, "event.toml")
    Window(rows=49)
    >>> decode({"rows": "49"}, Window, "event.toml")
    Traceback (most recent call last):
    backtest.errors.ConfigError: event.toml: key 'rows' is '49'; it must be a whole number
    >>> decode({"rows": 49, "row": 1}, Window, "event.toml")
    Traceback (most recent call last):
    backtest.errors.ConfigError: event.toml: unknown key 'row'; did you mean rows? Allowed: rows
    """
    _refuse_unfit(value, where, key)
    try:
        found = msgspec.convert(value, kind)
        _refuse_garbled(value, where, key)
        return found
    except msgspec.ValidationError as error:
        message, _, path = str(error).rpartition(" - at `$")
        place = _Place(where, key, value, kind)
        for name, index in re.findall(r"\.(\w+)|\[(\d+|\.\.\.)\]", path) if message else ():
            if _form(place.kind):
                break
            place = place.step(name, index)
        raise ConfigError(place.refusal(message or str(error))) from None


def _refuse_unfit(value: Any, where: str, key: str) -> None:
    """Refuse nan and inf at any depth, and keys that no message could show."""
    if isinstance(value, Mapping):
        inner = f"{where} [{key}]" if key else where
        for name, item in value.items():
            if len(str(name)) > LONGEST_SHOWN or not str(name).isprintable():
                raise ConfigError(f"{inner}: unknown key {ascii(shown(name))[1:-1]}; keys are short names")
            _refuse_unfit(item, inner, str(name))
    elif isinstance(value, list | tuple):
        for number, item in enumerate(value, 1):
            _refuse_unfit(item, *((f"{where} [[{key}]] {number}", "") if isinstance(item, Mapping) else (where, key)))
    elif isinstance(value, float) and not math.isfinite(value):
        raise ConfigError(f"{where}: key '{key}' is {value}; it must be a finite number")


def _refuse_garbled(value: Any, where: str, key: str) -> None:
    """Refuse texts that would garble a terminal."""
    if isinstance(value, str):
        if not value.isprintable() and _CONTROL.search(value):
            raise ConfigError(f"{where}: key '{key}' has control characters; remove them")
    elif isinstance(value, Mapping):
        for name, item in value.items():
            _refuse_garbled(item, where, str(name))
    elif isinstance(value, list | tuple):
        for item in value:
            _refuse_garbled(item, where, key)


@dataclass(frozen=True, slots=True)
class _Place:
    """A value inside a file: the table it stands in, its key, the value, its declared type."""

    table: str
    key: str
    value: Any
    kind: Any
    in_list: bool = False

    @property
    def inner(self) -> str:
        """Return how a message names this value as a table."""
        return f"{self.table} [{self.key}]" if self.key else self.table

    def step(self, name: str, index: str) -> _Place:
        """Return the value one step further down: a key of a table, or an index (``...`` in a table by coin)."""
        kind = _chosen(self.kind, self.value)
        if name:
            found = next(field for field in msgspec.structs.fields(kind) if field.encode_name == name)
            return _Place(self.inner, name, self.value[name], found.type)
        items = get_args(kind)
        if index == "...":
            key = next(key for key, value in self.value.items() if not _fits(value, items[1]))
            return _Place(self.inner, key, self.value[key], items[1])
        number = int(index)
        value, item = self.value[number], items[0] if items[-1] is ... else items[number]
        if isinstance(value, Mapping):
            return _Place(f"{self.table} [[{self.key}]] {number + 1}", "", value, item, in_list=True)
        return _Place(self.table, self.key, value, item, in_list=True)

    def refusal(self, message: str) -> str:
        """Return what is wrong as one line."""
        if message.startswith("Object missing"):
            name = message.split("`")[1]
            found = next(field for field in msgspec.structs.fields(_plain(self.kind)) if field.encode_name == name)
            return f"{self.inner}: key '{name}' is missing; add it as {_kind(found.type)}"
        if message.startswith("Object contains unknown"):
            return f"{self.inner}: {unknown_key(message.split('`')[1], self._keys())}"
        if form := _form(self.kind):
            return f"{self.table}: {self.key} = {shown(self.value)}; write {form}"
        if message.startswith("Invalid enum value"):
            allowed = get_args(_plain(self.kind))
            near = near_matches(str(self.value), allowed)
            guess = f" did you mean {near[0]}?" if near else ""
            names = nearest_of(str(self.value), [name or "''" for name in allowed])
            return f"{self.table}: {self.key} = {shown(self.value)};{guess} allowed: {names}"
        if "of length >= 1" in message:
            return f"{self.table}: key '{self.key}' is empty; give at least one"
        bounds = next(_bounds(self.kind), None)
        if bounds and re.search(r"[<>]|out of range", message):
            return f"{self.table}: {self.key} = {shown(self.value)}; allowed: {_range(bounds)}"
        if not re.match(r"Expected `|Invalid |Integer ", message):  # of a check of its own
            return f"{self.inner}: {message}"
        if self.in_list and _kind(self.kind) == _KINDS[dict]:
            return f"{self.table}: '{self.key}' holds {shown(self.value)}; write it as [[{self.key}]] tables"
        verb, many = ("holds", "a list, each ") if self.in_list else ("is", "")
        return f"{self.table}: key '{self.key}' {verb} {shown(self.value)}; it must be {many}{_kind(self.kind)}"

    def _keys(self) -> list[str]:
        return [field.encode_name for field in msgspec.structs.fields(_chosen(self.kind, self.value))]


def _plain(kind: Any) -> Any:
    """Return a type without bounds and without None."""
    if get_origin(kind) is Annotated:
        kind = get_args(kind)[0]
    if get_origin(kind) in {Union, UnionType}:
        rest = [each for each in get_args(kind) if each is not NoneType]
        return _plain(rest[0]) if len(rest) == 1 else Union[tuple(rest)]  # noqa: UP007
    return kind


def _chosen(kind: Any, value: Any) -> Any:
    """Return the member of a type that a table or list is read as."""
    kind = _plain(kind)
    if get_origin(kind) is Union:
        wanted = dict if isinstance(value, Mapping) else tuple
        return next(each for each in get_args(kind) if get_origin(_plain(each)) is wanted)
    return kind


def _kind(kind: Any) -> str:
    """Return what a message calls a type.

    Examples
    --------
    >>> _kind(Utc | None), _kind(dict[str, float]), _kind(Mark)
    ('a UTC time such as 2025-10-10T21:00:00, without offset', 'a table', 'one of V, S, D, U')
    """
    kind = _plain(kind)
    if get_origin(kind) is Union:
        return " or ".join(dict.fromkeys(map(_kind, get_args(kind))))
    if get_origin(kind) is Literal:
        return f"one of {', '.join(get_args(kind))}"
    return _KINDS.get(get_origin(kind) or kind, _KINDS[dict])


def _bounds(kind: Any) -> Iterator[msgspec.Meta]:
    """Yield the bounds that a type states, of each member where there are several."""
    if get_origin(kind) is Annotated:
        yield from (extra for extra in get_args(kind)[1:] if isinstance(extra, msgspec.Meta))
    elif get_origin(kind) in {Union, UnionType}:
        for each in get_args(kind):
            yield from _bounds(each)


def _form(kind: Any) -> str:
    """Return what a value must look like, if its type says so."""
    return next((each.description for each in _bounds(kind) if each.description), "")


def _range(bounds: msgspec.Meta) -> str:
    unit = (bounds.extra or {}).get("unit", "")
    low = bounds.ge if bounds.ge is not None else bounds.gt
    high = bounds.le if bounds.le is not None else bounds.lt
    if high is None:
        return f"{'above' if bounds.gt is not None else 'at least'} {low:,.15g} {unit}".rstrip()
    return f"{low:,.15g} to {high:,.15g} {unit}".rstrip()


def _fits(value: Any, kind: Any) -> bool:
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError:
        return False
    return True


def unknown_key(name: str, known: Iterable[str]) -> str:
    """Return the refusal of a key that is not known, with the nearest one.

    Examples
    --------
    >>> unknown_key("sead", ["seed", "venue"])
    "unknown key 'sead'; did you mean seed? Allowed: seed, venue"
    """
    known = sorted(known)
    near = near_matches(name[:LONGEST_SHOWN], known)
    guess = f"; did you mean {near[0]}?" if near else ";"
    return f"unknown key {shown(name)}{guess} Allowed: {nearest_of(name[:LONGEST_SHOWN], known)}"


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
