"""Files of Hyperliquid that ``crashbook fetch`` reads: node fills, and a snapshot of its true book."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from backtest.cli.output import Output, emit, note
from backtest.cli.progress import stages
from backtest.cli.table import table_of

if TYPE_CHECKING:
    from backtest.fetch.hyperliquid.node_fills import FillReport
    from backtest.fetch.hyperliquid.snapshot import SnapshotReport

VENUE = "hyperliquid"


def read_fills(paths: Sequence[Path], output: Output) -> None:
    """Import node fills into the lake and print a row for each day and symbol."""
    from backtest.fetch.hyperliquid.node_fills import import_fills

    with stages(output.quiet) as stage:
        show = stage("reading fills")
        report = import_fills(paths, on_progress=lambda path, done, size: show(done, size))
    columns = ("day", "symbol", "adl", "adl_usd", "liquidations", "liquidated_usd", "rows")
    emit(table_of([{name: getattr(day, name) for name in columns} for day in report.days], columns), output)
    _note_fills(report, output)


def _note_fills(report: FillReport, output: Output) -> None:
    taker = f"{report.taken:,} of takers of liquidated lots and {report.counterparts:,} bankrupt sides of deleveraging"
    read = f"{report.fills:,} fills in {report.blocks:,} blocks"
    note(f"{read}; counted once: left out are {taker}, {report.spot:,} of spot coins", output)
    if report.shared:
        note(f"{report.shared:,} blocks came twice and count once", output)
    if report.unpaired:
        lots = "their lots may also be counted as liquidations"
        note(f"{report.unpaired:,} deleveraging fills have no bankrupt side in their block; {lots}", output)
    for fault in report.faults:
        place = f"first in line {fault.first_line}"
        note(f"{fault.file}: {fault.count:,} lines or fills passed over ({place}): {fault.reason}", output)
    note("a replay of the day now holds actual_liquidations and actual_adl; crashbook query actual_by_minute", output)


def read_snapshot(
    event: str,
    coins: Sequence[str],
    positions: Path,
    output: Output,
    *,
    values: Path | None,
    book: Path | None,
    margin: str,
) -> None:
    """Turn a clearinghouse snapshot into a book that a replay takes, and print a row for each market."""
    from backtest.assets import inside, workspace
    from backtest.durable import make_folder
    from backtest.fetch.hyperliquid.snapshot import import_snapshot
    from backtest.market.terms import lake_units
    from backtest.venue.reading import get_venue

    target = book or inside(workspace(), "data", "books", f"{event}-{VENUE}.parquet")
    make_folder(target.parent)
    profile = get_venue(VENUE)
    lots = {coin: listing.lot for coin, listing in profile.instruments.items()}
    lots |= {coin: units.lot for coin, units in lake_units(profile, coins).items()}
    with stages(output.quiet) as stage:
        show = stage("reading the snapshot")
        report = import_snapshot(
            positions, values, target, coins=coins, lots=lots, margin=margin,
            on_progress=lambda path, done, size: show(done, size),
        )  # fmt: skip
    columns = ("coin", "positions", "longs_base", "shorts_base", "difference_base", "snapshot_difference_base")
    emit(table_of([{name: getattr(market, name) for name in columns} for market in report.markets], columns), output)
    _note_snapshot(event, report, output)


def _note_snapshot(event: str, report: SnapshotReport, output: Output) -> None:
    from backtest.lake.place import shown

    note(f"{report.positions:,} of {report.read:,} positions of {report.accounts:,} accounts; {report.rule}", output)
    for reason, count in report.left_out.items():
        note(f"{count:,} positions left out: {reason}", output)
    balance = "" if report.balanced else " --set balance_with_market=true"
    note(f"run it with crashbook replay {event} --positions {shown(report.book)}{balance}", output)
