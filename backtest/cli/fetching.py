"""The verb that brings market data into the lake: ``crashbook fetch``."""

from __future__ import annotations

import asyncio
import datetime as dt
import random
import signal
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from backtest.cli.group import INTERRUPTED, verb
from backtest.cli.output import Sink, aside, emit, frame_of, note, read_options
from backtest.cli.progress import meter
from backtest.errors import DataGapError, UsageError

if TYPE_CHECKING:
    from backtest.fetch.plan import Source, Target
    from backtest.fetch.run import Outcome
    from backtest.fetch.settings import Settings

OUTCOME_COLUMNS = ("series", "coins", "source", "days", "rows", "missing", "what")
LAST_DAY = dt.datetime(9999, 12, 30)  # noqa: DTZ001 - the day after must exist
DAYS_SHOWN = 3
BACKUPS_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Order:
    """What a fetch is asked for, resolved: the targets, and how the venues are reached."""

    wanted: Sequence[Target]
    settings: Settings
    now: dt.datetime


@verb(
    "crashbook fetch 2025-10-10 --dry-run",
    "crashbook fetch 2025-10-10",
    "crashbook fetch 2024-08-05 --venue bybit --coins BTC,ETH --series ohlcv,mark_ohlcv,funding",
    "crashbook fetch 2025-10-10 --archive binance=downloads --series depth",
)
@click.argument("event", required=False)
@click.option("--venue", help="Venue asked first; by default the event's first.")
@click.option("--coins", metavar="BTC,SOL", help="Coins; by default the event's.")
@click.option("--series", metavar="A,B", help="Series; by default all that a replay can use.")
@click.option("--start", type=click.DateTime(["%Y-%m-%d"]), help="First UTC day; by default the event's window.")
@click.option("--end", type=click.DateTime(["%Y-%m-%d"]), help="Last UTC day.")
@click.option("--timeframe", default="1m", show_default=True, help="Bars of 1m, or 1s from archives of trades.")
@click.option("--only", is_flag=True, help="Ask no other venue than the first.")
@click.option("--archive", "roots", metavar="NAME=PLACE", multiple=True,
              help="Folder or address of an archive (binance, bitmex, hyperliquid), asked first.")  # fmt: skip
@click.option("--exchange-config", "config", type=click.Path(path_type=Path), metavar="FILE",
              help="TOML: addresses, proxies, headers, timeouts and rate limits of the venues.")  # fmt: skip
@click.option("--fills", type=click.Path(path_type=Path), multiple=True, metavar="FILE",
              help="Hyperliquid node fills (.lz4, .jsonl): what was really liquidated and deleveraged.")  # fmt: skip
@click.option("--snapshot", type=click.Path(path_type=Path), metavar="FILE",
              help="Hyperliquid clearinghouse snapshot (.json): the true book, for --positions.")  # fmt: skip
@click.option("--account-values", type=click.Path(path_type=Path), metavar="FILE", help="Values that go with it.")
@click.option("--book", type=click.Path(path_type=Path), metavar="FILE", help="Where the book of a snapshot goes.")
@click.option("--margin", type=click.Choice(["cross", "isolated"]),
              help="Positions of a user in a snapshot: one cross account (as they are), or each alone.")  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Show the plan and ask nobody.")
@click.option("--availability", is_flag=True, help="Show how far back each venue's data go.")
@click.option("--reach", "renamed", is_flag=True, hidden=True)
@read_options
def fetch(
    event: str | None, venue: str | None, coins: str | None, series: str | None, start: dt.datetime | None,
    end: dt.datetime | None, timeframe: str, only: bool, roots: tuple[str, ...], config: Path | None,
    fills: tuple[Path, ...], snapshot: Path | None, account_values: Path | None, book: Path | None, margin: str | None,
    dry_run: bool, availability: bool, renamed: bool, sink: Sink,
) -> None:  # fmt: skip
    """Bring a crash from exchanges and archives into the lake.

    Whole UTC days are fetched, only those that are missing; a day appears in the lake complete or not at all.
    When a venue refuses or does not go back far enough, the next one is asked. Interrupted, the same command goes on.
    With --fills or --snapshot only those files are read and nobody is asked.
    """
    if renamed:
        raise click.UsageError("--reach is now called --availability")
    if availability:
        from backtest.lake.availability import availability_table

        table = availability_table()
        emit(frame_of(table, list(table[0])), sink)
        return
    if event is None:
        raise click.UsageError("Missing EVENT; give one of crashbook events, for example 2025-10-10")
    if (fills or snapshot) and dry_run:
        raise click.UsageError("--dry-run shows the plan of a fetch; --fills and --snapshot read files: leave one out")
    if fills or snapshot:
        _import(event, _listed(coins), fills, snapshot, account_values, book, margin, sink)
        return
    if account_values or book or margin:
        raise click.UsageError("--account-values, --book and --margin go with --snapshot FILE")
    order = _order(event, venue, coins, series, start, end, timeframe, only, roots, config)
    if dry_run:
        emit(frame_of(plan_rows(order.wanted), ("series", "coins", "source", "days", "requests", "note")), sink)
        return
    outcome = asyncio.run(_run(order, sink))
    emit(frame_of(outcome_rows(outcome, order.wanted), OUTCOME_COLUMNS), sink)
    _conclude(order, outcome, sink)


