"""Clearinghouse snapshots: allocation by hand, what is left out, the importer takes the file, hostile JSON."""

from __future__ import annotations

import json
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from backtest.api.replay import replay
from backtest.book.importer import read_positions
from backtest.errors import BookError
from backtest.fetch.hyperliquid import snapshot as module
from backtest.fetch.hyperliquid.clearinghouse import PositionRow, SnapshotCounts, position_rows, stream
from backtest.fetch.hyperliquid.snapshot import RULES, SnapshotReport, import_snapshot
from tests.book.support import BTC, SOL, TIERS, marks

A, B, C = (f"0x{letter * 40}" for letter in "abc")
Rows = list[dict[str, Any]]


def position(user: str, size: Any, entry: Any, mark: float, value: Any = 10_000.0, **more: Any) -> dict[str, Any]:
    """Return a position as published, keys that are not read included."""
    notional = round(abs(float(size)) * mark, 6)
    return {
        "user": user, "size": size, "notional_size": notional, "funding_pnl": 0.035389, "entry_price": entry,
        "is_cross": True, "leverage": 10, "liquidation_price": None, "account_value": value,
    } | more  # fmt: skip


def market(name: str, *positions: Any, name_last: bool = False) -> dict[str, Any]:
    head = {"market_name": name, "snapshot_id": "custom", "position_count": len(positions)}
    return {"positions": list(positions)} | head if name_last else head | {"positions": list(positions)}


PAIR = (
    market(
        "hyperliquid:BTC", position(A, 2.0, 100_000.0, 102_000, 22_300), position(B, -2.0, 101_000.0, 102_000, 9_000)
    ),
    market("hyperliquid:SOL", position(A, -100.0, 200.0, 190, 22_300), position(C, 100.0, 180.0, 190, 5_000)),
)


@pytest.fixture
def snapshot(tmp_path: Path) -> Any:
    """Return a function that writes a snapshot and imports it."""

    def write_and_import(*markets: Any, values: Any = None, **options: Any) -> SnapshotReport:
        path, beside = tmp_path / "perp_positions_by_market.json", tmp_path / "account_value_snapshot.json"
        path.write_text(json.dumps(markets))
        if values is not None:
            beside.write_text(json.dumps(values))
        return import_snapshot(path, None if values is None else beside, tmp_path / "book.parquet", **options)

    return write_and_import


def parsed(folder: Path, *markets: Any) -> tuple[list[PositionRow], SnapshotCounts]:
    """Return the positions that are read of a snapshot, and the counts."""
    path, counts = folder / "positions.json", SnapshotCounts()
    path.write_text(json.dumps(markets))
    return list(stream(path, lambda events: position_rows(events, counts), None)), counts


def book(report: SnapshotReport) -> Rows:
    return pl.read_parquet(report.book).to_dicts()


def held(report: SnapshotReport) -> set[tuple[str, str]]:
    return {(row["account"], row["symbol"]) for row in book(report)}


def test_an_allocation_by_hand(snapshot: Any) -> None:
    report = snapshot(*PAIR)
    columns = ("account", "symbol", "side", "quantity_base", "entry_px", "collateral_usd", "margin_mode")
    # A: 22,300 over 204,000 and 19,000 gives 20,400 and 1,900, of which 4,000 and 1,000 are profit not yet realised
    assert [tuple(row.values()) for row in book(report)] == [
        (A, "BTC", "long", 2.0, 100_000.0, 16_400.0, "cross"),
        (B, "BTC", "short", 2.0, 101_000.0, 11_000.0, "cross"),
        (C, "SOL", "long", 100.0, 180.0, 4_000.0, "cross"),
        (A, "SOL", "short", 100.0, 200.0, 900.0, "cross"),
    ]
    assert tuple(book(report)[0]) == columns
    assert (report.rule, report.read, report.positions, report.accounts) == (RULES["cross"], 4, 4, 3)
    assert (report.notional_usd, report.left_out, report.balanced) == (446_000.0, {}, True)


def test_equity_at_the_mark_of_the_snapshot_is_the_account_value(snapshot: Any) -> None:
    mark = {"BTC": 102_000, "SOL": 190}
    equity = dict.fromkeys((A, B, C), 0.0)
    for row in book(snapshot(*PAIR)):
        sign = 1 if row["side"] == "long" else -1
        equity[row["account"]] += row["collateral_usd"] + sign * row["quantity_base"] * (
            mark[row["symbol"]] - row["entry_px"]
        )
    assert equity == pytest.approx({A: 22_300, B: 9_000, C: 5_000})


