"""``crashbook watch``: text in 80 columns, JSON, CSV, one line for what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from backtest.cli import terminal
from backtest.studies import watch
from tests.support.command import call

EVENT = "2025-10-10"
SHORT = "short 5000 SOL @ 221.5, 8x"
SMALL = (
    "--draws", "2", "--draw-positions", "300", "--leverages", "2,8", "--set", "coins=BTC,SOL", "--set", "step_s=20",
    "--set", "start=2025-10-10T21:10", "--set", "end=2025-10-10T21:24",
)  # fmt: skip


@pytest.fixture(autouse=True)
def one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run the draws here: tests of the crew start processes."""
    monkeypatch.setattr(watch, "worker_count", lambda jobs: 1)


def ask(*args: str) -> Any:
    return call("watch", EVENT, *SMALL, *args)


def test_the_answer_for_a_reader_fits_80_columns_and_its_page_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(terminal, "columns", lambda: 80)
    monkeypatch.setenv("CRASHBOOK_HOME", str(tmp_path))
    done = ask("--position", SHORT, "--hedged", "--report")
    text = done.stdout
    assert max(map(len, text.splitlines())) <= 80
    assert "position         short 5,000 SOL @ 221.5, 8.00x, hedged elsewhere; 0.1" in text
    for label in (
        "liquidated ",
        "ADL ",
        "  ahead",
        "  against mark",
        "  against trade",
        "held to 21:24",
        "unhedged for",
    ):
        assert any(line.startswith(label) for line in text.splitlines()), label
    assert "= 8.00x" in text
    assert "report  " in done.stderr
    page = (tmp_path / "reports" / f"watch-{EVENT}-hyperliquid.html").read_text()
    assert "What happens to short 5000 SOL, 8.00×?" in page
    assert page.count("<svg") == 4
    assert ">in full<" in page


def test_the_answer_as_json_and_csv(tmp_path: Path) -> None:
    mine = tmp_path / "mine.csv"
    mine.write_text("account,symbol,side,quantity_base,entry_px,leverage\nme,SOL,short,5000,221.5,8\n")
    got = json.loads(ask("--positions", str(mine), "--format", "json", "--quiet").stdout)
    assert got.keys() == {
        "event", "venue", "start_ts", "end_ts", "draws", "draw_positions", "positions", "summary", "by_draw", "waves",
        "notes",
    }  # fmt: skip
    assert [(row["leverage"], row["own"]) for row in got["summary"]] == [(8.0, True), (2.0, False)]
    assert len(got["by_draw"]) == 4
    tables = tmp_path / "mine.toml"
    mine_too = {"name": "desk", "coin": "SOL", "side": "short", "size_base": 5000, "entry_px": 221.5, "leverage": 8}
    tables.write_text("[[watch]]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in mine_too.items()))
    lines = ask("-c", str(tables), "--format", "csv", "--quiet").stdout.splitlines()
    assert lines[1].startswith("desk,8.0,true,2,")
    assert lines[0].startswith("position,leverage,own,draws,liquidated_draws,p_liquidated,p_liquidated_low")
    assert len(lines) == 3


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        ((), 2, "no position to watch"),
        (("--position", "short SOL"), 2, "the size is 'SOL', not a number such as 20k"),
        (("--position", SHORT, "--leverages", "two"), 2, "--leverages 'two': write numbers with commas between"),
        (("--position", SHORT, "--leverages", "nan"), 2, "leverages: nan; allowed are numbers above 0"),
        (("--position", SHORT, "--draws", "1"), 2, "invalid value for '--draws': 1 is not in the range 2<=x<=10000"),
        (("short 1 SOL @ 221.5, 5x",), 2, 'a position is given with --position "short 1 SOL @ 221.5, 5x"'),
        (("--positions", "nowhere.csv"), 1, "nowhere.csv: cannot be read"),
    ],
)
def test_what_is_refused_is_one_line(args: tuple[str, ...], code: int, said: str) -> None:
    done = ask(*args)
    assert done.exit_code == code
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1
