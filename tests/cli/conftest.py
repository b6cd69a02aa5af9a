"""One small run shared by the tests of the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.command import call

SMALL = ("2021-12-04", "--positions", "500", "--set", "step_s=20")


@pytest.fixture(scope="session")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a workspace with two runs: seed 2, then seed 1, which is the latest."""
    home = tmp_path_factory.mktemp("shelf")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CRASHBOOK_HOME", str(home))
        for seed in ("2", "1"):
            result = call("replay", *SMALL, "--seed", seed, "-q")
            assert result.exit_code == 0, result.stderr
    return home


@pytest.fixture
def shared(shelf: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Point a test that only reads at the shared workspace."""
    monkeypatch.setenv("CRASHBOOK_HOME", str(shelf))
    return shelf


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty folder that is the current one."""
    folder = tmp_path / "desk"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder
