"""Public data that each venue serves, how far back, and how a request names its part: ``data/availability.toml``."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Annotated, Any, Literal

import msgspec

from backtest.assets import asset
from backtest.errors import ConfigError
from backtest.lake.series import SERIES
from backtest.toml import Mark, Table, decode, read_toml

ROUTES = ("rest", "archive")
SHORT_FUNDING_S = 3600  # the shortest interval at which the venues listed here settle funding
DAY_S = 86_400
Key = tuple[str, str, str]  # venue, series, route
Names: Any = Annotated[tuple[Literal[tuple(SERIES)], ...], msgspec.Meta(min_length=1)]  # type: ignore[misc]
VolumeUnit = Literal["base", "contracts", "quote", ""]
AmountUnit = Literal["base", "contracts", "none", ""]
ValueUnit = Literal["usd", "base", "none", ""]


class Availability(Table, frozen=True, kw_only=True):
    """One series that a venue serves by one route: how far back, and how a request names the part it wants.

    A request passes ``since`` and ``limit`` as ccxt names them, and what the attributes name. Times are milliseconds.

    Attributes
    ----------
    step_s
        Step of the rows; 0: the venue's own times, or a state of now.
    page
        Most rows of one request through ccxt; 0: one request returns all there is, or one file.
    history_s, history_rows
        Rows exist for so many seconds, or are the last so many; 0: no such limit. One row is only the state of now.
    first, last
        First and last day that exist at all, where known.
    timeframe
        Name of the step where ccxt does not translate its own name; empty where it does.
    since_key, until_key, page_key
        Further parameters: start of the range, end of the range, number of the page from 1. Empty: none; without an
        end, since and limit bound the page.
    until_inclusive
        Whether a row exactly at the end of the range belongs to the answer.
    volume_linear, volume_inverse
        Unit of the volume of a bar; empty where it means nothing.
    amount_linear, amount_inverse, value_linear, value_inverse
        Units of ``openInterestAmount`` and ``openInterestValue``; of the floors of ``leverage_tiers`` where these are
        contracts.
    ratio_long, ratio_short
        Fields of ``info`` whose quotient is the long/short ratio, where ``longShortRatio`` is another figure.
    source, mark, note
        Source, how well it is known (V primary, S secondary, D derived, U not verified), and a note.
    """

    venue: str
    series: str
    route: Literal["rest", "archive"]
    step_s: int
    page: int
    source: str
    mark: Mark
    history_s: int = 0
    history_rows: int = 0
    first: dt.date | None = None
    last: dt.date | None = None
    timeframe: str = ""
    since_key: str = ""
    until_key: str = "until"
    until_inclusive: bool = True
    page_key: str = ""
    volume_linear: VolumeUnit = ""
    volume_inverse: VolumeUnit = ""
    amount_linear: AmountUnit = ""
    amount_inverse: AmountUnit = ""
    value_linear: ValueUnit = ""
    value_inverse: ValueUnit = ""
    ratio_long: str = ""
    ratio_short: str = ""
    note: str = ""

    def span_s(self, step_s: int = 0) -> int:
        """Return the longest range in seconds that one request covers without losing rows; 0: any range.

        Parameters
        ----------
        step_s
            Step of the rows asked for, where it is not the step of the entry: the seconds of a timeframe.
        """
        return self.page * (step_s or self.step_s or SHORT_FUNDING_S)


class Absent(Table, frozen=True, kw_only=True):
    """A series that ccxt's public client lacks for a venue; ``cell`` stands in tables, ``reason`` in messages."""

    venue: str
    series: str
    cell: str
    reason: str


@cache
def load_availability() -> dict[Key, Availability]:
    """Return the entries of series served, by venue, series and route, in the order of the file.

    Raises
    ------
    ConfigError
        An entry is given twice, has an unknown key or a unit, mark or series that does not exist.

    Examples
    --------
    >>> load_availability()["hyperliquid", "ohlcv", "rest"].history_rows
    5000
    """
    return _load()[0]


@cache
def load_absent() -> dict[tuple[str, str], Absent]:
    """Return the series that ccxt's public client does not serve, by venue and series, with the reason.

    Examples
    --------
    >>> load_absent()["binanceusdm", "leverage_tiers"].cell
    'key'
    """
    return _load()[1]