def test_the_importer_takes_the_file_as_it_is(snapshot: Any) -> None:
    report = snapshot(*PAIR)
    options: dict[str, Any] = {"inclusive": False, "balance_with_market": False}
    read = read_positions(report.book, (BTC, SOL), [TIERS] * 2, marks(BTC, SOL), **options)
    assert read.lots.tolist() == [2_000, 2_000, 10_000, 10_000]
    assert read.collateral.tolist() == [16_400_000_000, 11_000_000_000, 4_000_000_000, 900_000_000]
    assert read.names == {1: A, 2: B, 3: C}
    assert (read.label, read.market_lots) == ("imported", (0, 0))
    assert "cross accounts: 1 with 2 of 4 positions" in read.notes  # those of A; one position is no cross account


def test_a_user_may_hold_isolated_positions_and_isolated_reading_is_a_switch(snapshot: Any) -> None:
    own = market(
        "hyperliquid:XRP", position(A, 10.0, 2.0, 2.0, 22_300, is_cross=False), position(B, -10.0, 2.0, 2.0, 9e3)
    )
    modes = {(row["account"], row["symbol"]): row["margin_mode"] for row in book(snapshot(*PAIR, own))}
    assert {pair for pair, mode in modes.items() if mode == "isolated"} == {(A, "XRP")}
    alone = snapshot(*PAIR, own, margin="isolated")
    assert {row["margin_mode"] for row in book(alone)} == {"isolated"}
    assert alone.rule == RULES["isolated"]


def test_account_values_stand_beside_the_book(snapshot: Any) -> None:
    report = snapshot(
        *PAIR, values=[{"user": A.upper(), "account_value": "44600"}, {"user": B, "account_value": 8_000}]
    )
    assert report.accounts_file.name == "book.accounts.parquet"
    assert pl.read_parquet(report.accounts_file).rows() == [
        (A, 44_600.0, 223_000.0, 2),
        (B, 8_000.0, 204_000.0, 1),
        (C, 5_000.0, 19_000.0, 1),
    ]
    assert [row["collateral_usd"] for row in book(report)] == [36_800.0, 10_000.0, 4_000.0, 2_800.0]


def test_values_are_allocated_over_all_markets_whatever_coins_are_kept(snapshot: Any) -> None:
    report = snapshot(*PAIR, coins=["BTC"])
    assert [row["collateral_usd"] for row in book(report)] == [16_400.0, 11_000.0]
    assert report.left_out == {"coin not asked for": 2}


def test_accounts_without_value_and_sizes_below_a_lot_are_left_out(snapshot: Any) -> None:
    tiny = market("hyperliquid:ETH", position(A, 0.00004, 4_000.0, 4_000, 22_300), position(C, -1.0, 4_000.0, 4_000, 0))
    report = snapshot(*PAIR, tiny, values=[{"user": B, "account_value": -3.5}], lots={"ETH": Decimal("0.0001")})
    assert held(report) == {(A, "BTC"), (A, "SOL"), (C, "SOL"), (C, "ETH")}
    assert report.left_out == {"account value of zero or less": 1, "below one lot": 1}
    assert report.accounts_without_value == 1


def test_an_account_is_worth_what_its_first_position_says(snapshot: Any) -> None:
    report = snapshot(market("hyperliquid:BTC", position(A, 1, 1, 1, 5), position(B, -1, 1, 1, None)))
    assert report.left_out == {"no account value": 1}
    assert [row["collateral_usd"] for row in book(report)] == [5.0]


def test_imbalance_is_reported_per_coin(snapshot: Any) -> None:
    markets = (
        market("hyperliquid:BTC", position(A, 2.0, 1.0, 1), position(B, -1.5, 1.0, 1), position(C, -0.5, 1.0, 1, 0)),
    )
    report = snapshot(*markets)
    (one,) = report.markets
    assert (one.coin, one.positions, one.longs_base, one.shorts_base) == ("BTC", 2, 2.0, 1.5)
    assert (one.difference_base, one.snapshot_difference_base) == (0.5, 0.0)
    assert not report.balanced


@pytest.mark.parametrize(
    ("size", "side", "expected"),
    [(-2.0, None, "short"), ("-2", None, "short"), (2, None, "long"), (2.0, "short", "short"), (2.0, "A", "short"),
     (2.0, "Long", "long"), (2.0, "B", "long"), (-2.0, "long", "short")],
)  # fmt: skip
def test_sides(size: Any, side: Any, expected: str, tmp_path: Path) -> None:
    more = {} if side is None else {"side": side}
    rows, _ = parsed(tmp_path, market("hyperliquid:BTC", position(A, size, 100.0, 100, **more)))
    assert [(row.side, row.quantity_base) for row in rows] == [(1 if expected == "long" else -1, 2.0)]


