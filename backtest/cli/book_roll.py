"""``crashbook book roll``: the true book of a snapshot, rolled forward by fills to the start of a replay."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from backtest.cli.command import command
from backtest.cli.output import Output, emit, note, output_options
from backtest.cli.progress import stages
from backtest.cli.table import table_of
from backtest.errors import BookError, UnknownNameError

if TYPE_CHECKING:
    import polars as pl

    from backtest.book.actual.archive_rows import Unit
    from backtest.book.actual.true_book import TrueBook
    from backtest.catalogue.events import CrashEvent
    from backtest.fetch.reservoir.snapshots import Rollable

MOST_COINS_SHOWN = 8


@command(
    "crashbook book roll --from 2025-10-10",
    "crashbook book roll --from archive/global/snapshots/perp/all/date=2025-10-10/758750000_1760126694218.parquet",
    "crashbook book roll --from 2025-10-10 --to 2025-10-10T21:00 --book later.parquet",
)
@click.option("--from", "source", required=True, metavar="SNAPSHOT",
              help="Event, or day of a snapshot, that crashbook fetch --archive reservoir=PLACE has read; or the path "
              "of a snapshot in a folder of the archive.")  # fmt: skip
@click.option("--to", type=click.DateTime(["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"]),
              help="Fills before this time are applied; by default the start of the event's core.")  # fmt: skip
@click.option("--coins", metavar="BTC,SOL", help="Coins; by default all that have bars of a second in the lake.")
@click.option("--portfolio-margin", hidden=True)
@click.option("--book", type=click.Path(path_type=Path), metavar="FILE", help="Path of the book.")
@output_options
def book_roll(
    source: str, to: dt.datetime | None, coins: str | None, portfolio_margin: str | None, book: Path | None,
    output: Output,
) -> None:  # fmt: skip
    """Roll a snapshot forward to the start of its replay.

    Positions are exact, since each fill carries the position before it; entries are by average cost, account values by
    realised profit and fees. What does not add up is listed, and the other side of what is missing is the market's.
    """
    from backtest.book.actual.next_snapshot import compared
    from backtest.book.actual.true_book import true_book
    from backtest.book.actual.write import book_path, write_book

    if portfolio_margin is not None:
        raise click.UsageError("--portfolio-margin is now a field of the replay: --set portfolio_margin=cross")
    with stages(output.quiet) as stage:
        stage("reading the snapshot and fills")
        crash, at, found = rollable_of(source, to)
        positions, values = found.first.positions, found.first.values
        stage("rolling forward")
        units = units_of(positions, crash, coins, at)
        rolled = true_book(
            positions, values, found.fills, units, at, rates=rates_of(list(units), found.first.at, at)
        )  # fmt: skip
        target = book or book_path(crash.id)
        write_book(rolled, target, at)
        counts = dict(rolled.counts)
        if found.later is not None:
            stage("comparing with the next snapshot")
            rates = rates_of(list(units), found.first.at, found.later.at)
            counts |= compared(
                positions, values, found.fills, units, found.later.positions, found.later.values, found.later.at, rates
            ).counts
    figures = [{"figure": name, "value": round(value, 2)} for name, value in counts.items()]
    emit(table_of(figures, ("figure", "value")), output)
    _note(rolled, crash.id, own=book, output=output)


def rollable_of(source: str, to: dt.datetime | None) -> tuple[CrashEvent, dt.datetime, Rollable]:
    """Return the event, the time to roll to, and what is rolled.

    Parameters
    ----------
    source
        An event, the day of a snapshot on disk, or the path of a snapshot.

    Raises
    ------
    BookError
        There is no such snapshot.
    """
    from backtest.catalogue.events import get_event
    from backtest.fetch.reservoir import snapshots
    from backtest.fetch.reservoir.plan import Wanted, snapshot_time

    if source.endswith(".parquet"):
        crash = get_event(f"{to or snapshot_time(source):%Y-%m-%d}")
        dexes = Wanted.of((crash.core_start, crash.core_end), (), crash.coins).dexes
        return crash, to or crash.core_start, snapshots.of_folder(Path(source), to or crash.core_start, dexes)
    crash, day = _event_of(source)
    at = to or crash.core_start
    found = snapshots.of_parts(crash.id, at, day)
    if found is None:
        fix = f"run crashbook fetch {crash.id} --archive reservoir=PLACE"
        raise BookError(f"no snapshot of {crash.id} is on disk; {fix}")
    return crash, at, found


def _event_of(source: str) -> tuple[CrashEvent, dt.date | None]:
    """Return the event of a name, or of the day of a snapshot on disk, and then that day."""
    from backtest.catalogue.events import get_event
    from backtest.fetch.reservoir.snapshots import events_with

    try:
        return get_event(source), None
    except UnknownNameError:
        try:
            day = dt.date.fromisoformat(source)
        except ValueError:
            day = None
        named = events_with(day) if day else []
        if len(named) > 1:
            raise BookError(f"snapshots of {source} are on disk for {', '.join(named)}; name one of them") from None
        if not named:
            raise
        return get_event(named[0]), day


def rates_of(coins: Sequence[str], start: dt.datetime, end: dt.datetime) -> pl.DataFrame:
    """Return the rates of funding that the lake has of coins, after a time and before another."""
    import polars as pl

    from backtest.fetch.hyperliquid.node_fills import unified_symbol
    from backtest.lake.place import Place
    from backtest.lake.read import read_series
    from backtest.times import MICROSECOND

    found = [pl.DataFrame(schema={"coin": pl.String, "ts": pl.Datetime("us"), "rate": pl.Float64})]
    for coin in coins:
        rows = read_series(Place("hyperliquid", unified_symbol(coin), "funding"), start + MICROSECOND, end)
        found.append(rows.select(pl.lit(coin).alias("coin"), "ts", "rate"))
    return pl.concat(found)


def units_of(positions: pl.DataFrame, crash: CrashEvent, coins: str | None, at: dt.datetime) -> dict[str, Unit]:
    """Return lot and margin tiers of the coins of a snapshot that have bars of a second from a time on."""
    from backtest.book.actual.archive_rows import Unit
    from backtest.market.terms import contract_terms
    from backtest.run.actual_book import has_bars, venue_of
    from backtest.schema.coins import coin_name
    from backtest.venue.reading import get_venue

    names = {coin_name(str(name)): str(name) for name in positions["market"].unique().sort().to_list()}
    wanted = {coin_name(coin) for coin in coins.split(",")} if coins else set(names)
    found = [coin for coin in names if coin in wanted and has_bars(coin, at, crash.core_end)]
    if not found:
        raise BookError(
            f"no coin of the snapshot has bars of a second in the lake; run crashbook fetch {crash.id} again"
        )
    profile = get_venue(venue_of(found)).on(crash.day)
    profile, terms = contract_terms(profile, found, crash.day, event=crash.id)
    return {
        names[coin]: Unit(profile.listing(coin).lot, each.table.schedule().tiers)
        for coin, each in zip(found, terms, strict=True)
    }


def _note(rolled: TrueBook, event: str, *, own: Path | None, output: Output) -> None:
    rows: Sequence[Any] = rolled.left_out.rows()
    for reason, count, usd in rows:
        note(f"left to the market: {count:,} positions, {usd:,.0f} USD: {reason}", output)
    for coin, base in list(rolled.differences.items())[:MOST_COINS_SHOWN]:
        more = "longs exceed shorts" if base > 0 else "shorts exceed longs"
        note(f"{coin}: {more} by {abs(base):g}; the market holds the other side", output)
    if len(rolled.differences) > MOST_COINS_SHOWN:
        note(f"so in {len(rolled.differences) - MOST_COINS_SHOWN} more coins", output)
    book = "reservoir" if own is None else str(own)
    note(f"next: crashbook replay {event} --book {book}", output)