def earliest(entry: Availability, now: dt.datetime, step_s: int = 0) -> dt.datetime | None:
    """Return the earliest time that can be asked for, naive UTC; None: back to the listing.

    Parameters
    ----------
    entry
        An entry of ``load_availability``.
    now
        The present, naive UTC.
    step_s
        Step of the rows asked for, where it is not the step of the entry: the seconds of a timeframe.

    Examples
    --------
    5,000 candles of one minute are 83 hours and 20 minutes, of one hour 208 days and 8 hours.

    >>> candles, now = load_availability()["hyperliquid", "ohlcv", "rest"], dt.datetime.fromisoformat("2026-11-23")
    >>> earliest(candles, now).isoformat(), earliest(candles, now, 3600).isoformat()
    ('2026-11-19T12:40:00', '2026-04-28T16:00:00')
    """
    limits = [dt.datetime.combine(entry.first, dt.time())] if entry.first else []
    back_s = [entry.history_s] if entry.history_s else []
    if entry.history_rows:
        back_s.append(entry.history_rows * (step_s or entry.step_s))
    limits += [now - dt.timedelta(seconds=seconds) for seconds in back_s]
    return max(limits, default=None)


def history_text(entry: Availability) -> str:
    """Return in brief how far back an entry goes; a question mark is for what is not verified.

    Examples
    --------
    >>> entries = load_availability()
    >>> [history_text(entries["hyperliquid", series, "rest"]) for series in ("ohlcv", "funding", "limits")]
    ['3.5 d', 'all', 'now']
    """
    if entry.route == "archive":
        return f"archive to {entry.last:%Y-%m}" if entry.last else "archive"
    if entry.history_rows == 1:
        return "now"
    back_s = [seconds for seconds in (entry.history_s, entry.history_rows * entry.step_s) if seconds]
    text = f"{round(min(back_s) / DAY_S, 1):g} d" if back_s else "all"
    return f"{text}?" if entry.mark == "U" else text


def availability_table() -> list[dict[str, str]]:
    """Return one row per venue: the key ``venue``, then a key for each series with how far back it goes.

    Both routes are shown, ``30 d, archive``; ``now``: only the state of now; ``key``: needs an API key; ``-``: not
    served; a question mark: not verified.

    Examples
    --------
    >>> row = availability_table()[0]
    >>> row["venue"], row["ohlcv"], row["open_interest"], row["leverage_tiers"]
    ('binanceusdm', 'all, archive', '30 d, archive', 'key')
    """
    served, absent = load_availability(), load_absent()
    columns = [series for series in SERIES if any(key[1] == series for key in served)]
    return [{"venue": venue} | {name: _cell(venue, name, served, absent) for name in columns} for venue in _venues()]


def _venues() -> list[str]:
    return list(dict.fromkeys(venue for venue, _, _ in load_availability()))


def _cell(venue: str, series: str, served: Mapping[Key, Availability], absent: Mapping[tuple[str, str], Absent]) -> str:
    texts = [history_text(served[venue, series, route]) for route in ROUTES if (venue, series, route) in served]
    known = absent.get((venue, series))
    if known and (known.cell != "-" or not texts):
        texts.insert(0, known.cell)
    return ", ".join(texts) or "-"


class AvailabilityFile(Table, frozen=True, kw_only=True):
    """``data/availability.toml``: every table holds for each series it lists."""

    served: tuple[dict[str, Any], ...]
    absent: tuple[dict[str, Any], ...] = ()


@cache
def _load() -> tuple[dict[Key, Availability], dict[tuple[str, str], Absent]]:
    path = asset("data", "availability.toml")
    file = decode(read_toml(path), AvailabilityFile, path.name)
    served: dict[Key, Availability] = {}
    for where, table in _by_series(file.served, f"{path.name} [[served]]"):
        entry = decode(table, Availability, where)
        key = (entry.venue, entry.series, entry.route)
        if key in served:
            raise ConfigError(f"{where}: {', '.join(key)} is given twice; keep one")
        served[key] = entry
    absent: dict[tuple[str, str], Absent] = {}
    for where, table in _by_series(file.absent, f"{path.name} [[absent]]"):
        reason = decode(table, Absent, where)
        if (reason.venue, reason.series, "rest") in served:
            raise ConfigError(f"{where}: {reason.venue} serves {reason.series}; remove one of the two")
        absent[reason.venue, reason.series] = reason
    return served, absent


def _by_series(tables: Iterable[dict[str, Any]], where: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each table once for each series it lists."""
    for number, table in enumerate(tables, 1):
        names: tuple[str, ...] = decode(table.get("series", ()), Names, f"{where} {number}", key="series")
        yield from ((f"{where} {number}", table | {"series": name}) for name in names)
