"""How to reach the venues from behind a proxy or a mirror: the file given as ``--exchange-config``.

One table per venue, with fields of the client's constructor, and the tables ``[retry]``, ``[budget]`` and
``[archives]``. Every key is checked here, because the client library takes unknown keys silently.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from msgspec import Meta, defstruct

from backtest.errors import ConfigError, near_matches
from backtest.fetch.archives.publishers import ARCHIVES
from backtest.fetch.rest.ccxt_info import client_names
from backtest.fetch.retry import Retry
from backtest.lake.availability import load_availability
from backtest.masking import keep_secret, secrets_of
from backtest.toml import Table, decode, read_toml, shown

Kinds = tuple[type, ...]
TEXT: Kinds = (str,)
NUMBER: Kinds = (int, float)
SWITCH: Kinds = (bool,)
TABLE: Kinds = (dict,)
CLIENT_FIELDS: dict[str, Kinds] = {
    "urls": TABLE,
    "hostname": TEXT,
    "headers": TABLE,
    "userAgent": TEXT,
    "timeout": NUMBER,
    "rateLimit": NUMBER,
    "enableRateLimit": SWITCH,
    "rateLimiterAlgorithm": TEXT,
    "rollingWindowSize": NUMBER,
    "proxyUrl": TEXT,
    "httpProxy": TEXT,
    "httpsProxy": TEXT,
    "socksProxy": TEXT,
    "aiohttp_proxy": TEXT,
    "aiohttp_trust_env": SWITCH,
    "verify": SWITCH,
    "cafile": TEXT,
    "options": TABLE,
}
PROXIES = ("proxyUrl", "httpProxy", "httpsProxy", "socksProxy")  # the client refuses two of them on every request
KIND_NAMES = {TEXT: "text in quotes", NUMBER: "a number", SWITCH: "true or false", TABLE: "a table"}
OWN_TABLES = ("retry", "budget", "archives")  # all others are of venues
ALLOWED_TIMES = {"timeout": "milliseconds, above zero", "rateLimit": "milliseconds between requests, above zero"}


ArchivePlaces = defstruct(
    "archives", [(name, str | None, None) for name in ARCHIVES], frozen=True, forbid_unknown_fields=True
)


Above = Annotated[float, Meta(gt=0)]
Count = Annotated[int, Meta(ge=1)]


class Budget(Table, frozen=True, kw_only=True):
    """The most that one venue may cost a fetch; what would cost more is given up, and the next source is asked.

    Attributes
    ----------
    deadline_s, requests, total_bytes, memory_bytes
        Seconds, requests and bytes of answers of a venue in all; bytes of memory this process may hold.
    answer_bytes
        Bytes of one answer, unpacked.
    list_deadline_s, list_requests, list_bytes
        Seconds, requests and bytes of a venue's list of markets.
    waits_s
        Seconds of waits in all, whether a server asks for them or a request failed.
    archive_bytes, archive_deadline_s
        Bytes and seconds of one file of an archive.
    pause_s
        Seconds until a source that gave a part of a day is asked for it again.
    """

    deadline_s: Above = 7_200.0
    requests: Count = 50_000
    total_bytes: Count = 4 << 30
    memory_bytes: Count = 4 << 30
    answer_bytes: Count = 16 << 20
    list_deadline_s: Above = 300.0
    list_requests: Count = 200
    list_bytes: Count = 64 << 20
    waits_s: Annotated[float, Meta(ge=0)] = 1_800.0
    archive_bytes: Count = 16 << 30
    archive_deadline_s: Above = 7_200.0
    pause_s: Annotated[float, Meta(ge=0)] = 900.0


@dataclass(frozen=True, slots=True)
class Settings:
    """Constructor fields by venue, patience, budget, and where archives are: name to folder or address."""

    venues: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    retry: Retry = field(default_factory=Retry)
    archives: Mapping[str, str] = field(default_factory=dict)
    budget: Budget = field(default_factory=Budget)


def read_settings(path: Path | None) -> Settings:
    """Read and check the file; without one, every venue is asked at its own address.

    Raises
    ------
    ConfigError
        An unknown key or a wrong type, with the near matches.
    """
    if path is None:
        return Settings()
    return parse_settings(read_toml(path), path.name)


def parse_settings(table: Mapping[str, Any], where: str) -> Settings:
    """Check the tables of a settings file.

    Examples
    --------
    >>> parse_settings({"okx": {"rateLimt": 5}}, "proxy.toml")
    Traceback (most recent call last):
    backtest.errors.ConfigError: proxy.toml [okx]: unknown key 'rateLimt'; did you mean rateLimit?
    >>> parse_settings({"okx": {"timeout": "5"}}, "proxy.toml")
    Traceback (most recent call last):
    backtest.errors.ConfigError: proxy.toml [okx]: key 'timeout' is '5'; it must be a number
    """
    keep_secret(secrets_of(table))  # before a message repeats a value
    venues = {}
    for name, value in table.items():
        if name in OWN_TABLES:
            continue
        if not isinstance(value, dict):
            allowed = f"tables named after a venue, {', '.join(OWN_TABLES)}"
            raise ConfigError(f"{where}: key '{name}' is {shown(value)}; allowed: {allowed}; put it into one")
        _check_venue(name, where)
        venues[name] = _client_fields(value, f"{where} [{name}]")
    retry = decode(table.get("retry", {}), Retry, where, key="retry")
    budget = decode(table.get("budget", {}), Budget, where, key="budget")
    places = decode(table.get("archives", {}), ArchivePlaces, where, key="archives")
    bases = {name: base for name in ARCHIVES if (base := getattr(places, name)) is not None}
    return Settings(venues, retry, bases, budget)


def _check_venue(name: str, where: str) -> None:
    if any(key[0] == name for key in load_availability()):
        return
    names = client_names()
    if name not in names:
        near = near_matches(name, [*OWN_TABLES, *names])
        guess = f"did you mean {' or '.join(near)}?" if near else f"allowed: venues of ccxt, {', '.join(OWN_TABLES)}"
        raise ConfigError(f"{where}: unknown table [{ascii(name)[1:-1]}]; {guess}")


def _client_fields(table: Mapping[str, Any], where: str) -> dict[str, Any]:
    for key, value in table.items():
        kinds = CLIENT_FIELDS.get(key)
        if kinds is None:
            near = near_matches(key, CLIENT_FIELDS)
            guess = f"did you mean {near[0]}?" if near else f"allowed: {', '.join(CLIENT_FIELDS)}"
            raise ConfigError(f"{where}: unknown key '{key}'; {guess}")
        if not isinstance(value, kinds) or (isinstance(value, bool) and kinds is not SWITCH):
            raise ConfigError(f"{where}: key '{key}' is {shown(value)}; it must be {KIND_NAMES[kinds]}")
        if key in ALLOWED_TIMES and isinstance(value, int | float) and not 0 < value < float("inf"):
            raise ConfigError(f"{where}: {key} = {value}; allowed: {ALLOWED_TIMES[key]}")
    _check_texts(table, ("headers", "urls"), where)
    strays = [key for key in table.get("urls", {}) if key != "api"]
    if strays:
        raise ConfigError(f"{where} urls: unknown key '{strays[0]}'; allowed: api; write urls.api.NAME = ADDRESS")
    proxies = [key for key in PROXIES if key in table]
    if proxies[1:]:
        raise ConfigError(f"{where}: {' and '.join(proxies)} exclude each other; give one of {', '.join(PROXIES)}")
    return dict(table)


def _check_texts(table: Mapping[str, Any], names: Iterable[str], where: str) -> None:
    """Refuse values that are not text in some tables, at any depth."""
    for name in names:
        value = table.get(name, "")
        if isinstance(value, dict):
            _check_texts(value, value, f"{where} {name}")
        elif not isinstance(value, str):
            raise ConfigError(f"{where}: key '{name}' is {shown(value)}; it must be {KIND_NAMES[TEXT]}")
