"""Hypothesis profiles and the folder of shared data, absent outside the maintainers' machines."""

from __future__ import annotations

import compileall
import gc
import os
import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# Compiled tests and modules are kept even where the environment says no: the next run, and every program that a test
# starts, would compile them anew, 8 CPU seconds in a worker.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
# The workers of xdist fill the processors: threads of their own libraries for frames of a few rows only wait for each
# other. Results do not depend on it.
os.environ |= {name: "1" for name in ("POLARS_MAX_THREADS", "OPENBLAS_NUM_THREADS") if name not in os.environ}

settings.register_profile(
    "ci",
    derandomize=True,
    deadline=None,
    max_examples=35,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.register_profile("long", parent=settings.get_profile("ci"), derandomize=False, max_examples=5000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


def pytest_configure(config: pytest.Config) -> None:
    """Compile the package once, before workers and the programs that they start import it at the same time."""
    if not hasattr(config, "workerinput"):
        compileall.compile_dir(str(Path(__file__).parents[1] / "backtest"), quiet=2)


# Files that take longest: they are given out first, so that no worker begins one when the others are done.
LONGEST = (
    "test_documents.py", "test_page.py", "test_bad_tapes.py", "test_faults.py", "test_cloud.py", "test_interrupt.py",
    "test_cross_accounts.py", "test_replay.py", "test_digests.py", "test_bad_input.py", "test_place.py",
    "test_folder.py", "test_sweep.py", "test_funding.py", "test_fetch_stopped.py", "test_paired.py", "test_killed.py",
    "test_mcp.py", "test_simulated_faults.py", "test_many_worlds.py", "test_browser.py", "test_measured_priors.py",
)  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests of the longest files first, in the order they have."""
    rank = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: rank.get(item.path.name, len(LONGEST)))


def pytest_collection_finish() -> None:
    """Keep the garbage collector from going through modules and tests, which stay, again and again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


def pytest_sessionfinish() -> None:
    """Let what was kept from the garbage collector end in order."""
    gc.unfreeze()


@pytest.fixture(scope="session")
def new_homes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return workspaces to be, each alone in a folder, one after the other."""
    base = tmp_path_factory.mktemp("homes")
    return (base / str(number) / "home" for number in count())


@pytest.fixture(autouse=True)
def workspace(request: pytest.FixtureRequest, new_homes: Iterator[Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give every test a workspace of its own: in its temporary folder where it has one, which takes long to make."""
    home: Path = request.getfixturevalue("tmp_path") / "home" if "tmp_path" in request.fixturenames else next(new_homes)
    home.mkdir(parents=True)
    monkeypatch.setenv("CRASHBOOK_HOME", str(home))
    return home


@pytest.fixture(autouse=True, scope="session")
def no_waits() -> Iterator[None]:
    """Let folders that are thrown away not wait for the disk, and small draws not for interpreters to start.

    The simulated disk knows what was flushed; the tests of draws and of crews start workers, which give the same.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda handle: None)
        patch.setattr("backtest.studies.crew.MOST_WORKERS", 1)
        yield
