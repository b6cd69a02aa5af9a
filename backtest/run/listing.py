"""The runs of a workspace: what distinguishes each from its event's default, their size, and which belong together."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from backtest.durable import remove
from backtest.errors import UsageError
from backtest.formatting import readable
from backtest.run.folder import find_run, run_folders
from backtest.run.label import read_label
from backtest.run.meta import RunMeta
from backtest.run.reading import read_meta
from backtest.run.stored import Studies, read_studies

APART = ("event", "venue", "seed", "positions")  # fields with a column of their own


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedRun:
    """A run of the workspace.

    ``differs`` names the fields that are not the event's default at the venue; ``beside`` says which studies are
    stored with it, with the number of their runs.
    """

    run_id: str
    label: str
    event: str
    venue: str
    seed: int
    positions: int
    differs: str
    beside: str
    liquidated_usd: Decimal
    adl_usd: Decimal
    size_mb: float
    written_utc: dt.datetime


@dataclass(frozen=True, slots=True)
class Shelf:
    """The run folders of a workspace, the newest last, and the parent of each run of a study."""

    folders: tuple[Path, ...]
    parents: dict[str, str]

    @property
    def own(self) -> tuple[Path, ...]:
        """Return the folders without those of runs that belong to a study of another, unless they have a label."""
        return tuple(path for path in self.folders if path.name not in self.parents or read_label(path))

    def children(self, run_id: str) -> list[Path]:
        """Return the folders of runs that belong to a study of one."""
        own = {path.name for path in self.own}
        return [path for path in self.folders if self.parents.get(path.name) == run_id and path.name not in own]


def shelf() -> Shelf:
    """Return the runs of the workspace."""
    folders = run_folders()
    parents = {child: path.name for path in folders for child in children_of(read_studies(path)) if child != path.name}
    return Shelf(tuple(folders), parents)


def children_of(studies: Studies) -> list[str]:
    """Return the ids of the runs of studies stored beside a run."""
    seeds = studies.seeds.run_ids if studies.seeds else ()
    return [*seeds, *(row.run_id for rows in studies.rows.values() for row in rows)]


def listed(folder: Path) -> ListedRun:
    """Return the row of a run from its metadata; no table is opened.

    Raises
    ------
    RunError
        ``run.json`` is damaged.
    """
    meta = read_meta(folder)
    scenario, totals = meta.scenario, meta.totals
    written = dt.datetime.fromtimestamp(folder.stat().st_mtime, dt.UTC).replace(tzinfo=None, microsecond=0)
    return ListedRun(
        run_id=meta.run_id, label=read_label(folder), event=scenario.event, venue=scenario.venue, seed=scenario.seed,
        positions=totals.positions, differs=differs(meta), beside=beside(read_studies(folder)),
        liquidated_usd=Decimal(totals.liquidated_usd), adl_usd=Decimal(totals.adl_usd),
        size_mb=round(size_of(folder) / 1e6, 1), written_utc=written,
    )  # fmt: skip


def differs(meta: RunMeta) -> str:
    """Return the fields of a run that are not its event's default at the venue, with their values."""
    given = [name for name, source in meta.scenario_sources.items() if source == "given" and name not in APART]
    return "; ".join(f"{name}={readable(meta.stored_scenario.get(name))}" for name in given)


def beside(studies: Studies) -> str:
    """Return the studies stored beside a run, with the number of their runs."""
    counts = {
        "seeds": len(studies.seeds.run_ids) if studies.seeds else 0,
        "draws": len(studies.draws.draws) if studies.draws else 0,
        **{name: len(rows) - 1 for name, rows in studies.rows.items()},
    }
    return ", ".join(f"{count} {name}" for name, count in counts.items() if count)


def size_of(folder: Path) -> int:
    """Return the bytes of the files in a folder."""
    return sum(path.lstat().st_size for path in folder.iterdir())


def take_away(names: Sequence[str]) -> list[str]:
    """Remove runs of the workspace with the runs of their studies, and return their ids.

    Raises
    ------
    UsageError
        A name is that of a folder elsewhere.
    """
    known = shelf()
    chosen = [find_run(name) for name in names]
    for name, path in zip(names, chosen, strict=True):
        if path not in known.folders:
            raise UsageError(
                f"{name} is a folder outside of the workspace; remove it yourself, or name a run by its id"
            )
    gone = dict.fromkeys(each for path in chosen for each in (path, *known.children(path.name)))
    for path in gone:
        remove(path)
    return [path.name for path in gone]


def prune(keep: int) -> list[str]:
    """Remove all runs but the newest and those with a label, and return their ids."""
    plain = [path for path in shelf().own if not read_label(path)]
    return take_away([path.name for path in plain[: max(len(plain) - keep, 0)]])