@pytest.mark.parametrize(("is_cross", "expected"), [(True, 1), (None, 1), (False, 0)])
def test_cross_is_the_usual_margin(is_cross: Any, expected: int, tmp_path: Path) -> None:
    rows, _ = parsed(tmp_path, market("hyperliquid:BTC", position(A, 1.0, 100.0, 100, is_cross=is_cross)))
    assert [row.is_cross for row in rows] == [expected]


def test_the_name_of_a_market_may_come_last(snapshot: Any, tmp_path: Path) -> None:
    first = snapshot(*PAIR)
    data = first.book.read_bytes()
    moved = [{"positions": one["positions"], "market_name": one["market_name"]} for one in PAIR]
    assert snapshot(*moved).book.read_bytes() == data


def test_a_user_twice_in_a_market_keeps_the_first_position(snapshot: Any) -> None:
    twice = market("hyperliquid:BTC", position(A, 1.0, 50_000.0, 100_000), position(A, 9.0, 60_000.0, 100_000))
    report = snapshot(twice, market("hyperliquid:BTC", position(A.upper(), 3.0, 1.0, 1)), *PAIR[1:])
    assert [(row["quantity_base"], row["entry_px"]) for row in book(report) if row["symbol"] == "BTC"] == [
        (1.0, 50_000.0)
    ]
    assert report.left_out == {"user listed twice": 2}


NO_PERPETUALS = {
    "hyperliquid:@107": "spot market",
    "hyperliquid:PURR/USDC": "spot market",
    "hyperliquid:..": "name of the market is none",
    "../../etc": "name of the market is none",
    "hyperliquid:": "name of the market is none",
    "hyperliquid:€": "name of the market is none",
    None: "market without a name",
    5: "market without a name",
}


def test_markets_that_are_no_perpetuals(snapshot: Any) -> None:
    report = snapshot(*(market(name, position(A, 1.0, 1.0, 1)) for name in NO_PERPETUALS), *PAIR)
    assert report.left_out == Counter(NO_PERPETUALS.values())
    assert report.positions == 4
    assert book(report)[0]["collateral_usd"] == 16_400.0  # they take no part in the allocation


BAD_POSITIONS = (
    (5, "not an object"),
    ([[{}]], "not an object"),
    ({}, "size missing, no number or out of range"),
    (position(A, 1.0, 1.0, 1) | {"size": "nan"}, "size missing, no number or out of range"),
    (position(A, 1.0, 1.0, 1) | {"size": "Infinity"}, "size missing, no number or out of range"),
    (position(A, 1.0, True, 1), "entry_price missing, no number or out of range"),
    (position(A, 1.0, "1_0", 1), "entry_price missing, no number or out of range"),
    (position(A, 1.0, 1.0, 1, notional_size=1e300), "notional_size missing, no number or out of range"),
    (position(A, 1.0, 1.0, 1, "much"), "account_value missing, no number or out of range"),
    (position(A, 0, 1.0, 1), "worth less than 1e-6 USD at entry_price or by notional_size"),
    (position(A, 1.0, -1.0, 1), "worth less than 1e-6 USD at entry_price or by notional_size"),
    (position(A, 1.0, 1.0, 1, side="up"), "side neither long nor short"),
    (position(" ", 1.0, 1.0, 1), "user missing, unprintable or longer than 128 characters"),
    (position("a\u202eb\n", 1.0, 1.0, 1), "user missing, unprintable or longer than 128 characters"),
    (position("x" * 129, 1.0, 1.0, 1), "user missing, unprintable or longer than 128 characters"),
)


@pytest.mark.parametrize(("bad", "reason"), BAD_POSITIONS)
def test_a_bad_position_is_counted(bad: Any, reason: str, tmp_path: Path) -> None:
    rows, counts = parsed(tmp_path, PAIR[0], market("hyperliquid:SOL", bad, *PAIR[1]["positions"]))
    assert counts.faults == {reason: 1}
    assert (counts.read, len(rows)) == (5, 4)


def test_bad_positions_are_left_out_of_the_book(snapshot: Any) -> None:
    bad = [position for position, _ in BAD_POSITIONS]
    report = snapshot(PAIR[0], market("hyperliquid:SOL", *bad, *PAIR[1]["positions"]))
    assert report.left_out == Counter(reason for _, reason in BAD_POSITIONS)
    assert (report.read, report.positions) == (4 + len(bad), 4)


def test_odd_users_pass_through_the_importer(snapshot: Any) -> None:
    users = ("o'hara; drop", '"q",1', "üñ/../€")
    pair = [position(user, 1.0, 100.0, 100) for user in users] + [position(B, -3.0, 100.0, 100)]
    report = snapshot(market("hyperliquid:BTC", *pair))
    options: dict[str, Any] = {"inclusive": False, "balance_with_market": False}
    read = read_positions(report.book, (BTC,), [TIERS], marks(BTC), **options)
    assert set(read.names.values()) == {*users, B}


