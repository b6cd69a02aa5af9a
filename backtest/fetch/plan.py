"""The plan of a fetch: the days wanted of each series and coin, and every source of them in the order of asking."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from backtest.errors import UsageError
from backtest.fetch.archives.publishers import archive_of, offers
from backtest.fetch.rest.ccxt_info import page_limit
from backtest.lake.availability import Availability, earliest, load_absent, load_availability
from backtest.lake.markets import LONGEST_NAME, is_name, symbols_of
from backtest.lake.place import Place
from backtest.lake.series import FETCHABLE, SERIES, Series
from backtest.times import DAY, runs_of

NAME_SHOWN = 40


@dataclass(frozen=True, slots=True)
class Source:
    """One place that may have a series of a coin.

    Attributes
    ----------
    route
        ``rest`` or ``archive``.
    availability
        How far its history goes back and how it is asked, None where it does not serve the series.
    root
        Folder or address of an archive.
    skip
        Why it is not asked, empty if it is.
    since, short
        First day that it serves whole, and why it does not serve the days before; None where it serves all.
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
    """Days wanted of a series of a coin, and who is asked for them, in order; ``timeframe`` as in ``Place``."""

    series: str
    coin: str
    timeframe: str
    days: tuple[dt.date, ...]
    sources: tuple[Source, ...]

    def place(self, source: Source) -> Place:
        """Return the folder of the lake for the days of a source."""
        return Place(source.venue, source.symbol, self.series, self.timeframe)

    def missing(self, source: Source, days: Sequence[dt.date]) -> list[dt.date]:
        """Return those of ``days`` that the lake does not have of a source."""
        place = self.place(source)
        return [day for day in days if not place.file(day).is_file()]


@dataclass(frozen=True, slots=True)
class RequestedWindow:
    """Days wanted of a series, asked for at ``now``, with the folder or address of each archive by name."""

    series: Series
    timeframe: str
    days: tuple[dt.date, ...]
    now: dt.datetime
    roots: Mapping[str, str]


def targets(
    *,
    coins: Sequence[str],
    series: Sequence[str],
    days: Sequence[dt.date],
    venues: Sequence[str],
    now: dt.datetime,
    timeframe: str = "1m",
    roots: Mapping[str, str],
    archives_first: bool = False,
) -> list[Target]:
    """Return each series of each coin with every source of the venues, and the reason where one is skipped.

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

    Raises
    ------
    UsageError
        A series cannot be fetched, a coin's name cannot be one, or no day is over.
    """
    unknown = [name for name in series if name not in FETCHABLE]
    if unknown:
        raise UsageError(f"no series '{unknown[0]}' to fetch; allowed: {', '.join(FETCHABLE)}")
    invalid = [coin for coin in coins if not is_name(coin)]
    if invalid:
        name = ascii(invalid[0])[1:-1][:NAME_SHOWN]
        raise UsageError(f"no coin '{name}'; allowed: printable names of up to {LONGEST_NAME} bytes; correct the name")
    over = tuple(day for day in days if dt.datetime.combine(day, dt.time.max) < now)
    if not over and not all(SERIES[name].state for name in series):
        raise UsageError(f"{min(days)} is not over; allowed: whole UTC days up to {now.date() - DAY}; give such days")
    routes = (_archive, _rest) if archives_first else (_rest, _archive)
    out = []
    for row in (SERIES[name] for name in series):
        window = RequestedWindow(
            series=row,
            timeframe=timeframe if row.bars else "",
            days=(now.date(),) if row.state else over,
            now=now,
            roots=roots,
        )
        asked = venues[:1] if row.state else venues
        for coin in coins:
            markets = [(venue, symbol) for venue in asked for symbol in symbols_of(venue, coin)]
            sources = [source for market in markets for route in routes for source in route(*market, window)]
            out.append(Target(row.name, coin, window.timeframe, window.days, tuple(sources)))
    return out


