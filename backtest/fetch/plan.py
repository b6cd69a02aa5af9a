"""Who could serve what: the chain of venues of an event, and the days of each series wanted of each source."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from backtest.errors import UsageError
from backtest.fetch.rest.ccxt_info import page_limit
from backtest.lake.availability import Availability, earliest, load_absent, load_availability
from backtest.lake.markets import LONGEST_NAME, is_name, symbols_of
from backtest.lake.place import day_file
from backtest.lake.series import BAR_SERIES, FETCHABLE, STATES, TIMEFRAMES
from backtest.times import DAY, runs_of

ARCHIVE_OF = {
    "binanceusdm": "binance", "binancecoinm": "binance", "bitmex": "bitmex", "hyperliquid": "hyperliquid",
}  # fmt: skip

NAME_SHOWN = 40


@dataclass(frozen=True, slots=True)
class Source:
    """One place that may have a series of a coin; ``skip`` says why it is not asked, empty if it is.

    ``route`` is rest or archive; ``root`` is the folder or address of an archive. Days before ``since``, the first that
    it serves whole, are not asked of it; ``short`` says why.
    """

    venue: str
    symbol: str
    route: str
    availability: Availability | None = None
    root: str = ""
    skip: str = ""
    since: dt.date | None = None
    short: str = ""

    @property
    def name(self) -> str:
        """Return the venue, with the word archive where its files are meant."""
        return self.venue if self.route == "rest" else f"{self.venue} archive"

    def serves(self, day: dt.date) -> bool:
        """Return whether its history still holds the whole day."""
        return self.since is None or day >= self.since


@dataclass(frozen=True, slots=True)
class Target:
    """Days wanted of a series of a coin, and who is asked for them, in order."""

    series: str
    coin: str
    timeframe: str
    days: tuple[dt.date, ...]
    sources: tuple[Source, ...]

    def missing(self, source: Source, days: Sequence[dt.date]) -> list[dt.date]:
        """Return those of ``days`` that the lake does not have of a source."""
        place = (source.venue, source.symbol, self.series)
        return [day for day in days if not day_file(*place, day, self.timeframe).is_file()]


def targets(
    coins: Sequence[str],
    series: Sequence[str],
    days: Sequence[dt.date],
    venues: Sequence[str],
    now: dt.datetime,
    *,
    timeframe: str = "1m",
    roots: Mapping[str, str],
    archives_first: bool = False,
) -> list[Target]:
    """Return what is wanted and, for each series and coin, every source of the chain with the reason it is skipped.

    Parameters
    ----------
    days
        Wanted days, one at least; those that are not over at ``now`` are left out.
    now
        The present, naive UTC.
    roots
        Folder or address of each archive by name; an archive without one is skipped.
    archives_first
        Ask archives before clients, where the user named one.
    """
    unknown = [name for name in series if name not in FETCHABLE]
    if unknown:
        raise UsageError(f"no series '{unknown[0]}' to fetch; allowed: {', '.join(FETCHABLE)}")
    strange = [coin for coin in coins if not is_name(coin)]
    if strange:
        name = ascii(strange[0])[1:-1][:NAME_SHOWN]
        raise UsageError(f"no coin '{name}'; allowed: printable names of up to {LONGEST_NAME} bytes; correct the name")
    over = tuple(day for day in days if dt.datetime.combine(day, dt.time.max) < now)
    if not over and not set(series) <= set(STATES):
        raise UsageError(f"{min(days)} is not over; allowed: whole UTC days up to {now.date() - DAY}; give such days")
    out = []
    for name in series:
        wanted = (now.date(),) if name in STATES else over
        asked = venues[:1] if name in STATES else venues
        frame = timeframe if name in BAR_SERIES else "1m"
        for coin in coins:
            sources = [
                source
                for venue in asked
                for symbol in symbols_of(venue, coin)
                for source in _routes(venue, symbol, name, wanted, now, frame, roots, archives_first)
            ]
            out.append(Target(name, coin, frame, wanted, tuple(sources)))
    return out


def _routes(
    venue: str, symbol: str, series: str, days: Sequence[dt.date], now: dt.datetime, timeframe: str,
    roots: Mapping[str, str], archives_first: bool,
) -> Iterator[Source]:  # fmt: skip
    """Give the routes of one venue to a series, archives before or after the client."""
    routes = (_rest, _archive)
    for route in routes[::-1] if archives_first else routes:
        source = route(venue, symbol, series, days, now, timeframe, roots)
        if source is not None:
            yield source


def _rest(
    venue: str, symbol: str, series: str, days: Sequence[dt.date], now: dt.datetime, timeframe: str,
    roots: Mapping[str, str],
) -> Source | None:  # fmt: skip
    known = load_availability()
    entry = known.get((venue, series, "rest")) or _by_capability(venue, series)
    if entry is None:
        absent = load_absent().get((venue, series))
        if (venue, series, "archive") in known and not (absent and absent.cell != "-"):
            return None  # its archive speaks for it
        return Source(venue, symbol, "rest", skip=absent.reason if absent else "serves no history over REST")
    step = TIMEFRAMES[timeframe] if series in BAR_SERIES else 0
    if series in BAR_SERIES and timeframe == "1s":
        return Source(venue, symbol, "rest", entry, skip="bars of 1 s are built from archives of trades only")
    first = earliest(entry, now, step) if series not in STATES else None
    if first:
        since = (first + DAY - dt.timedelta(microseconds=1)).date()
        dated = entry.first and dt.datetime.combine(entry.first, dt.time()) == first
        why = f"begins on {entry.first}" if dated else f"serves the last {(now - first) / DAY:.3g} days only"
        skip = why if days and days[-1] < since else ""
        return Source(venue, symbol, "rest", entry, skip=skip, since=since, short=why)
    return Source(venue, symbol, "rest", entry)


def _archive(
    venue: str, symbol: str, series: str, days: Sequence[dt.date], now: dt.datetime, timeframe: str,
    roots: Mapping[str, str],
) -> Source | None:  # fmt: skip
    from backtest.fetch.archives.publishers import offers

    entry, name = load_availability().get((venue, series, "archive")), ARCHIVE_OF.get(venue, "")
    if entry is None or not offers(name, venue, symbol, series, timeframe):
        return None
    root = roots.get(name, "")
    if not root:
        why = f"asks for an account; give its files with --archive {name}=FOLDER"
        return Source(venue, symbol, "archive", entry, skip=why)
    if entry.first and days and days[-1] < entry.first:
        return Source(venue, symbol, "archive", entry, root, f"begins on {entry.first}")
    if entry.last and days and days[0] > entry.last and root.startswith("http"):
        return Source(venue, symbol, "archive", entry, root, f"ends on {entry.last}")
    return Source(venue, symbol, "archive", entry, root)


def _by_capability(venue: str, series: str) -> Availability | None:
    """Return what ccxt says of a venue that the table does not know: its method, its page, and nothing of history."""
    if any(key[0] == venue for key in load_availability()):
        return None
    page = page_limit(venue, series)
    if page is None:
        return None
    step = {"funding": 0, "leverage_tiers": 0, "limits": 0}.get(series, 60 if series in BAR_SERIES else 300)
    note = "not in the table: units of volume and open interest are taken as base"
    return Availability(
        venue, series, "rest", step, page, "ccxt", "U", note=note,
        volume_linear="base", volume_inverse="base", amount_linear="base", value_linear="usd",
    )  # fmt: skip


def requests_for(target: Target, source: Source, days: Sequence[dt.date]) -> int:
    """Return how many requests a source needs for some days, the list of markets left out; files for archives.

    Examples
    --------
    >>> entry = load_availability()["binanceusdm", "ohlcv", "rest"]
    >>> source = Source("binanceusdm", "BTC/USDT:USDT", "rest", entry)
    >>> two = days_between(dt.datetime(2025, 10, 10), dt.datetime(2025, 10, 12))
    >>> requests_for(Target("ohlcv", "BTC", "1m", two, (source,)), source, two)
    3
    """
    if source.skip or not days:
        return 0
    if source.route == "archive":
        return len(days)
    assert source.availability is not None
    days = [day for day in days if source.serves(day)]
    if target.series in STATES:
        return int(target.series == "leverage_tiers")
    span = span_s(target, source.availability)
    return sum(math.ceil((end - first) / dt.timedelta(seconds=span)) for first, end in runs_of(days))


def span_s(target: Target, entry: Availability) -> int:
    """Return the longest stretch in seconds that one request is asked for."""
    return entry.span_s(TIMEFRAMES[target.timeframe] if target.series in BAR_SERIES else 0) or 86_400
