"""A fetch that is killed at any moment, run twice at once, or starved of disk: the lake is that of an undisturbed run.

The moments are chosen: while each kind of request waits for its answer, and around each kind of write.
``CRASHBOOK_KILLS=50`` kills at fifty random moments besides.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.fetch.archives.archive_files import csv, other_name, put_zip
from tests.fetch.venues import IMPATIENT, NOW, VENUES, elsewhere, fetched, lake_digests, tapes, wanted
from tests.fetch.zygote import DEATHS, Zygote
from tests.server.app import LocalVenues
from tests.server.faults import Fault, Faults
from tests.server.market import CRASH_DAYS

KILLS = int(os.environ.get("CRASHBOOK_KILLS", "0"))
DAYS = [day.isoformat() for day in CRASH_DAYS]
SERIES = ("depth", "ohlcv", "funding")  # of an archive's files, of many pages, of one page
COINS = ("BTC", "SOL")
FILES = 10  # two coins on two days; of the depth one coin's
BANDS = (-1, -0.2, 0.2, 1)
# requests in the order in which they are made: what they match, and the how many-eth of the symbol
WAITING = (
    ("*bookDepth-2025-10-11.zip*", 1),
    ("exchangeInfo", 1),
    ("klines?BTCUSDT", 3),
    ("klines?SOLUSDT", 2),
    ("fundingRate?SOLUSDT", 1),
)


@dataclass
class Bench:
    """The venues, the process that forks, and what an undisturbed run leaves in how many seconds."""

    venues: LocalVenues
    zygote: Zygote
    settings: dict[str, Any]
    quiet: dict[str, str] = field(default_factory=dict)
    length_s: float = 0.0

    def start(
        self, home: Path, *, coins: Sequence[str] = COINS, venue: str = "binanceusdm",
        series: Sequence[str] = SERIES, **more: Any,
    ) -> int:  # fmt: skip
        """Begin a fetch; return the number of its process."""
        asked = {"coins": coins, "series": series, "days": DAYS, "venues": [venue], "now": NOW.isoformat()}
        return self.zygote.start(home, self.settings, asked, **more)

    def finish(self, home: Path, **more: Any) -> int:
        """Fetch to the end; return the exit code, 3 where some days are with nobody."""
        return self.zygote.wait(self.start(home, **more))


def lake(home: Path) -> dict[str, str]:
    """Return the digests of another workspace's lake."""
    with pytest.MonkeyPatch.context() as patch:
        elsewhere(patch, home)
        return lake_digests()


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    archive, home = tmp_path_factory.mktemp("archive"), tmp_path_factory.mktemp("quiet")
    for day in DAYS:
        rows = [(f"{day} {n // 60:02d}:{n % 60:02d}:08", band, 5 + n, 9e5 + n) for n in range(900) for band in BANDS]
        put_zip(archive / "binance", other_name("bookDepth", "BTCUSDT", day), csv("bookDepth", rows))
    with LocalVenues(tapes(), now=NOW, archive=archive) as venues, Zygote() as zygote:
        settings = {**venues.config(), "retry": IMPATIENT}
        bench = Bench(venues, zygote, settings)
        began = time.monotonic()
        code = bench.finish(home)
        bench.length_s = time.monotonic() - began
        bench.quiet = quiet = lake(home)
        assert code == 3  # nobody has the depth of SOL
        assert sum(name.endswith(".parquet") and not name.startswith("journal") for name in quiet) == FILES
        assert sum(name.startswith("journal") for name in quiet) == FILES
        yield bench


def assert_whole(home: Path, bench: Bench) -> None:
    """Check that whatever a killed process left under a final name is whole."""
    left = {name: digest for name, digest in lake(home).items() if not name.endswith(".partial")}
    assert left.items() <= bench.quiet.items()


def assert_resumes(home: Path, bench: Bench) -> None:
    assert_whole(home, bench)
    assert bench.finish(home) == 3
    assert lake(home) == bench.quiet


def killed_waiting(home: Path, bench: Bench, match: str, nth: int) -> None:
    """Fetch and kill while the nth request that matches waits for its answer."""
    bench.venues.faults = Faults([Fault("slow", match=match, at=(nth,), delay_s=3600)])
    try:
        child = bench.start(home)
        while not bench.venues.faults.fired:
            assert state_of(child) not in {"Z", ""}, "the fetch ended without that request"
            time.sleep(0.005)
        os.kill(child, signal.SIGKILL)
        assert bench.zygote.wait(child) == -signal.SIGKILL
    finally:
        bench.venues.faults = Faults()


def test_killed_while_each_kind_of_request_waits_and_resumed(bench: Bench, workspace: Path) -> None:
    for match, nth in WAITING:  # on one lake: each resumes where the one before was killed
        killed_waiting(workspace, bench, match, nth)
        assert_whole(workspace, bench)
    assert_resumes(workspace, bench)


@pytest.mark.skipif(not KILLS, reason="random moments: CRASHBOOK_KILLS=50")
@pytest.mark.parametrize("number", range(max(KILLS, 1)))
def test_killed_at_a_random_moment_and_resumed(number: int, bench: Bench, workspace: Path) -> None:
    child = bench.start(workspace)
    time.sleep(random.Random(number).uniform(number, number + 1) / KILLS * bench.length_s)
    with suppress(ProcessLookupError):
        os.kill(child, signal.SIGKILL)
    assert bench.zygote.wait(child) in {3, -signal.SIGKILL}
    assert_resumes(workspace, bench)


