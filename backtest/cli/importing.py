"""What ``crashbook fetch`` reads from Hyperliquid's own files: node fills, and a snapshot of its true book."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from backtest.cli.output import Sink, emit, frame_of, note
from backtest.cli.progress import stages

if TYPE_CHECKING:
    from backtest.fetch.hyperliquid.node_fills import FillReport
    from backtest.fetch.hyperliquid.snapshot import SnapshotReport

VENUE = "hyperliquid"


def take_fills(paths: Sequence[Path], sink: Sink) -> None:
    """Import node fills into the lake and print what they held, day by day and symbol by symbol."""
    from backtest.fetch.hyperliquid.node_fills import import_fills

    with stages(sink.quiet) as stage:
        show = stage("reading fills")
        report = import_fills(paths, on_progress=lambda path, done, size: show(done, size))
    columns = ("day", "symbol", "adl", "adl_usd", "liquidations", "liquidated_usd", "rows")
    emit(frame_of([{name: getattr(day, name) for name in columns} for day in report.days], columns), sink)
    _tell_fills(report, sink)


def _tell_fills(report: FillReport, sink: Sink) -> None:
    taken = f"{report.taken:,} of takers of liquidated lots and {report.counterparts:,} bankrupt sides of deleveraging"
    read = f"{report.fills:,} fills in {report.blocks:,} blocks"
    note(f"{read}; counted once: left out are {taken}, {report.spot:,} of spot coins", sink)
    if report.shared:
        note(f"{report.shared:,} blocks came twice and count once", sink)
    if report.unpaired:
        lots = "their lots may also be counted as liquidations"
        note(f"{report.unpaired:,} deleveraging fills have no bankrupt side in their block; {lots}", sink)
    for fault in report.faults:
        place = f"first in line {fault.first_line}"
        note(f"{fault.file}: {fault.count:,} lines or fills passed over ({place}): {fault.reason}", sink)
    note("a replay of the day now holds actual_liquidations and actual_adl; crashbook query actual_by_minute", sink)


def take_snapshot(
    event: str, coins: Sequence[str], positions: Path, values: Path | None, book: Path | None, margin: str, sink: Sink
) -> None:
    """Turn a clearinghouse snapshot into a book that a replay takes, and print it market by market."""
    from backtest.assets import workspace
    from backtest.fetch.hyperliquid.snapshot import import_snapshot
    from backtest.market.terms import lake_units
    from backtest.venue.profile import get_venue

    target = book or workspace() / "data" / "books" / f"{event}-{VENUE}.parquet"
    target.parent.mkdir(parents=True, exist_ok=True)
    profile = get_venue(VENUE)
    lots = {coin: listing.lot for coin, listing in profile.instruments.items()}
    lots |= {coin: units.lot for coin, units in lake_units(profile, coins).items()}
    with stages(sink.quiet) as stage:
        show = stage("reading the snapshot")
        report = import_snapshot(
            positions, values, target, coins=coins, lots=lots, margin=margin,
            on_progress=lambda path, done, size: show(done, size),
        )  # fmt: skip
    columns = ("coin", "positions", "longs_base", "shorts_base", "difference_base", "snapshot_difference_base")
    emit(frame_of([{name: getattr(market, name) for name in columns} for market in report.markets], columns), sink)
    _tell_snapshot(event, report, sink)


def _tell_snapshot(event: str, report: SnapshotReport, sink: Sink) -> None:
    from backtest.lake.place import shown

    note(f"{report.positions:,} of {report.read:,} positions of {report.accounts:,} accounts; {report.rule}", sink)
    for reason, count in report.left_out.items():
        note(f"{count:,} positions left out: {reason}", sink)
    balance = "" if report.balanced else " --set balance_with_market=true"
    note(f"run it with crashbook replay {event} --positions {shown(report.book)}{balance}", sink)
