"""``crashbook replay --explain``: scenario, data and rules of a run that is not started."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from backtest.cli.params import values_of
from backtest.cli.table import Table, table_of
from backtest.cli.text import bullets, heading, section
from backtest.cli.venues import rules_text
from backtest.formatting import period

if TYPE_CHECKING:
    from backtest.run.prepare import Prepared

# Measured on the sample: the libraries, then bytes per position in memory and in the run folder.
BASE_MB, MEMORY_KB, DISK_KB = 300, 1.0, 0.15


def text(prepared: Prepared) -> str:
    """Return the plan of a prepared replay."""
    from backtest.assets import inside, runs_folder
    from backtest.run.describe import facts_of, meta_of
    from backtest.run.identity import code_digest
    from backtest.times import moment

    resolved, market, world = prepared.resolved, prepared.market, prepared.world
    event, venue = resolved.event, resolved.venue
    meta = meta_of(prepared, facts_of(prepared, code_digest()))
    size = len(prepared.book.lots)
    first, last = int(market.open_ts[0]), int(market.open_ts[-1]) + market.bar_s * 1_000_000
    walked = f"{len(market.open_ts):,} bars of {market.bar_s} s, {world.steps:,} steps walked"
    done = inside(runs_folder(), prepared.run_id).is_dir()
    head = heading(
        [
            ("event", f"{event.id}  {event.title}"),
            ("venue", f"{venue.id}  {venue.name}, profile of {venue.as_of}"),
            ("run id", f"{prepared.run_id}, {'on disk already' if done else 'not on disk yet'}"),
            ("window", f"{period(moment(first), moment(last))} UTC, {walked}"),
            ("book", f"{size:,} positions, {meta.labels.book.text}"),
            ("needs", needs(size)),
        ]
    )
    labels = [{"input": name.replace("_", " "), "is": label.badge, "how": label.text}
              for name, label in meta.labels.by_name().items()]  # fmt: skip
    simplified = (f"{row.point}: {row.venue_rule} Here: {row.runs_here}" for row in venue.simplified)
    return "".join(
        (
            head,
            section("scenario", values_of(resolved)),
            section("data", _coverage(market.coverage)),
            section("measured and modelled", table_of(labels, ("input", "is", "how"))),
            rules_text(venue),
            bullets("simplified", simplified),
            bullets("assumed", meta.assumptions),
            bullets("not simulated", meta.not_simulated),
            bullets("notes", meta.notes),
        )
    )


def needs(positions: int) -> str:
    """Return an estimate of memory and disk.

    Examples
    --------
    >>> needs(100_000)
    'about 0.4 GB of memory and 15 MB of disk'
    """
    memory_gb = (BASE_MB + positions * MEMORY_KB / 1000) / 1000
    return f"about {memory_gb:.1f} GB of memory and {max(positions * DISK_KB / 1000, 1):,.0f} MB of disk"


def _coverage(rows: Sequence[dict[str, Any]]) -> Table:
    columns = ("series", "symbol", "label", "rows", "expected_rows", "gaps", "longest_gap_s", "source", "note")
    return table_of(rows, columns)
