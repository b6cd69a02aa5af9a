"""A venue whose truth is known, rolled forward from its archive and replayed, and what must then be equal.

``python -m tests.book.actual.known`` makes it at its full size, 5,000 accounts in 30 coins, checks it and prints the
scores of its accounts, and those of a replay with a third of the vault.
"""

from __future__ import annotations

import json
import os
import resource
import tempfile
import time
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl

from backtest.api.replay import replay
from backtest.api.run import Run
from backtest.assets import workspace
from backtest.book.actual.write import book_path, origin_path
from backtest.run.actual_book import fields_of
from tests.fetch.reservoir import by_engine
from tests.support.command import call

EVENT = "2025-10-10"
KEY = ("account", "symbol")


@dataclass(frozen=True, slots=True)
class Known:
    """The venue, the book that was rolled forward, what is known of its positions, the run of it, and where it lies."""

    venue: by_engine.Venue
    book: pl.DataFrame
    origin: pl.DataFrame
    run: Run
    rolled: str
    home: Path


def known_of(venue: by_engine.Venue) -> Known:
    """Read the archive of a venue in the workspace, roll its book forward and replay it."""
    for words in (["fetch", EVENT, "--archive", f"reservoir={venue.archive}"],
                  ["book", "roll", "--from", EVENT, "--format", "json"]):  # fmt: skip
        answer = call(*words)
        assert answer.exit_code == 0, answer.stderr
    path = book_path(EVENT)
    book, origin = pl.read_parquet(path), pl.read_parquet(origin_path(path))
    return Known(venue, book, origin, replayed(venue, 1.0), answer.stdout, workspace())


def replayed(venue: by_engine.Venue, vault_frac: float) -> Run:
    """Replay the book in the workspace with a share of the venue's vault."""
    fields: dict[str, Any] = fields_of(EVENT, "reservoir")
    return replay(EVENT, **fields, vaults=(), vault_capital_usd=vault_frac * venue.size.vault_usd)


def differences_of_positions(known: Known) -> int:
    """Return how many positions are not those that were traded, to the lot and in their margin mode."""
    sizes = ("side", "quantity_base", "margin_mode", "cohort")
    ours, true = (frame.select(*KEY, *sizes) for frame in (known.book, known.venue.book))
    return pl.concat([ours, true]).group_by(pl.all()).len().filter(pl.col("len") != 2).height


def lots_of(run: Run, table: str, column: str) -> pl.DataFrame:
    """Return lots of a table by account name and symbol."""
    rows = getattr(run, table).filter(pl.col(column) > 0)
    named = rows.join(run.accounts.select("account_id", "name"), on="account_id")
    return named.group_by("name", "symbol").agg(pl.col(column).sum()).sort("name", "symbol")


def same_closes(known: Known) -> dict[str, tuple[int, bool]]:
    """Return of each kind of forced close the accounts by coin, and whether their lots are those of the truth."""
    tables = {"book": ("liquidations", "book_lots"), "takeover": ("liquidations", "takeover_lots"),
              "adl": ("adl_fills", "lots")}  # fmt: skip
    out = {}
    for name, where in tables.items():
        ours, true = (lots_of(run, *where) for run in (known.run, known.venue.run))
        out[name] = ours.height, ours.equals(true)
    return out


def main() -> None:
    """Make the venue at its full size and print what was found."""
    with tempfile.TemporaryDirectory() as folder:
        marks = [("", time.perf_counter(), time.process_time())]

        def done(name: str) -> None:
            marks.append((name, time.perf_counter(), time.process_time()))

        os.environ["CRASHBOOK_HOME"] = str(Path(folder, "truth"))
        venue = by_engine.make(Path(folder, "archive"), size=by_engine.LARGE)
        done("making the venue")
        os.environ["CRASHBOOK_HOME"] = str(Path(folder, "home"))
        known = known_of(venue)
        done("fetch, roll, replay")
        run = replayed(venue, 1 / 3)
        done("replay with a third of the vault")
        accounts, coins = venue.book["account"].n_unique(), len(venue.size.coins)
        print(f"{accounts:,} accounts, {venue.book.height:,} positions, {coins} coins")
        for (_, wall, cpu), (name, wall_then, cpu_then) in pairwise(marks):
            print(f"  {name:<34} {wall_then - wall:6.1f} s, {cpu_then - cpu:6.1f} s of CPU")
        print(f"  memory at most {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f} MB")
        print(f"positions that differ: {differences_of_positions(known)}")
        for name, (count, equal) in same_closes(known).items():
            print(f"closed by {name}: {count:,} accounts by coin, {'equal to the lot' if equal else 'DIFFERENT'}")
        for row in json.loads(known.rolled):
            print(f"  {row['figure']}: {row['value']:,}")
        for title, each in (("the same rules", known.run), ("a third of the vault", run)):
            print(f"\n{title}: {each.meta.headline}")
            with pl.Config(tbl_cols=-1, tbl_rows=-1, tbl_width_chars=200):
                print(each.query("actual_account_score"))
                print(each.query("actual_timing"))


if __name__ == "__main__":
    main()
