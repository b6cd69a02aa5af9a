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
from backtest.errors import BookError

if TYPE_CHECKING:
    import polars as pl

    from backtest.book.actual.true_book import TrueBook, Unit
    from backtest.catalogue.events import CrashEvent

MOST_COINS_SHOWN = 8


@command(
    "crashbook book roll --from 2025-10-10",
    "crashbook book roll --from 2025-10-10 --to 2025-10-10T21:00 --book later.parquet",
)
@click.option("--from", "source", required=True, metavar="EVENT",
              help="Event whose snapshot crashbook fetch --archive reservoir=PLACE has read.")  # fmt: skip
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
    from backtest.book.actual.true_book import true_book
    from backtest.book.actual.write import book_path, write_book
    from backtest.catalogue.events import get_event
    from backtest.fetch.reservoir.pull import read_parts

    if portfolio_margin is not None:
        raise click.UsageError("--portfolio-margin is now a field of the replay: --set portfolio_margin=cross")
    crash = get_event(source)
    with stages(output.quiet) as stage:
        stage("reading the snapshot and fills")
        positions = read_parts(crash.id, "positions")
        if positions is None:
            fix = f"run crashbook fetch {crash.id} --archive reservoir=PLACE"
            raise BookError(f"no snapshot of {crash.id} is on disk; {fix}")
        stage("rolling forward")
        at = to or crash.core_start
        rolled = true_book(
            positions, read_parts(crash.id, "account_values"), read_parts(crash.id, "fills"),
            units_of(positions, crash, coins, at), at,
        )  # fmt: skip
        target = book or book_path(crash.id)
        write_book(rolled, target, at)
    figures = [{"figure": name, "value": round(value, 2)} for name, value in rolled.counts.items()]
    emit(table_of(figures, ("figure", "value")), output)
    _note(rolled, crash.id, own=book, output=output)


def units_of(positions: pl.DataFrame, crash: CrashEvent, coins: str | None, at: dt.datetime) -> dict[str, Unit]:
    """Return lot and margin tiers of the coins of a snapshot that have bars of a second from a time on."""
    from backtest.book.actual.true_book import Unit
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
