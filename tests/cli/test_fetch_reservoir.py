"""``crashbook fetch --archive reservoir=PLACE``: cost first, read alone.

What a bucket costs is asked for in tests/fetch/reservoir/test_place.py, where one is served.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fetch.reservoir import by_hand
from tests.support.command import call


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return by_hand.venue(tmp_path_factory.mktemp("archive"))


def test_a_folder_is_read_after_its_bytes_are_stated_and_a_dry_run_only_lists(archive: Path, workspace: Path) -> None:
    words = ("fetch", "2025-10-10", "--archive", f"reservoir={archive}")
    listed = call(*words, "--dry-run")
    assert "to read: 0.1 MB of 6 files" in listed.stderr
    assert not (workspace / "data").exists()
    fetched = call(*words, "--coins", "BTC")
    assert fetched.exit_code == 0
    assert "the lake has bars of a second of 1 coins" in fetched.stderr
    assert " USD" not in fetched.stderr  # a folder costs nothing


def test_the_archive_is_read_alone(archive: Path) -> None:
    refused = call("fetch", "2025-10-10", "--archive", f"reservoir={archive}", "--archive", "binance=x")
    assert refused.exit_code == 2
    assert "is read alone" in refused.stderr