def _import(
    event: str, coins: Sequence[str], fills: Sequence[Path], snapshot: Path | None, values: Path | None,
    book: Path | None, margin: str | None, sink: Sink,
) -> None:  # fmt: skip
    """Read what Hyperliquid publishes of its node: fills into the lake, a snapshot into a book."""
    from backtest.catalogue.events import get_event
    from backtest.cli.importing import take_fills, take_snapshot

    crash = get_event(event)
    if fills:
        take_fills(fills, sink)
    if snapshot:
        take_snapshot(crash.id, coins or crash.coins, snapshot, values, book, margin or "cross", sink)


def _order(
    event: str, venue: str | None, coins: str | None, series: str | None, start: dt.datetime | None,
    end: dt.datetime | None, timeframe: str, only: bool, roots: Sequence[str], config: Path | None,
) -> Order:  # fmt: skip
    """Turn the words of the command line into targets."""
    from backtest.catalogue.events import get_event
    from backtest.errors import UnknownNameError
    from backtest.fetch.plan import targets
    from backtest.fetch.settings import read_settings
    from backtest.lake.markets import chain
    from backtest.lake.series import DEFAULT_SERIES, TIMEFRAMES
    from backtest.times import days_between

    if timeframe not in TIMEFRAMES:
        raise UnknownNameError("timeframe", timeframe, TIMEFRAMES)
    crash, settings = get_event(event), read_settings(config)
    given = _pairs(roots)
    now = dt.datetime.now(dt.UTC).replace(tzinfo=None)
    venues = chain(crash, venue or crash.venues[0])
    first, last = start or crash.start, min(end, LAST_DAY) + dt.timedelta(days=1) if end else crash.end
    if first >= last:
        raise UsageError(f"--start {first:%Y-%m-%d} is not before --end; give the first and the last day")
    wanted = targets(
        _listed(coins) or crash.coins,
        _listed(series) or DEFAULT_SERIES,
        days_between(first, last),
        venues[:1] if only else venues,
        now,
        timeframe=timeframe,
        roots={**public_roots(), **settings.archives, **given},
        archives_first=bool(given),
    )
    return Order(wanted, settings, now)


def public_roots() -> dict[str, str]:
    """Return the public addresses of the archives that have one."""
    from backtest.fetch.archives.publishers import ARCHIVES

    return {archive.name: archive.base for archive in ARCHIVES.values() if archive.base}


def _listed(text: str | None) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip())) if text else ()


def _pairs(roots: Sequence[str]) -> dict[str, str]:
    from backtest.errors import UnknownNameError
    from backtest.fetch.archives.publishers import ARCHIVES

    out = {}
    for text in roots:
        name, equals, place = text.partition("=")
        if not equals or not place:
            raise UsageError(f"--archive {text}: not NAME=PLACE; for example binance=downloads")
        if name not in ARCHIVES:
            raise UnknownNameError("archive", name, ARCHIVES)
        out[name] = place
    return out


async def _run(order: Order, sink: Sink) -> Outcome:
    """Fetch until done or until Ctrl-C: the first finishes the request under way, a second one stops at once."""
    from backtest.fetch.run import fetch as fill

    stop, loop = asyncio.Event(), asyncio.get_running_loop()

    def asked_to_stop() -> None:
        stop.set()
        loop.remove_signal_handler(signal.SIGINT)
        aside("finishing the request under way; Ctrl-C again stops at once")

    loop.add_signal_handler(signal.SIGINT, asked_to_stop)
    try:
        with meter(sink.quiet) as show:
            return await fill(
                order.wanted, order.settings, clock=time.time, draw=random.random, stop=stop, on_progress=show
            )
    finally:
        loop.remove_signal_handler(signal.SIGINT)


def plan_rows(wanted: Sequence[Target]) -> list[dict[str, Any]]:
    """Return the plan as rows: what is in the lake, who is asked for the rest, who is passed over and why."""
    from backtest.fetch.plan import requests_for

    rows = []
    for target in wanted:
        left = list(target.days)
        backups: list[str] = []
        for source in target.sources:
            missing = target.missing(source, left)
            lacking = set(missing)
            held = [day for day in left if day not in lacking]
            if held:
                rows.append(_row(target, source, held, requests=0, note="in the lake"))
            left = missing
            if not left:
                break
            if backups:
                backups += [] if source.skip else [source.name]
            elif source.skip:
                rows.append(_row(target, source, left, requests=0, note=f"passed over: {source.skip}"))
            else:
                rows.append(_row(target, source, left, requests=requests_for(target, source, left), note=""))
                backups = [source.name]
        if backups[1:]:
            asked = next(row for row in reversed(rows) if not row["note"])
            asked["note"] = _else(list(dict.fromkeys(backups[1:])))
        elif left and not backups:
            rows.append(
                {"series": target.series, "coins": target.coin, "source": "nobody", "days": tuple(left),
                 "requests": 0, "note": "no source has it"}
            )  # fmt: skip
    return _grouped(rows, ("requests",))