def test_entries_of_the_values_that_cannot_be_read_are_counted(snapshot: Any) -> None:
    values = [
        5,
        [[]],
        {"user": A},
        {"user": A, "account_value": "nan"},
        {"user": A, "account_value": 44_600, "x": [{}]},
    ]
    report = snapshot(*PAIR, values=values)
    assert report.values_unread == 4
    assert book(report)[0]["collateral_usd"] == 36_800.0


WHOLE = json.dumps(PAIR).encode()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not a whole JSON file"),
        (WHOLE[:-1], "not a whole JSON file: parse error: premature EOF"),
        (WHOLE[: len(WHOLE) // 2], "not a whole JSON file"),
        (WHOLE + b"]", "not a whole JSON file"),
        (WHOLE.replace(b"2.0", b"NaN", 1), "not a whole JSON file"),
        (WHOLE.replace(b"2.0", b"1e999", 1), "not a whole JSON file"),
        (WHOLE.replace(b"custom", b"\xff", 1), "not a whole JSON file"),
        (b"{}", "not a snapshot: it is no list"),
        (b"7", "not a snapshot: it is no list"),
        (b"[7]", "not a snapshot: element 1 is no market"),
        (b"[" * 100_000, "not a snapshot: element 1 is no market"),
        (b'[{"x": ' + b"[" * 100_000, "not a whole JSON file"),
        (b"[]", r"no position of the snapshot is left \(it lists none\)"),
    ],
    ids=range(13),
)
def test_files_that_are_no_snapshot(data: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "positions.json"
    path.write_bytes(data)
    with pytest.raises(BookError, match=message) as raised:
        import_snapshot(path, None, tmp_path / "out" / "book.parquet")
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "out").exists()


def test_a_truncated_file_of_values_writes_nothing(tmp_path: Path) -> None:
    path, values = tmp_path / "positions.json", tmp_path / "values.json"
    path.write_bytes(WHOLE)
    values.write_bytes(b'[{"user": "a", "account_value": 1}')
    with pytest.raises(BookError, match=r"values\.json: not a whole JSON file"):
        import_snapshot(path, values, tmp_path / "book.parquet")
    assert list(tmp_path.glob("*.parquet")) == []


@pytest.mark.parametrize(
    ("name", "target", "message"),
    [
        ("gone.json", "book.parquet", r"gone\.json: cannot be read: No such file"),
        ("gone.json", "book.csv", r"book\.csv: a book is written as Parquet"),
    ],
)
def test_paths(name: str, target: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(BookError, match=message):
        import_snapshot(tmp_path / name, None, tmp_path / target)


def test_spilling_changes_nothing(snapshot: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    markets = [
        market(f"hyperliquid:C{n}", *(position(f"u{k}", (-1) ** k * 1.1, 3.3, 3.4, k) for k in range(1, 21)))
        for n in range(5)
    ]
    whole = snapshot(*markets)
    data = whole.book.read_bytes()
    monkeypatch.setattr(module, "SPILL_ROWS", 7)
    again = snapshot(*markets)
    assert again.book.read_bytes() == data
    assert again == whole


def test_progress_is_reported(snapshot: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backtest.fetch.hyperliquid.clearinghouse.PROGRESS_ROWS", 2)
    calls: list[tuple[str, bool]] = []
    snapshot(*PAIR, on_progress=lambda path, done, size: calls.append((path.name, 0 < done <= size)))
    assert calls == [("perp_positions_by_market.json", True)] * 2


def test_a_replay_takes_the_book(snapshot: Any) -> None:
    longs = [position(f"0x{n:040x}", 10.0, 122_000.0, 121_000, 1_210_000 / (5 + n)) for n in range(40)]
    shorts = [position(f"0x{n + 40:040x}", -10.0, 119_000.0, 121_000, 1_210_000 / (2 + n % 3)) for n in range(40)]
    report = snapshot(market("hyperliquid:BTC", *longs, *shorts), coins=["BTC"], lots={"BTC": Decimal("0.00001")})
    run = replay("2025-10-10", venue="hyperliquid", coins=("BTC",), positions_file=str(report.book), step_s=20.0)
    accounts = run.sql("SELECT count(*) AS accounts, min(cohort) AS cohort FROM accounts").rows()
    assert accounts == [(80, "imported")]
    assert run.sql("SELECT count(*) > 0 FROM liquidations").item()
    assert all(result.passed for result in run.audits())
