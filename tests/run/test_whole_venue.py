"""A small book of one's own says that it is the whole venue, before it runs and beside its headline."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from backtest.run.prepare import prepare
from backtest.run.resolve import resolve
from backtest.run.whole_venue import whole_venue
from tests.support.command import call

BOOK = "account,symbol,side,quantity_base,entry_px,leverage\n1,BTC,long,{size},118000,5\n2,BTC,short,{size},118000,5\n"
WINDOW = {"start": "2025-10-10T21:10:00", "end": "2025-10-10T21:12:00"}


def said(tmp_path: Path, size: float, **fields: Any) -> list[str]:
    path = tmp_path / "book.csv"
    path.write_text(BOOK.format(size=size))
    given = {"coins": ("BTC",), "positions_file": str(path), "step_s": 20.0, **fields}
    return whole_venue(prepare(resolve("2025-10-10", given)))


def test_a_small_book_says_what_is_not_scaled_to_it(tmp_path: Path) -> None:
    (text,) = said(tmp_path, 100.0)
    assert text.startswith("this book is the whole venue, 0.5")
    assert "fund or vault of the event, not scaled to it; liquidity of the event, not scaled to it" in text
    assert text.endswith("crashbook watch follows positions of yours in the crowd")
    (text,) = said(tmp_path, 100.0, liquidity_factor=0.005, vault_capital_usd=1e5)
    assert "fund or vault as given; liquidity as given" in text


def test_a_book_of_the_event_s_size_and_a_drawn_one_say_nothing(tmp_path: Path) -> None:
    assert said(tmp_path, 3000.0) == []
    assert whole_venue(prepare(resolve("2025-10-10", {"positions": 100, "coins": ("BTC",)}))) == []


def test_it_is_said_before_the_run_and_beside_the_headline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRASHBOOK_HOME", str(tmp_path))
    path = tmp_path / "book.csv"
    path.write_text(BOOK.format(size=50))
    window = [f"--set={name}={value}" for name, value in WINDOW.items()]
    done = call("replay", "2025-10-10", "--coins", "BTC", "--positions", str(path), "--set", "step_s=20", *window)
    assert done.exit_code == 0, done.stderr
    assert done.stderr.splitlines()[0].startswith("note: this book is the whole venue")
    assert "\n  beware      this book is the whole venue" in done.stdout
