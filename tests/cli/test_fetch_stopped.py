"""Ctrl-C: the first finishes the request under way and says how to go on, the second stops at once."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.fetch.venues import lake_digests, tapes
from tests.server.app import LocalVenues
from tests.server.faults import Fault
from tests.support.command import call
from tests.support.hostile import files

WORDS = ("fetch", "2025-10-10", "--venue", "binanceusdm", "--only", "--coins", "BTC,SOL", "--series")
ROUTES = pytest.mark.parametrize(("series", "part"), [("ohlcv", "klines"), ("depth", "bookDepth")])
WAIT_S = 20.0
LOOKS = 12_000  # at the requests so far, before a process counts as hanging
FINISHING = "finishing the request under way; Ctrl-C again stops at once\n"


@contextmanager
def at_work(
    words: Sequence[str], faults: Sequence[Fault], tmp_path: Path
) -> Iterator[tuple[subprocess.Popen[str], LocalVenues]]:
    """Run a fetch from misbehaving venues in a process of its own."""
    archive = tmp_path / "archive"
    (archive / "binance").mkdir(parents=True, exist_ok=True)
    with LocalVenues(tapes(), faults, archive=archive) as venues:
        config = venues.write_config(tmp_path / "local.toml", retry={"first_s": 0.01})
        command = [sys.executable, "-m", "backtest", *words, "--exchange-config", str(config), "-q"]
        child = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=dict(os.environ)
        )
        try:
            yield child, venues
        finally:
            child.kill()
            child.communicate()


def until_asked(child: subprocess.Popen[str], venues: LocalVenues, part: str, times: int) -> None:
    """Wait for the nth request for a path, while the process that asks is alive; give up on one that hangs."""
    for _ in range(LOOKS):
        if sum(part in path for _, path, _ in venues.requests) >= times:
            return
        assert child.poll() is None, venues.requests
        time.sleep(0.01)
    pytest.fail(f"the process does not ask for {part}: {venues.requests}")


def interrupted(child: subprocess.Popen[str]) -> str:
    """Press Ctrl-C and return the line that answers it."""
    child.send_signal(signal.SIGINT)
    assert child.stderr is not None
    assert select.select([child.stderr], [], [], WAIT_S)[0]
    return child.stderr.readline()


@pytest.mark.slow
def test_ctrl_c_finishes_the_page_and_says_how_to_go_on(tmp_path: Path) -> None:
    words = (*WORDS, "ohlcv")
    with at_work(words, [Fault("slow", match="klines", delay_s=0.4)], tmp_path) as (child, venues):
        until_asked(child, venues, "klines", 2)
        assert interrupted(child) == FINISHING
        out, errors = child.communicate(timeout=WAIT_S)
        assert sum("klines" in path for _, path, _ in venues.requests) == 2
    assert child.returncode == 130
    assert errors == (
        "crashbook: interrupted; finished days are in the lake; the same command fetches the other 3 days\n"
    )
    assert "2025-10-10" in out
    assert [name.rpartition("/")[2] for name in files() if name.endswith(".parquet")] == ["2025-10-10.parquet"]
    plan = call(*words, "--exchange-config", str(tmp_path / "local.toml"), "--dry-run", "--format", "json")
    assert [row["requests"] for row in json.loads(plan.stdout)] == [0, 5], "what is in the lake, what is not"
    left = lake_digests()
    assert sum(name.startswith("journal") for name in left) == 1
    assert not any(name.endswith(".partial") for name in left)


@ROUTES
def test_a_second_ctrl_c_stops_at_once(series: str, part: str, tmp_path: Path) -> None:
    with at_work((*WORDS, series), [Fault("slow", match=part, delay_s=60)], tmp_path) as (child, venues):
        until_asked(child, venues, part, 1)
        assert interrupted(child) == FINISHING
        child.send_signal(signal.SIGINT)
        _, errors = child.communicate(timeout=WAIT_S)  # the answer would come after a minute
    assert child.returncode == 130
    assert errors.startswith("crashbook: interrupted; ")
    assert errors.count("\n") == 1


@ROUTES
def test_ctrl_c_while_waiting_to_ask_again(series: str, part: str, tmp_path: Path) -> None:
    faults = [Fault("rate_limited", match=part, retry_after_s=300)]
    with at_work((*WORDS, series), faults, tmp_path) as (child, venues):
        until_asked(child, venues, part, 1)
        assert interrupted(child) == FINISHING
        child.communicate(timeout=WAIT_S)  # it would ask again after five minutes
    assert child.returncode == 130
