"""One position by hand on the command line: its page, its row, and what it refuses."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from backtest.venue.reading import get_venue
from tests.support.command import call

BTC = ("position", "--venue", "binanceusdm", "--symbol", "BTC", "--on", "2024-10-24")
LONG = (*BTC, "--side", "long", "--size", "1", "--entry", "100000", "--margin", "10000")


def record(*args: str) -> dict[str, Any]:
    """Return the one row of the JSON answer, numbers exactly as printed."""
    result = call(*args, "--format", "json")
    assert result.exit_code == 0, result.stderr
    rows: list[dict[str, Any]] = json.loads(result.stdout, parse_float=Decimal)
    assert len(rows) == 1
    return rows[0]


def test_the_page_shows_every_figure_with_rule_and_source() -> None:
    result = call(*LONG)
    assert result.exit_code == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[0] == "venue   binanceusdm  Binance USD-M futures"
    assert "symbol  BTC/USDT:USDT, linear" in lines
    shown = {line.split()[0]: line for line in lines if line.strip()}
    for name, value, source in (
        ("notional_usd", "100,000", ""),
        ("maintenance_margin_usd", "450", "brackets-2024 [V]"),
        ("liquidation_px", "90,402", "faq-liquidation [V]"),
        ("bankruptcy_px", "90,000", ""),
        ("margin_ratio_frac", "0.045", ""),
        ("effective_leverage_x", "10", ""),
        ("unrealised_pnl_usd", "0", ""),
        ("adl_close_rule", "bankruptcy", "faq-adl [V]"),
    ):
        assert shown[name].split()[1] == value
        assert shown[name].endswith(source)
    assert "faq-liquidation: https://www.binance.com/en/support/faq/360033525271" in result.stdout
    assert "- fees and funding are in no figure" in lines


def test_json_is_one_row_with_exact_numbers() -> None:
    row = record(*LONG, "--mark", "95000")
    assert (row["venue"], row["symbol"], row["day"]) == ("binanceusdm", "BTC/USDT:USDT", "2024-10-24")
    assert row["margin_table_from"] == "2024-10-24"
    # 0.5 % of 95,000 less 50 on an equity of 5,000
    assert (row["maintenance_margin_usd"], row["equity_usd"]) == (425, 5000)
    assert (row["margin_ratio_frac"], row["effective_leverage_x"]) == (Decimal("0.085"), 19)
    assert (row["liquidation_px"], row["liquidation_exact_px"]) == (Decimal("90402.0"), Decimal("90402.01005"))
    assert row["adl_score"] == 0
    by_figure = {rule["figure"]: rule for rule in row["rules"]}
    assert set(by_figure) <= set(row)
    sources = get_venue("binanceusdm").sources
    assert by_figure["adl_score"]["url"] == sources["forum-adl-score"].url
    assert by_figure["maintenance_margin_usd"]["mark"] == "V"
    assert all(isinstance(note, str) for note in row["notes"])


def test_a_figure_without_value_is_null_and_says_why() -> None:
    row = record(*BTC, "--side", "long", "--size", "1", "--entry", "100000", "--leverage", "1")
    assert row["liquidation_px"] is None
    assert next(r["rule"] for r in row["rules"] if r["figure"] == "liquidation_px").startswith("no value: ")
    result = call(*BTC, "--side", "long", "--size", "1", "--entry", "100000", "--leverage", "1")
    assert next(line for line in result.stdout.splitlines() if line.startswith("bankruptcy_px")).split()[1] == "none"


def test_other_shapes_hold_the_same_row(desk: Path) -> None:
    exact = record(*LONG)
    for name in ("position.csv", "position.parquet"):
        result = call(*LONG, "--output", name)
        assert result.exit_code == 0, result.stderr
        frame = pl.read_parquet(desk / name) if name.endswith("parquet") else pl.read_csv(desk / name)
        assert frame.height == 1
        assert frame.columns == list(exact)
        assert float(frame["liquidation_px"][0]) == float(exact["liquidation_px"])


def test_several_entries_and_a_cross_wallet() -> None:
    row = record(*BTC, "--side", "short", "--entry", "100000:1", "--entry", "90000:2", "--mode", "cross",
                 "--wallet", "28000")  # fmt: skip
    assert (row["mode"], row["size_base"], row["entry_px"]) == ("cross", 3, Decimal("93333.33333"))
    assert (row["collateral_usd"], row["bankruptcy_px"]) == (28_000, Decimal("102666.66667"))
    assert any(note.startswith("cross: this position against the whole wallet") for note in row["notes"])


def test_the_day_is_the_profiles_own_unless_given() -> None:
    words = [word for word in LONG if word not in {"--on", "2024-10-24"}]
    assert record(*words)["day"] == get_venue("binanceusdm").as_of.isoformat()
    early = record(*words, "--on", "2020-03-12")
    assert early["margin_table_from"] == "2021-03-18"
    assert early["notes"][0] == "margin table of BTC at binanceusdm is dated 2021-03-18, after 2020-03-12"


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        ((*LONG, "--venue", "binance"), 2, "unknown venue 'binance'; did you mean binanceusdm or"),
        ((*LONG, "--symbol", "BTCC"), 2, "unknown coin at binanceusdm 'BTCC'; did you mean BTC?"),
        ((*LONG, "--symbol", "BTC/USD:BTC"), 1, "BTC/USD:BTC is coin-margined: the profile binanceusdm states neither"),
        ((*LONG, "--size", "-1"), 2, "size = -1; allowed: 0.001"),
        ((*LONG, "--size", "one"), 2, "--size 'one' is not a number; write it plainly, such as 100000.5"),
        ((*LONG, "--margin", "1,00"), 2, "--margin: 1,00 has a decimal comma: write 1.00"),
        ((*LONG, "--mark", "nan"), 2, "mark = NaN; allowed: 0.1"),
        ((*LONG, "--mark", "9" * 5000), 2, "e+5000; allowed: 0.1 to 1e+12 quote per base"),
        ((*LONG, "--mark", "x\n" * 50), 2, "--mark 'x\\nx\\n"),
        ((*LONG, "--entry", "90000:2"), 2, "several entries need a size each; give every entry as PRICE:SIZE"),
        ((*LONG, "--leverage", "10"), 2, "give exactly one of margin or leverage (isolated) and wallet (cross)"),
        ((*LONG, "--wallet", "10"), 2, "--mode cross and --wallet belong together"),
        ((*LONG, "--mode", "cross"), 2, "--mode cross and --wallet belong together"),
        ((*LONG, "--on", "yesterday"), 2, "invalid value for '--on': 'yesterday' does not match the format"),
        ((*LONG, "--side", "up"), 2, "invalid value for '--side': 'up' is not one of 'long', 'short'"),
        (BTC, 2, "missing --side, --entry, --size, --margin or --leverage; for example crashbook position "),
        (("position", "--mode", "cross", "--entry", "5:1"), 2, "missing --venue, --symbol, --side, --wallet;"),
        ((*LONG, "--mark", "95.000,5"), 2, "--mark: 95.000,5 has points between thousands: write 95000.5"),
        ((*BTC, "--side", "long", "--entry", ":", "--margin", "1"), 2, "--entry '' is not a number"),
        ((*BTC, "--side", "long", "--entry", "5", "--margin", "1"), 2, "missing --size; for example"),
    ],
)
def test_bad_input_is_refused_in_one_line(args: tuple[str, ...], code: int, said: str) -> None:
    result = call(*args)
    assert result.exit_code == code
    assert result.stdout == ""
    assert said in result.stderr
    assert result.stderr.startswith("crashbook: ")
    assert result.stderr.count("\n") == 1
