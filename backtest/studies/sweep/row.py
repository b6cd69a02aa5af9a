"""One scenario of a sweep: replayed, or drawn several times, and reduced to a row. It may run on another machine."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np
from msgspec import Meta, field

from backtest.assets import asset_root, lake_address, lake_folder, read_regular
from backtest.catalogue.priors import Priors
from backtest.errors import CrashbookError
from backtest.lake.cloud import refresh, versions
from backtest.run.drawn import Headlines
from backtest.run.execute import finished, stored
from backtest.run.headlines import headlines
from backtest.run.identity import IDENTITY, code_digest, version
from backtest.run.meta import Record, Word
from backtest.run.prepare import prepare
from backtest.run.resolve import Resolved, resolve
from backtest.run.share import share_run
from backtest.studies.draws import parameters_for
from backtest.studies.markets import Markets
from backtest.studies.one_draw import DrawTask, run_draw
from backtest.studies.one_draw import finished as unstored
from backtest.studies.parameters import draw
from backtest.studies.sweep.plan import Plan, Point

MEASURES = ("liquidated_usd", "adl_usd", "adl_positions", "first_liquidation_s", "first_adl_s", "pool_capital_usd",
            "pool_low_usd", "uncovered_usd")  # fmt: skip
BANDS = ("liquidated_usd", "adl_usd", "first_adl_s", "pool_low_usd", "uncovered_usd")
QUANTILES = (0.05, 0.95)
LARGEST_BOOK = 8 << 30  # bytes of a file of positions
MARKETS_KEPT = 4  # of a process; the scenarios of a sweep share few
Key = Annotated[str, Meta(pattern=r"^[0-9a-f]{16}\Z")]


class Row(Record, frozen=True):
    """What a scenario leaves behind: its key, crash and venue, headline numbers, and the error if it was refused.

    ``run_id`` is that of the run folder, where one is kept.

    With draws a number is the median over them. ``low`` and ``high`` are their 5th and 95th percentile,
    ``adl_frac`` and ``vault_died_frac`` the share of draws with ADL, or whose vault fell below zero.
    """

    key: Key
    event: str
    venue: str = ""
    run_id: str = ""
    draws: int = 0
    error: Word = ""
    values: dict[str, float | None] = field(default_factory=dict)
    low: dict[str, float | None] = field(default_factory=dict)
    high: dict[str, float | None] = field(default_factory=dict)
    adl_frac: float | None = None
    vault_died_frac: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What all scenarios of a sweep share on their way to a worker, and the scenarios by number.

    ``data`` is the digest of catalogue and lake. ``folders``: whether each scenario leaves a run folder in the
    workspace of the worker.
    """

    points: Mapping[int, Point]
    keys: Mapping[int, str]
    data: str
    draws: int
    draw_positions: int
    priors: Priors
    folders: bool = False

    def only(self, number: int) -> Task:
        """Return the task of one scenario, which is all that a machine far away needs."""
        return replace(self, points={number: self.points[number]}, keys={number: self.keys[number]})


def run_point(task: Task, number: int) -> Row:
    """Run a scenario; what it is refused for becomes its row."""
    point, key = task.points[number], task.keys[number]
    try:
        resolved = resolve(point.event, point.fields)
        if task.draws:
            return _drawn(task, resolved, point, key)
        return _replayed(task, resolved, key)
    except CrashbookError as error:
        return failed(point, key, str(error).splitlines()[0])
    except (ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError) as error:
        return failed(point, key, f"a defect of crashbook: {type(error).__name__}: {str(error).partition(chr(10))[0]}")


def failed(point: Point, key: str, reason: str) -> Row:
    """Return the row of a scenario that has no result."""
    return Row(key=key, event=point.event, venue=str(point.fields.get("venue", "")), error=reason)


def _replayed(task: Task, resolved: Resolved, key: str) -> Row:
    """Replay a scenario once; a run folder tells more of the market, which is then read for it alone."""
    if task.folders:
        prepared = prepare(resolved)
        done = finished(prepared)
        run = stored(prepared, done)
        share_run(run.path)
        run_id = run.run_id
    else:
        done, run_id = unstored(prepare(resolved, market=_markets(task.data).of(resolved))), ""
    found = headlines(done)
    return Row(
        key=key,
        event=resolved.event.id,
        venue=resolved.venue.id,
        run_id=run_id,
        values={name: _number(getattr(found, name)) for name in MEASURES},
    )


