"""``crashbook fetch``: market data from exchanges and archives into the lake."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from backtest.cli import fetch_reservoir, interrupt
from backtest.cli.command import command
from backtest.cli.fetch_tables import days_text, outcome_table, plan_table
from backtest.cli.messages import mask_logs, print_line
from backtest.cli.output import Output, emit, note, output_options
from backtest.cli.progress import meter
from backtest.cli.table import table_of
from backtest.errors import DataGapError, UsageError
from backtest.masking import keep_secret, secrets_of_address
from backtest.schema.coins import coin_name

if TYPE_CHECKING:
    from backtest.catalogue.events import CrashEvent
    from backtest.fetch.outcome import Outcome
    from backtest.fetch.plan import Target
    from backtest.fetch.settings import Settings

LAST_DAY = dt.datetime(9999, 12, 30)  # noqa: DTZ001 - the day after must exist


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options of ``crashbook fetch`` as given."""

    venue: str | None
    coins: tuple[str, ...]
    series: tuple[str, ...]
    start: dt.datetime | None
    end: dt.datetime | None
    timeframe: str
    only: bool
    archives: tuple[str, ...]
    config: Path | None
    fills: tuple[Path, ...]
    snapshot: Path | None
    account_values: Path | None
    book: Path | None
    margin: str | None
    dry_run: bool
    availability: bool
    refetch: bool
    max_usd: float
    yes: bool
    reach: bool


@dataclass(frozen=True, slots=True)
class Order:
    """A fetch that can begin: its targets, how the venues are reached, and whether the user named the series."""

    targets: Sequence[Target]
    settings: Settings
    refetch: bool
    named: bool


def _names(context: click.Context, parameter: click.Parameter, text: str | None) -> tuple[str, ...]:
    """Return the names of a comma-separated list, each once."""
    return tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip())) if text else ()


def _coins(context: click.Context, parameter: click.Parameter, text: str | None) -> tuple[str, ...]:
    return tuple(dict.fromkeys(map(coin_name, _names(context, parameter, text))))


@command(
    "crashbook fetch 2025-10-10 --dry-run",
    "crashbook fetch 2025-10-10",
    "crashbook fetch 2024-08-05 --venue bybit --coins BTC,ETH --series ohlcv,mark_ohlcv,funding",
    "crashbook fetch 2025-10-10 --archive binance=downloads --series depth",
    "crashbook fetch 2025-10-10 --archive reservoir=s3://hydromancer-reservoir --dry-run",
)
@click.argument("event", required=False)
@click.option("--venue", help="Venue asked first; by default the event's first.")
@click.option("--coins", metavar="BTC,SOL", callback=_coins, help="Coins; by default the event's.")
@click.option("--series", metavar="A,B", callback=_names, help="Series; by default all that a replay can use.")
@click.option("--start", type=click.DateTime(["%Y-%m-%d"]), help="First UTC day; by default the event's window.")
@click.option("--end", type=click.DateTime(["%Y-%m-%d"]), help="Last UTC day.")
@click.option("--timeframe", default="1m", show_default=True, help="Bars of 1m, or 1s from archives of trades.")
@click.option("--only", is_flag=True, help="Ask the first venue only.")
@click.option("--archive", "archives", metavar="NAME=PLACE", multiple=True,
              help="Folder or address of an archive (binance, bitmex, hyperliquid), asked first; reservoir: the "
              "true book, fills and bars of a second of Hyperliquid, alone.")  # fmt: skip
@fetch_reservoir.options
@click.option("--exchange-config", "config", type=click.Path(path_type=Path), metavar="FILE",
              help="TOML: addresses, proxies, headers, timeouts and rate limits of the venues.")  # fmt: skip
@click.option("--fills", type=click.Path(path_type=Path), multiple=True, metavar="FILE",
              help="Hyperliquid node fills (.lz4, .jsonl): the real liquidations and deleveragings.")  # fmt: skip
@click.option("--snapshot", type=click.Path(path_type=Path), metavar="FILE",
              help="Hyperliquid clearinghouse snapshot (.json): the true book, for --positions.")  # fmt: skip