def _else(names: Sequence[str]) -> str:
    """Return who is asked next, the first few by name.

    Examples
    --------
    >>> _else(["bybit", "okx", "gate", "bitget", "bitmex"])
    'else bybit, okx, gate and 2 more'
    """
    more = len(names) - BACKUPS_SHOWN
    return f"else {', '.join(names[:BACKUPS_SHOWN])}" + (f" and {more} more" if more > 0 else "")


def outcome_rows(outcome: Outcome, wanted: Sequence[Target]) -> list[dict[str, Any]]:
    """Return what a fetch did as rows: which source gave what, and why the others did not, in the order of asking."""
    series = {target.series: row for row, target in reversed(list(enumerate(wanted)))}
    places = {name: place for target in wanted for place, name in enumerate(each.name for each in target.sources)}
    rows: list[dict[str, Any]] = [
        {
            "series": day.series, "coins": day.coin, "source": day.source, "days": (day.day,), "rows": day.rows,
            "missing": day.missing, "what": _what(day.fresh, day.dropped) + (f"; {day.note}" if day.note else ""),
        }
        for day in outcome.served
    ]  # fmt: skip
    rows += [
        {
            "series": denial.series, "coins": denial.coin, "source": denial.source, "days": denial.days, "rows": 0,
            "missing": 0, "what": denial.reason,
        }
        for denial in outcome.denied
    ]  # fmt: skip
    rows.sort(key=lambda row: (series[row["series"]], places.get(row["source"], 0)))
    return _grouped(rows, ("rows", "missing"), note="what")


def _what(fresh: bool, dropped: int) -> str:
    lost = f", {dropped} unreadable rows left out" if dropped else ""
    return f"{'fetched' if fresh else 'was in the lake'}{lost}"


def _row(target: Target, source: Source, days: Sequence[dt.date], **more: Any) -> dict[str, Any]:
    return {"series": target.series, "coins": target.coin, "source": source.name, "days": tuple(days), **more}


def _grouped(rows: Sequence[dict[str, Any]], sums: Sequence[str], note: str = "note") -> list[dict[str, Any]]:
    """Put rows that say the same of several coins and days into one, in the order of their series."""
    order = {name: place for place, name in enumerate(dict.fromkeys(row["series"] for row in rows))}

    def key(row: Mapping[str, Any]) -> tuple[int, str, str]:
        return order[row["series"]], row["source"], row[note]

    out = []
    for _, same in groupby(sorted(rows, key=lambda row: key(row)[:1]), key=lambda row: key(row)[0]):
        by_key: dict[tuple[int, str, str], list[dict[str, Any]]] = {}
        for row in same:
            by_key.setdefault(key(row), []).append(row)
        for group in by_key.values():
            days = sorted({day for row in group for day in row["days"]})
            coins = ", ".join(dict.fromkeys(row["coins"] for row in group))
            total = {name: sum(row[name] for row in group) for name in sums}
            out.append({**group[0], "coins": coins, "days": _days(days), **total})
    return out


def _days(days: Sequence[dt.date]) -> str:
    """Return days as text: one by one if they are few, else first, last and number.

    Examples
    --------
    >>> _days([dt.date(2025, 10, 10), dt.date(2025, 10, 11)])
    '2025-10-10, 2025-10-11'
    """
    if len(days) <= DAYS_SHOWN:
        return ", ".join(day.isoformat() for day in days)
    return f"{days[0].isoformat()} to {days[-1].isoformat()} ({len(days)})"


def _conclude(order: Order, outcome: Outcome, sink: Sink) -> None:
    """Say what had to be repeated and what is lacking; end with the exit code that stands for it."""
    for venue, reasons in outcome.repeated.items():
        listed = ", ".join(f"{count} x {reason}" for reason, count in reasons.items())
        note(f"{venue}: requests repeated because it {listed}", sink)
    if outcome.interrupted:
        lacking = sum(len(outcome.lacking(target)) for target in order.wanted)
        kept = "interrupted; what was finished is in the lake"
        aside(f"crashbook: {kept}; the same command fetches the other {lacking} days")
        raise click.exceptions.Exit(INTERRUPTED)
    gone = {target.coin: outcome.lacking(target) for target in order.wanted if target.series == "ohlcv"}
    gone = {coin: days for coin, days in gone.items() if days}
    if gone:
        listed = "; ".join(f"{coin} {_days(days)}" for coin, days in gone.items())
        raise DataGapError(f"no trade bars of {listed}; the table says why; give --archive or --exchange-config")
