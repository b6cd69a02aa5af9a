"""Hyperliquid's own files through the command line: from node fills and a snapshot to a replay beside what happened."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from backtest.run.run import open_run
from tests.cli.conftest import stored
from tests.fetch.hyperliquid.fill_files import adl_trade, block, takeover, user, write_lines
from tests.fetch.hyperliquid.test_snapshot import PAIR, A, position
from tests.fetch.hyperliquid.test_snapshot import market as market_of
from tests.support.command import call

EVENT = "2025-10-10"


@pytest.fixture
def fills(tmp_path: Path) -> Path:
    events = [*adl_trade(user(1), user(2)), *takeover(user(3), tid=78), ["no such", 1]]
    return write_lines(tmp_path / "21.lz4", [block(events), b"not json"])


def test_fills_are_listed_by_day_and_what_was_passed_over_is_told(fills: Path) -> None:
    result = call("fetch", EVENT, "--fills", str(fills), "--format", "csv")
    assert result.exit_code == 0, result.stderr
    assert result.stdout.splitlines() == [
        "day,symbol,adl,adl_usd,liquidations,liquidated_usd,rows",
        "2025-10-10,BTC/USDC:USDC,1,110000.0,1,110000.0,2",
    ]
    assert "first in line 2" in result.stderr
    assert "crashbook query actual_by_minute" in result.stderr


def test_a_replay_of_the_day_stands_beside_what_happened(fills: Path) -> None:
    assert call("fetch", EVENT, "--fills", str(fills), "-q").exit_code == 0
    stored(EVENT, coins=("BTC",), positions=100, step_s=60.0)
    answer = call("query", "actual_adl_order", "--format", "json", "-q")
    (row,) = json.loads(answer.stdout)
    assert (row["account"], row["side"], row["notional_usd"]) == (user(1), "short", 110000.0)
    minutes = json.loads(call("query", "actual_by_minute", "--format", "json", "-q").stdout)
    actual = {row["minute_ts"]: (row["actual_liquidated_usd"], row["actual_adl_usd"]) for row in minutes}
    assert actual["2025-10-10T21:16:00"] == (110000.0, 110000.0)


def test_a_snapshot_becomes_a_book_that_a_replay_takes(tmp_path: Path) -> None:
    path = tmp_path / "perp_positions_by_market_2025-10-10.json"
    path.write_text(json.dumps(PAIR))
    result = call("fetch", EVENT, "--snapshot", str(path), "--coins", "BTC", "--format", "csv")
    assert result.exit_code == 0, result.stderr
    assert result.stdout.splitlines()[1].startswith("BTC,2,2.0,2.0,0.0")
    assert "crashbook replay 2025-10-10 --positions data/books/2025-10-10-hyperliquid.parquet" in result.stderr
    book = Path(open_path("data", "books", "2025-10-10-hyperliquid.parquet"))
    words = ("replay", EVENT, "--coins", "BTC", "--positions", str(book), "--set", "step_s=60", "--format", "json")
    assert call(*words).exit_code == 0
    assert open_run().positions.height == 2


def open_path(*parts: str) -> str:
    from backtest.assets import workspace

    return str(workspace().joinpath(*parts))


def test_an_unbalanced_snapshot_says_how_to_run_it(tmp_path: Path) -> None:
    path = tmp_path / "positions.json"
    path.write_text(json.dumps([market_of("hyperliquid:BTC", position(A, 2.0, 100_000.0, 102_000, 22_300))]))
    result = call("fetch", EVENT, "--snapshot", str(path), "--book", str(tmp_path / "b.parquet"))
    assert "--set balance_with_market=true" in result.stderr


def test_options_of_a_snapshot_without_one_are_refused(tmp_path: Path) -> None:
    result = call("fetch", EVENT, "--book", str(tmp_path / "b.parquet"))
    assert result.exit_code == 2
    assert "go with --snapshot FILE" in result.stderr
    gone = call("fetch", EVENT, "--fills", "nowhere.lz4")
    assert gone.exit_code == 1
    assert len(gone.stderr.splitlines()) == 1