@click.option(
    "--account-values", type=click.Path(path_type=Path), metavar="FILE", help="Account values of the snapshot."
)
@click.option("--book", type=click.Path(path_type=Path), metavar="FILE", help="Path of the book made of a snapshot.")
@click.option("--margin", type=click.Choice(["cross", "isolated"]),
              help="Positions of a user in a snapshot: one cross account (as they are), or each alone.")  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Show the plan and send no request.")
@click.option(
    "--refetch", is_flag=True, help="Ask again for days that are whole, too; two answers that differ are told."
)
@click.option("--availability", is_flag=True, help="Show how far back the history of each venue goes.")
@click.option("--reach", is_flag=True, hidden=True)
@output_options
def fetch(event: str | None, output: Output, **options: Any) -> None:
    """Fetch a crash from exchanges and archives.

    Whole UTC days are fetched, only those that the lake does not have whole. When a venue refuses, gives a part of a
    day or does not go back far enough, the next one is asked. After an interrupt the same command continues. The exit
    code is 3 if anything asked for is missing, with one line for each hole. With --fills or --snapshot only those
    files are read and no request is sent.
    """
    mask_logs()
    given = Options(**options)
    if given.reach:
        raise click.UsageError("--reach is now called --availability")
    if given.availability:
        from backtest.lake.availability import availability_table

        rows = availability_table()
        emit(table_of(rows, list(rows[0])), output)
        return
    if event is None:
        raise click.UsageError("Missing EVENT; give one of crashbook events, for example 2025-10-10")
    files = bool(given.fills or given.snapshot)
    if files and given.dry_run:
        raise click.UsageError("--dry-run shows the plan of a fetch; --fills and --snapshot read files: leave one out")
    if not given.snapshot and not files and (given.account_values or given.book or given.margin):
        raise click.UsageError("--account-values, --book and --margin go with --snapshot FILE")

    from backtest.catalogue.events import get_event

    crash = get_event(event)
    if files:
        _read_files(crash, given, output)
        return
    if root := _reservoir(given.archives):
        fetch_reservoir.read_reservoir(
            crash, root, given.coins, output, depth="depth" in given.series, max_usd=given.max_usd, yes=given.yes,
            dry_run=given.dry_run,
        )  # fmt: skip
        return
    order = _order(crash, given)
    if given.dry_run:
        emit(plan_table(order.targets), output)
        return
    outcome = run_order(order, output)
    emit(outcome_table(outcome, order.targets), output)
    _conclude(order, outcome, output)


def _read_files(crash: CrashEvent, given: Options, output: Output) -> None:
    """Read files that Hyperliquid publishes: node fills into the lake, a snapshot into a book."""
    from backtest.cli.fetch_files import read_fills, read_snapshot

    if given.fills:
        read_fills(given.fills, output)
    if given.snapshot:
        read_snapshot(
            crash.id,
            given.coins or crash.coins,
            given.snapshot,
            output,
            values=given.account_values,
            book=given.book,
            margin=given.margin or "cross",
        )


def _order(crash: CrashEvent, given: Options) -> Order:
    """Return the targets of the options, checked."""
    from backtest.errors import UnknownNameError
    from backtest.fetch.plan import targets
    from backtest.fetch.settings import read_settings
    from backtest.lake.markets import chain
    from backtest.lake.series import DEFAULT_SERIES, TIMEFRAMES
    from backtest.times import days_between
    from backtest.venue.reading import host_of

    if given.timeframe not in TIMEFRAMES:
        raise UnknownNameError("timeframe", given.timeframe, TIMEFRAMES)
    settings = read_settings(given.config)
    archives = archive_places(given.archives)
    venues = chain(crash, host_of(given.venue or crash.venues[0]))
    first = given.start or crash.start
    last = min(given.end, LAST_DAY) + dt.timedelta(days=1) if given.end else crash.end
    if first >= last:
        raise UsageError(f"--start {first:%Y-%m-%d} is not before --end; give the first and the last day")
    wanted = targets(
        coins=given.coins or crash.coins,
        series=given.series or DEFAULT_SERIES,
        days=days_between(first, last),
        venues=venues[:1] if given.only else venues,
        now=dt.datetime.now(dt.UTC).replace(tzinfo=None),
        timeframe=given.timeframe,
        roots={**public_archives(), **settings.archives, **archives},
        archives_first=bool(archives),
    )
    return Order(wanted, settings, given.refetch, bool(given.series))


def _reservoir(options: Sequence[str]) -> str:
    """Return the place of the archive of true books, empty if it is not asked for; it is read alone."""
    prefix = f"{fetch_reservoir.ARCHIVE}="
    roots = [text.removeprefix(prefix) for text in options if text.startswith(prefix)]
    if roots and len(options) > 1:
        raise UsageError(f"--archive {prefix}PLACE is read alone; fetch from other archives by a command of their own")
    return roots[0] if roots else ""


def public_archives() -> dict[str, str]:
    """Return the public addresses of the archives that have one."""
    from backtest.fetch.archives.publishers import ARCHIVES

    return {archive.name: archive.base for archive in ARCHIVES.values() if archive.base}


def archive_places(options: Sequence[str]) -> dict[str, str]:
    """Return the folder or address of each archive of ``--archive``."""
    from backtest.errors import UnknownNameError
    from backtest.fetch.archives.publishers import ARCHIVES

    places = {}
    for text in options:
        name, equals, place = text.partition("=")
        if not equals or not place:
            raise UsageError(f"--archive {text}: not NAME=PLACE; for example binance=downloads")
        if name not in ARCHIVES:
            raise UnknownNameError("archive", name, ARCHIVES)
        places[name] = place
    keep_secret(word for place in places.values() for word in secrets_of_address(place))
    return places


def run_order(order: Order, output: Output) -> Outcome:
    """Fetch until done or until Ctrl-C: the first finishes the request under way, a second one stops at once."""
    import asyncio
    import random
    import time

    from backtest.fetch.run import fetch as run_fetch

    async def until_stopped() -> Outcome:
        stop, loop = asyncio.Event(), asyncio.get_running_loop()

        def finish() -> None:
            stop.set()
            print_line("finishing the request under way; Ctrl-C again stops at once")

        interrupt.on_first_press(lambda: loop.call_soon_threadsafe(finish))
        try:
            with meter(output.quiet) as show:
                return await run_fetch(
                    order.targets,
                    order.settings,
                    clock=time.time,
                    draw=random.random,
                    stop=stop,
                    on_progress=show,
                    on_wait=lambda text: note(text, output),
                    refetch=order.refetch,
                )
        finally:
            interrupt.on_first_press(None)

    return asyncio.run(until_stopped())


def _conclude(order: Order, outcome: Outcome, output: Output) -> None:
    """Note repeated requests; raise if the fetch was interrupted, or after one line for each hole."""
    for venue, reasons in outcome.repeated.items():
        listed = ", ".join(f"{count} x {reason}" for reason, count in reasons.items())
        note(f"{venue}: requests repeated because it {listed}", output)
    if outcome.interrupted:
        left = sum(len(outcome.lacking(target)) for target in order.targets)
        kept = "interrupted; finished days are in the lake"
        print_line(f"crashbook: {kept}; the same command fetches the other {left} days")
        raise click.exceptions.Exit(interrupt.EXIT_CODE)
    missing = [target for target in order.targets if outcome.lacking(target)]
    # of series that nobody named, those that no source offers are no hole: they were never to be had
    optional = [] if order.named else [target for target in missing if all(source.skip for source in target.sources)]
    for series in dict.fromkeys(target.series for target in optional):
        note(f"no source offers {series} of these days; give --archive or --series to insist", output)
    holes = [hole for target in missing if target not in optional for hole in outcome.holes(target)]
    for hole in holes:
        print_line(f"hole: {hole.series} {hole.coin} {days_text(hole.days)}: {hole.reason}")
    if holes:
        count = "1 hole" if len(holes) == 1 else f"{len(holes)} holes"
        listed = ", ".join(dict.fromkeys(hole.series for hole in holes))
        fix = "run the same command later, or give --archive or --exchange-config"
        raise DataGapError(f"{count}, of {listed}: a line above for each; {fix}")