def _rest(venue: str, symbol: str, window: RequestedWindow) -> Iterator[Source]:
    """Give the client of a venue, none where only its archive speaks for it."""
    series, known = window.series, load_availability()
    entry = known.get((venue, series.name, "rest")) or _by_capability(venue, series)
    if entry is None:
        absent = load_absent().get((venue, series.name))
        if (venue, series.name, "archive") not in known or (absent and absent.cell != "-"):
            yield Source(venue, symbol, "rest", skip=absent.reason if absent else "serves no history over REST")
        return
    if series.bars and window.timeframe == "1s":
        yield Source(venue, symbol, "rest", entry, skip="bars of 1 s are built from archives of trades only")
        return
    first = None if series.state else earliest(entry, window.now, series.bar_s(window.timeframe))
    if first is None:
        yield Source(venue, symbol, "rest", entry)
        return
    since = (first + DAY - dt.timedelta(microseconds=1)).date()
    dated = entry.first and dt.datetime.combine(entry.first, dt.time()) == first
    short = f"begins on {entry.first}" if dated else f"serves the last {(window.now - first) / DAY:.3g} days only"
    skip = short if window.days and window.days[-1] < since else ""
    yield Source(venue, symbol, "rest", entry, skip=skip, since=since, short=short)


def _archive(venue: str, symbol: str, window: RequestedWindow) -> Iterator[Source]:
    """Give the archive of a venue where it has a kind of file for the series."""
    series, archive = window.series.name, archive_of(venue)
    entry = load_availability().get((venue, series, "archive"))
    if entry is None or archive is None or not offers(archive, Place(venue, symbol, series, window.timeframe)):
        return
    root, skip = window.roots.get(archive.name, ""), ""
    if not root:
        skip = f"asks for an account; give its files with --archive {archive.name}=FOLDER"
    elif entry.first and window.days and window.days[-1] < entry.first:
        skip = f"begins on {entry.first}"
    elif entry.last and window.days and window.days[0] > entry.last and root.startswith("http"):
        skip = f"ends on {entry.last}"
    yield Source(venue, symbol, "archive", entry, root, skip)


def _by_capability(venue: str, series: Series) -> Availability | None:
    """Return the method and page that ccxt has at a venue that the table does not know; of its history nothing."""
    if any(key[0] == venue for key in load_availability()):
        return None
    page = page_limit(venue, series)
    if page is None:
        return None
    return Availability(
        venue=venue,
        series=series.name,
        route="rest",
        step_s=series.usual_step_s,
        page=page,
        source="ccxt",
        mark="U",
        note="not in the table: units of volume and open interest are taken as base",
        volume_linear="base",
        volume_inverse="base",
        amount_linear="base",
        value_linear="usd",
    )


def requests_for(target: Target, source: Source, days: Sequence[dt.date]) -> int:
    """Return how many requests a source needs for some days, the list of markets left out; files for archives.

    Examples
    --------
    >>> entry = load_availability()["binanceusdm", "ohlcv", "rest"]
    >>> source = Source("binanceusdm", "BTC/USDT:USDT", "rest", entry)
    >>> two = (dt.date(2025, 10, 10), dt.date(2025, 10, 11))
    >>> requests_for(Target("ohlcv", "BTC", "1m", two, (source,)), source, two)
    3
    """
    if source.skip or not days:
        return 0
    if source.route == "archive":
        return len(days)
    assert source.availability is not None
    days = [day for day in days if source.serves(day)]
    if SERIES[target.series].state:
        return int(SERIES[target.series].ccxt is not None)  # the list of markets holds the others
    span = dt.timedelta(seconds=span_s(target, source.availability))
    return sum(math.ceil((end - first) / span) for first, end in runs_of(days))


def span_s(target: Target, entry: Availability) -> int:
    """Return the longest stretch in seconds that one request is asked for."""
    return entry.span_s(SERIES[target.series].bar_s(target.timeframe)) or 86_400