def _drawn(task: Task, resolved: Resolved, point: Point, key: str) -> Row:
    """Run all draws of a scenario; the same number gives the same draw in every scenario that draws the same."""
    parameters = parameters_for(task.priors, resolved, point.fields)
    work = DrawTask(
        resolved=resolved,
        market=_markets(task.data).of(resolved),
        positions=None,
        parameters=parameters.rows,
        values=tuple(draw(parameters.rows, resolved, task.draws, task.priors.accepted)),
        book_size=task.draw_positions,
    )
    found = [run_draw(work, number).headlines for number in range(task.draws)]
    low, high = ({name: _quantile(found, name, at) for name in BANDS} for at in QUANTILES)
    return Row(
        key=key,
        event=resolved.event.id,
        venue=resolved.venue.id,
        draws=task.draws,
        values={name: _quantile(found, name, 0.5) for name in MEASURES},
        low=low,
        high=high,
        adl_frac=sum(each.adl_usd > 0 for each in found) / task.draws,
        vault_died_frac=sum(each.vault_died for each in found) / task.draws,
    )


def _quantile(found: Sequence[Headlines], name: str, at: float) -> float | None:
    values = [float(value) for each in found if (value := getattr(each, name)) is not None]
    return round(float(np.quantile(values, at)), 6) if values else None


def _number(value: float | None) -> float | None:
    return None if value is None else float(value)


@lru_cache(maxsize=1)
def _markets(data: str) -> Markets:
    """Return the markets that this process has built; a worker of a cluster outlives a change of the lake."""
    refresh(now=True)
    return Markets(most=MARKETS_KEPT)


def keys_of(plan: Plan, points: Sequence[Point], data: str) -> list[str]:
    """Return the key of each scenario: a digest of all that decides its row, so that a changed input is run again."""
    shared = hashlib.sha256()
    shared.update(code_digest("studies").encode())
    shared.update("".join(f"{name}={version(name)};" for name in IDENTITY).encode())
    shared.update(f"{plan.draws};{plan.draw_positions};{plan.priors.digest};{data}".encode())
    encoder = msgspec.json.Encoder(order="deterministic")

    def key(point: Point) -> str:
        own = hashlib.sha256(shared.digest() + encoder.encode((point.event, point.fields)))
        policy = str(point.fields.get("adl_allocation", "")).rpartition(":")[0]  # FILE.py of FILE.py:FUNCTION
        for path in (point.fields.get("positions_file"), policy):
            own.update(_contents_digest(path).encode() if path else b"-")
        return own.hexdigest()[:16]

    return [key(point) for point in points]


def _contents_digest(path: str) -> str:
    """Return the digest of a file that a scenario names, nothing if it cannot be read: the scenario says why."""
    try:
        return hashlib.sha256(read_regular(Path(path), LARGEST_BOOK)).hexdigest()
    except (OSError, CrashbookError):
        return ""


@lru_cache(maxsize=1)
def _catalogue_digest() -> str:
    """Return a digest of events, venues and the sample, as they were when this process first asked."""
    digest = hashlib.sha256()
    for path in sorted(asset_root().joinpath("data").rglob("*")):
        if path.is_file() and "lake" not in path.parts:
            digest.update(path.name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def data_digest() -> str:
    """Return a digest of the catalogue, and of names, sizes and times or versions of the files in the lake."""
    refresh(now=True)
    digest, lake = hashlib.sha256(_catalogue_digest().encode()), lake_folder()
    if lake_address() is not None:
        digest.update(versions())
        return digest.hexdigest()
    for path in sorted(lake.rglob("*")) if lake.is_dir() else ():
        if path.is_file() and not path.is_symlink():
            found = path.stat()
            digest.update(f"{path.relative_to(lake)};{found.st_size};{found.st_mtime_ns}\n".encode())
    return digest.hexdigest()