@pytest.mark.parametrize(("place", "nth"), [(place, number % 2 + 1) for number, place in enumerate(DEATHS)])
def test_killed_around_a_write(place: str, nth: int, bench: Bench, workspace: Path) -> None:
    assert bench.finish(workspace, die=place, nth=nth) == -signal.SIGKILL
    left = lake(workspace)
    if place in {"half a file", "before the rename", "a download"}:
        assert any(name.endswith(".partial") for name in left)
    assert_resumes(workspace, bench)


def test_a_day_that_is_there_is_not_asked_for_after_a_kill(bench: Bench, workspace: Path) -> None:
    assert bench.finish(workspace, die="half a file", nth=FILES) == -signal.SIGKILL
    before = len(bench.venues.requests)
    assert bench.finish(workspace) == 3
    again = [path.rpartition("/")[2] for venue, path, _ in bench.venues.requests[before:] if venue == "binance"]
    assert again == ["exchangeInfo", "fundingRate"]
    assert lake(workspace) == bench.quiet


def journal(home: Path) -> list[dict[str, Any]]:
    lines = (home / "data" / "lake" / "manifest.jsonl").read_bytes().splitlines()
    return [orjson.loads(line) for line in lines if line]


def test_two_at_once_leave_the_lake_of_one(bench: Bench, workspace: Path) -> None:
    children = [bench.start(workspace) for _ in range(2)]
    assert [bench.zygote.wait(child) for child in children] == [3, 3]
    assert lake(workspace) == bench.quiet
    assert {entry["file"] for entry in journal(workspace)} == {
        name for name in bench.quiet if name.endswith(".parquet") and not name.startswith("journal of ")
    }


def test_two_at_once_of_other_coins_and_venues_leave_the_lake_of_one_after_the_other(
    bench: Bench, workspace: Path, tmp_path: Path
) -> None:
    calls = [(("BTC",), "bybit"), (("SOL",), "binanceusdm"), (("SOL",), "bybit")]
    bench.finish(tmp_path / "quiet", venue="bybit")
    quiet = lake(tmp_path / "quiet") | {name: digest for name, digest in bench.quiet.items() if "SOL" in name}
    children = [bench.start(workspace, coins=coins, venue=venue) for coins, venue in calls]
    assert [bench.zygote.wait(child) for child in children] == [3, 3, 3]
    assert lake(workspace) == quiet
    assert len(journal(workspace)) == 12


def test_one_of_two_at_once_is_killed(bench: Bench, workspace: Path) -> None:
    child = bench.start(workspace, die="half a file", nth=3, by=signal.SIGSTOP)
    while state_of(child) != "T":
        time.sleep(0.01)
    assert bench.finish(workspace) == 3  # while the other stands still in the middle of a file
    os.kill(child, signal.SIGKILL)
    assert bench.zygote.wait(child) == -signal.SIGKILL
    assert_resumes(workspace, bench)


def state_of(child: int) -> str:
    """Return the state of a process: T where it is stopped, empty where it has ended."""
    try:
        return Path(f"/proc/{child}/stat").read_text("ascii").rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return ""


@pytest.mark.parametrize(("venue", "pages"), [*((venue, 2) for venue in VENUES), ("binanceusdm", 3)])
def test_stopped_between_pages_and_resumed(
    venue: str, pages: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    goals = wanted([venue], ("ohlcv", "funding"), coins=COINS)
    elsewhere(monkeypatch, tmp_path / "stopped")
    outcome, _ = fetched(goals, stop_after=pages)
    assert outcome.interrupted
    left = lake(tmp_path / "stopped")
    outcome, _ = fetched(goals)
    assert not outcome.interrupted
    resumed = lake(tmp_path / "stopped")
    elsewhere(monkeypatch, tmp_path / "quiet")
    fetched(goals)
    assert left.items() < lake(tmp_path / "quiet").items()
    assert resumed == lake(tmp_path / "quiet")


def full(bench: Bench, home: Path, limit: int, **more: Any) -> str:
    """Fetch with a limit to the size of files; return the one line that says so."""
    errors = home.parent / "errors"
    assert bench.finish(home, limit=limit, errors=str(errors), **more) == 1
    (line,) = errors.read_text("utf-8").splitlines()
    assert not any(name.endswith(".partial") for name in lake(home))
    assert_whole(home, bench)
    return line


@pytest.mark.parametrize("limit", [0, 20_000])
def test_a_full_disk_is_one_line_and_the_lake_goes_on(limit: int, bench: Bench, workspace: Path) -> None:
    assert "cannot be written: File too large; free space" in full(bench, workspace, limit)
    assert bench.finish(workspace) == 3
    assert lake(workspace) == bench.quiet


def test_a_disk_too_full_for_a_download_is_no_damaged_file(bench: Bench, workspace: Path) -> None:
    line = full(bench, workspace, 1500, coins=("BTC",), series=("depth",))
    assert "BTCUSDT-bookDepth-2025-10-10.zip: cannot be written: File too large" in line


def test_a_journal_without_room_for_its_line_is_told_and_the_line_entered_later(bench: Bench, workspace: Path) -> None:
    assert bench.finish(workspace) == 3
    book = workspace / "data" / "lake" / "manifest.jsonl"
    next((workspace / "data" / "lake" / "funding").rglob("*.parquet")).unlink()
    whole = book.read_bytes().splitlines(keepends=True)
    assert "cannot be written: No space left on device" in full(bench, workspace, len(b"".join(whole)) + 100)
    assert bench.finish(workspace) == 3
    assert lake(workspace) == bench.quiet
    assert len([line for line in book.read_bytes().splitlines() if line]) == len(whole) + 1  # and the torn one
