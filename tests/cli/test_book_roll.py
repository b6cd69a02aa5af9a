"""``crashbook book roll``: from an event's snapshot on disk, or from the path of one in a folder of the archive."""

from __future__ import annotations

import datetime as dt
import shutil
from pathlib import Path

import polars as pl
import pytest

from backtest.book.actual.write import book_path
from backtest.catalogue.events import get_event
from backtest.lake.place import Place
from backtest.lake.series import BAR_COLUMNS
from backtest.lake.write import write_day
from tests.fetch.reservoir import by_hand
from tests.support.command import call

EVENT = "2025-10-10"


@pytest.fixture(scope="module")
def fetched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with an archive and, in its home, what was fetched from it."""
    folder = tmp_path_factory.mktemp("fetched")
    archive = by_hand.venue(folder / "archive")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CRASHBOOK_HOME", str(folder / "home"))
        assert call("fetch", EVENT, "--archive", f"reservoir={archive}", "-q").exit_code == 0
    return folder


@pytest.fixture
def snapshot(fetched: Path, workspace: Path) -> Path:
    shutil.copytree(fetched / "home", workspace, dirs_exist_ok=True)
    return fetched / f"archive/global/snapshots/perp/all/date={by_hand.DAY}/{by_hand.BLOCK}.parquet"


def test_an_event_and_the_path_of_its_snapshot_give_the_same_book(snapshot: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.parquet"
    core = get_event(EVENT).core_start, get_event(EVENT).core_end - dt.timedelta(seconds=1)
    bars = pl.DataFrame({"ts": core, **{name: [1.0, 1.0] for name in BAR_COLUMNS[1:]}})
    write_day(bars, Place("hyperliquid", "BTC/USDC:USDC", "ohlcv", "1s"), core[0].date())
    for words in (["--from", EVENT], ["--from", str(snapshot), "--book", str(other)]):
        rolled = call("book", "roll", *words, "-q")
        assert rolled.exit_code == 0, rolled.stderr
    assert pl.read_parquet(other).equals(pl.read_parquet(book_path(EVENT)))


@pytest.mark.usefixtures("snapshot")
@pytest.mark.parametrize(("words", "said"), [
    (["--from", EVENT, "--to", f"{EVENT}T20:00"], "no snapshot before 2025-10-10 20:00:00 is on disk"),
    (["--from", "2025-10-09.parquet"], "documented as BLOCK_MILLISECONDS.parquet"),
    (["--from", "2024-08-05"], "no snapshot of 2024-08-05 is on disk; run crashbook fetch 2024-08-05"),
    (["--from", "2025-01-01"], "unknown event '2025-01-01'"),
])  # fmt: skip
def test_what_cannot_be_rolled_is_one_line(words: list[str], said: str) -> None:
    refused = call("book", "roll", *words)
    assert refused.exit_code in {1, 2}
    assert said in " ".join(refused.stderr.split())
    assert not book_path(EVENT).exists()
