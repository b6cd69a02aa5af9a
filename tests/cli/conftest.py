"""One small run shared by the tests of the command line."""

from __future__ import annotations

import functools
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from backtest.catalogue.priors import read_priors
from backtest.cli.replay import Extras, run_all
from backtest.run.resolve import resolve
from backtest.run.run import StoredRun, open_folder
from backtest.studies.draws import DrawRequest

DRAWN = 100  # positions of the book of a draw
SMALL = ("2021-12-04", "--positions", "400", "--set", "step_s=20")


def stored(event: str, draws: int = 0, **fields: Any) -> StoredRun:
    """Store a run as ``crashbook replay`` does, without its audits and its summary, which take longer."""
    request = DrawRequest(size=draws, priors=read_priors(), book_size=DRAWN, fresh=False) if draws else None
    extras = Extras({}, request, report=False, path=None, fresh=False)
    return run_all(resolve(event, fields), fields, extras, lambda text: lambda done, total: None).run


@pytest.fixture(scope="session")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a workspace with two runs: seed 2, then seed 1, which is the latest."""
    home = tmp_path_factory.mktemp("shelf")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CRASHBOOK_HOME", str(home))
        for seed in (2, 1):
            stored("2021-12-04", positions=400, step_s=20.0, seed=seed)
    return home


@pytest.fixture(scope="session")
def latest(shelf: Path, opened: Callable[[Path], StoredRun]) -> StoredRun:
    """Return the latest run of the shared workspace."""
    return opened(max((shelf / "runs").iterdir(), key=lambda path: path.stat().st_mtime_ns))


@pytest.fixture
def copied(shelf: Path, workspace: Path) -> Path:
    """Return a copy of the shared workspace, which a test may change."""
    shutil.copytree(shelf / "runs", workspace / "runs")
    return workspace


@pytest.fixture(scope="session")
def opened() -> Callable[[Path], StoredRun]:
    """Return how a run is opened once in a session: to open its database takes longer than most questions."""
    return functools.cache(open_folder)


@pytest.fixture
def shared(shelf: Path, opened: Callable[[Path], StoredRun], monkeypatch: pytest.MonkeyPatch) -> Path:
    """Point a test that only reads at the shared workspace; commands find its runs opened."""
    monkeypatch.setenv("CRASHBOOK_HOME", str(shelf))
    monkeypatch.setattr(
        "backtest.run.run.open_folder", lambda path: opened(path) if shelf in path.parents else open_folder(path)
    )
    return shelf


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty folder that is the current one."""
    folder = tmp_path / "desk"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder
