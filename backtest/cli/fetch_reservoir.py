"""``crashbook fetch --archive reservoir=PLACE``: the true book of Hyperliquid, its fills and bars of a second."""

from __future__ import annotations

import datetime as dt
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import click

from backtest.cli.output import Output, emit, note
from backtest.cli.progress import stages
from backtest.cli.table import table_of
from backtest.errors import UsageError

if TYPE_CHECKING:
    from backtest.catalogue.events import CrashEvent
    from backtest.fetch.reservoir.plan import Plan
    from backtest.fetch.reservoir.to_lake import Stored

ARCHIVE = "reservoir"


def read_reservoir(
    crash: CrashEvent, root: str, coins: Sequence[str], output: Output, *, depth: bool, max_usd: float, yes: bool,
    dry_run: bool,
) -> None:  # fmt: skip
    """Read what a crash needs of the archive: print what it costs, ask above a limit, keep it, fill the lake."""
    from backtest.fetch.reservoir.place import open_place
    from backtest.fetch.reservoir.plan import Wanted, plan_of
    from backtest.fetch.reservoir.pull import pull

    place = open_place(root)
    wanted = Wanted.of((crash.core_start, crash.core_end), coins, crash.coins, depth=depth)
    with stages(output.quiet) as stage:
        stage("listing the archive")
        plan = plan_of(place, wanted)
    _state_cost(plan, paid=root.startswith("s3://"), output=output)
    rows = [
        {
            "file": part.listed.key,
            "rows": part.rows,
            "mb": round(part.bytes / 1e6, 3),
            "of_mb": round(part.listed.size / 1e6, 3),
        }
        for part in plan.parts
    ]
    if dry_run:
        emit(table_of(rows, ("file", "rows", "mb", "of_mb")), output)
        return
    if root.startswith("s3://"):
        _agree(plan, max_usd, yes=yes)
    with stages(output.quiet) as stage:
        kept = pull(plan, crash.id, stage("reading the archive"))
        stage("filling the lake")
        stored = list(_to_lake(crash, plan))
    table = [{"part": each.name, "rows": each.rows, "state": "new" if each.fresh else "held", "source": each.source}
             for each in kept]  # fmt: skip
    emit(table_of(table, ("part", "rows", "state", "source")), output)
    for each in stored:
        if each.note:
            note(f"{each.series} {each.symbol} {each.day}: {each.note}", output)
    bars = [each for each in stored if each.series == "ohlcv"]
    note(f"the lake has bars of a second of {len({each.symbol for each in bars})} coins", output)
    note(f"next: crashbook book roll --from {crash.id}", output)


def _state_cost(plan: Plan, *, paid: bool, output: Output) -> None:
    from backtest.fetch.reservoir.layout import USD_PER_GB

    note(f"the snapshot is of {plan.snapshot:%Y-%m-%d %H:%M:%S} UTC", output)
    rate = f", about {plan.usd:.2f} USD at {USD_PER_GB} USD a GB" if paid else ""
    note(f"to read: {plan.bytes / 1e6:,.1f} MB of {len(plan.parts)} files{rate}", output)
    for text in plan.notes:
        note(text, output)


def _agree(plan: Plan, max_usd: float, *, yes: bool) -> None:
    """Go on if the cost is within the limit or agreed to.

    Raises
    ------
    UsageError
        Nobody agreed.
    """
    if yes or plan.usd <= max_usd:
        return
    question = f"this costs about {plan.usd:.2f} USD, above --max-usd {max_usd:g}"
    if not (sys.stdin and sys.stdin.isatty() and click.confirm(f"{question}; go on?", err=True)):
        raise UsageError(f"{question}; nothing was read; give --yes or a higher --max-usd")


def _to_lake(crash: CrashEvent, plan: Plan) -> Iterable[Stored]:
    """Store bars, forced fills, units and depth of the parts on disk."""
    import polars as pl

    from backtest.fetch.reservoir import to_lake
    from backtest.fetch.reservoir.pull import part_paths, read_part, read_parts
    from backtest.lake.cloud import publish
    from backtest.venue.reading import get_venue

    at = dt.datetime.now(dt.UTC)
    bars, positions = read_parts(crash.id, "bars"), read_parts(crash.id, "positions")
    if bars is not None:
        yield from to_lake.store_bars(bars, at)
    yield from to_lake.store_fills(read_parts(crash.id, "liquidations"), read_parts(crash.id, "adl"), at)
    if positions is not None:
        fills = read_parts(crash.id, "fills")
        sizes = [positions.select(pl.col("market").alias("coin"), pl.col("size").cast(pl.Float64))]
        if fills is not None:
            sizes += [
                fills.select("coin", pl.col(name).cast(pl.Float64).alias("size")) for name in ("size", "start_position")
            ]
        decimals = to_lake.lot_decimals(pl.concat(sizes, how="vertical_relaxed"))
        venue, day = get_venue(to_lake.VENUE), plan.snapshot.date()
        yield from to_lake.store_units(decimals, venue.instruments, day, at)
        yield from to_lake.store_tiers(positions, {table.coin for table in venue.tables}, day, at)
    for path in part_paths(crash.id, "depth"):
        yield from to_lake.store_depth(path.stem.rpartition("-")[2], read_part(path), at)
    publish()


def options(function: Any) -> Any:
    """Give a command the options on what reading may cost."""
    limit = click.option("--max-usd", type=click.FloatRange(min=0), default=1.0, show_default=True, metavar="USD",
                         help="With an archive that is paid by the byte: ask above this cost.")  # fmt: skip
    agreed = click.option("--yes", is_flag=True, help="Pay what it costs without being asked.")
    return limit(agreed(function))
