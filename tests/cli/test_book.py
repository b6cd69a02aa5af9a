"""``crashbook book``: the page, the row for programs, fallbacks and refusals."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.command import call

TARIFF = ("book", "2025-10-10", "--positions", "2000")


def record(*args: str) -> dict[str, Any]:
    """Return the one row of the JSON answer."""
    result = call(*args, "--format", "json")
    assert result.exit_code == 0, result.stderr
    rows: list[dict[str, Any]] = json.loads(result.stdout)
    assert len(rows) == 1
    return rows[0]


def test_the_page_shows_every_table() -> None:
    result = call(*TARIFF, "--set", "cross_frac=0.5", "--set", "positions_per_account=2", "--seed", "3")
    assert result.exit_code == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[0] == "event          2025-10-10 at hyperliquid"
    assert lines[1] == "book           2,000 positions, synthetic, seed 3"
    for title in ("by side and cohort", "by coin", "in breach once all prices have moved", "largest accounts"):
        assert title in lines
    assert any(line.startswith("adl_top_ten_share ") for line in lines)
    assert any(line.startswith("- cross accounts: ") for line in lines)


def test_json_is_one_row_with_a_table_a_column() -> None:
    row = record(*TARIFF, "--set", "delta_neutral_frac=0.25", "--coins", "BTC,SOL")
    assert (row["event"], row["venue"], row["positions"]) == ("2025-10-10", "hyperliquid", 2000)
    assert row["long_usd"] == row["short_usd"]
    shares = {(group["side"], group["cohort"]): group["side_frac"] for group in row["by_cohort"]}
    assert shares["short", "delta_neutral"] == pytest.approx(0.25, abs=0.03)
    assert {move["coin"] for move in row["liquidation_map"]} == {"all", "BTC", "SOL"}
    falls = [move["long_frac"] for move in row["liquidation_map"] if move["coin"] == "all" and move["move_frac"] < 0]
    assert falls == sorted(falls)
    assert falls[0] < falls[-1]
    sizes = [account["notional_usd"] for account in row["largest_accounts"]]
    assert sizes == sorted(sizes, reverse=True)
    assert len(sizes) == 10
    assert [group["side"] for group in row["concentration"]] == ["all", "long", "short"]


def test_an_event_without_facts_of_accounts_has_none_beside() -> None:
    result = call("book", "2021-12-04", "--positions", "500")
    assert result.exit_code == 0, result.stderr
    assert "published, of accounts closed by ADL, beside all shorts of the book: none" in result.stdout


def test_one_coin_falls_back_to_accounts_of_one_position() -> None:
    row = record(*TARIFF, "--coins", "BTC", "--set", "cross_frac=0.6", "--set", "positions_per_account=3")
    assert row["concentration"][0]["cross_frac"] == 0
    assert row["notes"][0].startswith("cross_frac = 0.6 has no effect: one coin is simulated")


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (
            ("--set", "short_leverage_mix={default=[[0, 1, 0.5]]}"),
            "short_leverage_mix.default = [[0.0, 1.0, 0.5]]; shares sum",
        ),
        (("--set", "positions_per_account=1"), "set positions_per_account to 2 or more, or cross_frac to 0"),
        (("--set", "delta_neutral_frac=2"), "delta_neutral_frac = 2; allowed: 0 to 1"),
        (("--set", "leverage_exponent=-1"), "leverage_exponent = -1; allowed: 0 to 3"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(args: tuple[str, ...], said: str) -> None:
    result = call(*TARIFF, *args)
    assert result.exit_code in {1, 2}
    assert said in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


def test_an_imported_book_is_shown_too(desk: Path) -> None:
    lines = ["account,symbol,side,quantity_base,entry_px,leverage,cohort", "a,BTC,long,40,118000,20,fund",
             "b,BTC,short,40,118000,2,"]  # fmt: skip
    (desk / "book.csv").write_text("\n".join(lines))
    row = record("book", "2025-10-10", "--coins", "BTC", "--positions", "book.csv")
    assert (row["book"], row["positions"]) == ("imported", 2)
    assert [group["cohort"] for group in row["by_cohort"]] == ["fund", "imported"]
