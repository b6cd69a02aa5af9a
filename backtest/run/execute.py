"""A prepared replay run by the engine, its tables written as a run folder."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterator
from contextlib import contextmanager

from backtest.assets import inside, runs_folder
from backtest.durable import clear, remove
from backtest.engine.run import Progress
from backtest.errors import RunError
from backtest.run import identity
from backtest.run.describe import facts_of, meta_of
from backtest.run.finished import Finished
from backtest.run.folder import write_run
from backtest.run.prepare import Prepared
from backtest.run.run import StoredRun, open_folder
from backtest.run.share import share_run
from backtest.run.simulated import simulated


def execute(
    prepared: Prepared, progress: Progress | None = None, fresh: bool = False, *, share: bool = True
) -> StoredRun:
    """Run a prepared replay and return it opened; identical inputs give the folder that is already there.

    Parameters
    ----------
    fresh
        Run it again though its folder is there.
    share
        Whether the folder goes to the address of runs too, where there is one.
    """
    folder = inside(runs_folder(), prepared.run_id)
    clear(folder)  # the run may be there, and beside it what a killed writer of it left
    if not fresh and folder.is_dir():
        try:
            run = open_folder(folder)
            if run.run_id == prepared.run_id:
                return _shared(run, share)
        except RunError:
            pass  # a broken folder is written again
    began = time.time()
    return _shared(stored(prepared, finished(prepared, progress), began), share)


def _shared(run: StoredRun, share: bool) -> StoredRun:
    if share:
        share_run(run.path)
    return run


@contextmanager
def passing(prepared: Prepared, *, keep: bool = False) -> Iterator[StoredRun]:
    """Yield a run of a study; its folder goes with it unless it was there before or is to be kept."""
    there = inside(runs_folder(), prepared.run_id).is_dir()
    run = execute(prepared, share=there or keep)
    yield run
    if not (there or keep):
        remove(run.path)


def stored(prepared: Prepared, done: Finished, began: float | None = None) -> StoredRun:
    """Write a finished run and return it opened.

    Parameters
    ----------
    began
        When the engine was started, in seconds since the epoch; it stands in the log of the run.
    """
    from backtest.run.tables.results import result_tables

    ended = time.time()
    began = ended if began is None else began
    tables = result_tables(done)
    log = {"began": dt.datetime.fromtimestamp(began, dt.UTC).isoformat(), "engine_s": round(ended - began, 3),
           "tables_s": round(time.time() - ended, 3)}  # fmt: skip
    return open_folder(write_run(tables, meta_of(prepared, done.facts), log))


def finished(prepared: Prepared, progress: Progress | None = None) -> Finished:
    """Run a prepared replay to its end, and write nothing."""
    outcome = simulated(prepared, progress)
    facts = facts_of(prepared, identity.code_digest())
    return Finished(prepared.run_id, prepared.market, prepared.book, outcome, prepared.first_bar, facts)
