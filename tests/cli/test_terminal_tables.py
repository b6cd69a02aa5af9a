"""Tables on a terminal: short values that fit its width; elsewhere every digit."""

from __future__ import annotations

import datetime as dt
import zipfile
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from backtest.cli.layout import Cells, laid_out
from backtest.cli.short import short_cells
from tests.support.command import call

WAVES = pl.DataFrame(
    {
        "ts": [dt.datetime(2025, 10, 10, 21, 16, 4, 5), dt.datetime(2025, 10, 10, 21, 17)],  # noqa: DTZ001
        "symbol": ["BTC/USDC:USDC", "SOL/USDC:USDC"],
        "notional_usd": [Decimal("2884123456.789012"), Decimal("-12.345678")],
        "move_frac": [-0.1824, None],
        "mark_px": [110082.5, 154.5512],
        "wave_id": [1234, 5],
        "lots": [279992341, 7],
    }
)


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let stdout be a terminal of 80 columns."""
    monkeypatch.setattr("backtest.cli.terminal.columns", lambda: 80)


def test_values_are_short_by_the_unit_of_their_column() -> None:
    cells = short_cells(WAVES)
    assert dict(zip(cells.names, cells.texts, strict=True)) == {
        "ts": ["21:16:04", "21:17:00"],
        "symbol": ["BTC", "SOL"],
        "notional_usd": ["2,884 M", "−12.3"],
        "move_frac": ["−18.2 %", "-"],
        "mark_px": ["110,083", "154.55"],
        "wave_id": ["1234", "5"],
        "lots": ["279,992,341", "7"],
    }
    assert cells.left_out == "times of 2025-10-10 UTC; --exact shows all digits"


def test_columns_that_do_not_fit_follow_in_blocks_with_the_first_column_again() -> None:
    texts = [["1", "2"], ["1" * 30, "-"], ["2" * 30, "-"], ["3" * 30, "-"]]
    text = "".join(laid_out(Cells(["rank", "a_usd", "b_usd", "c_usd"], texts, [True] * 4), 80))
    first, second = text.split("\n\n")
    assert first.splitlines()[0].split() == ["rank", "a_usd", "b_usd"]
    assert second.splitlines()[0].split() == ["rank", "c_usd"]
    assert max(map(len, text.splitlines())) <= 80


@pytest.mark.parametrize("words", [("events",), ("venues",), ("params",), ("query",), ("schema", "steps"), ("runs",),
                                   ("query", "largest_liquidations"), ("sql", "from positions limit 5"),
                                   ("query", "run_summary"), ("query", "adl_waves", "--exact")])  # fmt: skip
def test_every_table_fits_80_columns(words: tuple[str, ...], shared: Path, narrow: None) -> None:
    result = call(*words, "-q")
    assert result.exit_code == 0
    assert max(map(len, result.stdout.splitlines())) <= 80


def test_one_row_is_names_and_values_and_exact_keeps_every_digit(shared: Path, narrow: None) -> None:
    text = "select 1789607763.123456 as adl_usd, 'BTC/USDC:USDC' as symbol"
    assert call("sql", text, "-q").stdout == "adl_usd  1,790 M\nsymbol   BTC\n"
    assert "1789607763.123456  BTC/USDC:USDC" in call("sql", text, "--exact", "-q").stdout


def test_files_of_an_unknown_kind_are_refused(desk: Path) -> None:
    result = call("schema", "--output", "tables.xls")
    assert result.exit_code == 2
    assert "nothing is known of .xls; allowed: .csv, .json, .parquet, .xlsx, .txt" in result.stderr
    assert not list(desk.iterdir())


def test_a_workbook_holds_the_answer_and_no_formula(desk: Path, shared: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    words = ("sql", "select '=1+1' as text, 0.5 as x, timestamp '2025-10-10 21:16:04' as ts, null as gap", "-q")
    for name in ("a.xlsx", "b.xlsx"):
        assert call(*words, "--output", name).exit_code == 0
    sheet = openpyxl.load_workbook(desk / "a.xlsx").active
    assert [[cell.value for cell in row] for row in sheet.iter_rows()] == [
        ["text", "x", "ts", "gap"],
        ["=1+1", 0.5, dt.datetime(2025, 10, 10, 21, 16, 4), None],  # noqa: DTZ001
    ]
    assert sheet["A2"].data_type == "s"
    assert (desk / "a.xlsx").read_bytes() == (desk / "b.xlsx").read_bytes()
    assert zipfile.is_zipfile(desk / "a.xlsx")
