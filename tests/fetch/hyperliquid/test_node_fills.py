"""Node fills: which fills become rows, their order, merging, and files that are not as they should be."""

from __future__ import annotations

import csv
import datetime as dt
import math
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from pathlib import Path
from typing import Any

import orjson
import polars as pl
import pytest

from backtest.assets import lake_folder
from backtest.errors import DataError
from backtest.fetch.hyperliquid import node_fills as module
from backtest.fetch.hyperliquid.blocks import FillCounts, FillRow, rows_of
from backtest.fetch.hyperliquid.node_fills import FillReport, import_fills, unified_symbol
from backtest.lake.place import Place
from backtest.lake.read import read_series
from backtest.lake.series import FILLS, SERIES
from backtest.lake.write import write_day
from tests.fetch.hyperliquid.fill_files import (
    BURST,
    VAULT,
    Event,
    adl_trade,
    block,
    fill,
    market_liquidation,
    takeover,
    trade,
    user,
    write_lines,
)

SAMPLE = Path(__file__).parents[4] / "shared" / "reference" / "hyperliquid_2025-10-10_adl_order_sample.csv"
DAY = dt.datetime.fromisoformat("2025-10-10")
SECOND = dt.timedelta(seconds=1)


def rows(coin: str = "BTC", day: dt.datetime = DAY) -> pl.DataFrame:
    return read_series(Place("hyperliquid", unified_symbol(coin), "fills"), day, day + dt.timedelta(days=1))


def lake_bytes() -> dict[str, bytes]:
    folder = lake_folder()
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*.parquet"))}


def kept(*events: Event, time: dt.datetime = BURST) -> tuple[list[tuple[int, str, str]], FillCounts]:
    """Return place, kind and user of the rows of one block."""
    counts = FillCounts()
    found = rows_of(orjson.loads(block(events, time)), counts)
    return [(row[4], row[5], row[6]) for row in found], counts


@pytest.fixture
def imported(tmp_path: Path) -> Any:
    """Return a function that writes blocks to a file and imports it."""

    def write_and_import(*lines: bytes, name: str = "21.lz4") -> FillReport:
        return import_fills([write_lines(tmp_path / name, lines)])

    return write_and_import


def test_a_deleveraging_by_hand(imported: Any) -> None:
    about = {"liquidation": {"liquidatedUser": VAULT, "markPx": "22.025", "method": "backstop"}}
    leg = fill(
        user(7).upper().replace("0X", "0x"), BURST, "B", "Auto-Deleveraging",
        coin="AVAX", px="22.075", sz="28.53", startPosition="-28.53", closedPnl="194.275035", **about,
    )  # fmt: skip
    report = imported(block([leg]))
    (row,) = rows("AVAX").to_dicts()
    assert row == {
        "ts": dt.datetime.fromisoformat("2025-10-10T21:16:04.831"), "block_ts": BURST, "seq": 0, "kind": "adl",
        "user": user(7), "side": "short", "quantity_base": 28.53, "px": 22.075, "start_position_base": -28.53,
        "closed_pnl_usd": 194.275035, "fee_usd": 0.0, "dir": "Auto-Deleveraging", "liquidated_user": VAULT,
        "mark_px": 22.025, "method": "backstop",
    }  # fmt: skip
    (day,) = report.days
    assert (day.symbol, day.day, day.adl, day.liquidations, day.rows) == ("AVAX/USDC:USDC", DAY.date(), 1, 0, 1)
    assert day.adl_usd == pytest.approx(28.53 * 22.075)
    assert report.unpaired == 1


def test_a_day_whose_fills_an_archive_gave_is_not_counted_twice(imported: Any) -> None:
    """The archive rounds times, so that the same fill would be another row."""
    imported(block(market_liquidation(user(4), user(5), tid=3)))
    held = rows()
    write_day(held, Place("hyperliquid", unified_symbol("BTC"), "fills"), DAY.date(), source="reservoir")
    before = lake_bytes()
    with pytest.raises(DataError, match="fills of reservoir are in the lake and would count twice; keep these, or"):
        imported(block([*takeover(user(3), tid=2), *adl_trade(user(6), VAULT, tid=4)]))
    assert lake_bytes() == before


def test_the_kinds_are_disjoint() -> None:
    found, counts = kept(
        *trade(user(1), user(2), tid=1),
        *takeover(user(3), tid=2),
        *market_liquidation(user(4), user(5), tid=3),
        *adl_trade(user(6), VAULT, tid=4),
        *adl_trade(user(8), user(9), tid=5, winner_side="A"),
    )
    assert found == [
        (2, "liquidation", user(3)),
        (4, "liquidation", user(4)),
        (7, "adl", user(6)),
        (9, "adl", user(8)),
    ]
    assert (counts.fills, counts.taken, counts.counterparts, counts.unpaired) == (10, 2, 2, 0)


def test_the_bankrupt_side_may_stand_anywhere_in_the_block() -> None:
    trades = [adl_trade(user(n), VAULT, tid=n, sz=str(n)) for n in (1, 2, 3)]
    bankrupt, winners = zip(*trades, strict=True)
    assert [row[2] for row in kept(*bankrupt, *winners)[0]] == [user(1), user(2), user(3)]
    assert [row[2] for row in kept(*reversed(winners), *bankrupt)[0]] == [user(3), user(2), user(1)]


@pytest.mark.parametrize("tid", [..., None, 5, "5"])
def test_trades_are_paired_with_and_without_a_trade_id(tid: Any) -> None:
    same = {"tid": tid, "sz": "0.5"}
    found, counts = kept(*takeover(user(1), **same), *adl_trade(user(2), VAULT, **same))
    assert [(kind, owner) for _, kind, owner in found] == [("liquidation", user(1)), ("adl", user(2))]
    assert (counts.counterparts, counts.unpaired) == (1, 0)


def test_the_user_being_liquidated_decides_between_equal_trades() -> None:
    # the vault takes over 1 BTC of user 1 and at the same price and size is deleveraged itself
    found, _ = kept(*takeover(user(1), tid=...), *adl_trade(user(2), VAULT, tid=...))
    assert [owner for _, _, owner in found] == [user(1), user(2)]


def test_a_bankrupt_side_without_the_liquidation_object_is_recognised() -> None:
    bankrupt, winner = adl_trade(user(2), VAULT, liquidation=...)
    found, counts = kept(bankrupt, winner)
    assert [row[2] for row in found] == [user(2)]
    assert counts.counterparts == 1


def test_both_sides_marked_as_deleveraging() -> None:
    bankrupt, winner = adl_trade(user(2), VAULT)
    bankrupt[1]["dir"] = "Auto-Deleveraging"
    assert [row[2] for row in kept(bankrupt, winner)[0]] == [user(2)]


def test_another_block_does_not_pair(imported: Any) -> None:
    bankrupt, winner = adl_trade(user(2), VAULT)
    report = imported(block([bankrupt]), block([winner], BURST + SECOND))
    assert rows()["kind"].to_list() == ["liquidation", "adl"]
    assert (report.unpaired, report.counterparts) == (1, 0)


def test_partial_closes_of_one_position_are_rows_of_their_own(imported: Any) -> None:
    parts = [
        *adl_trade(user(1), VAULT, sz="0.4", startPosition="-1"),
        *adl_trade(user(1), VAULT, sz="0.6", startPosition="-0.6"),
    ]
    imported(block(parts))
    assert rows().select("seq", "quantity_base", "start_position_base").rows() == [(1, 0.4, -1.0), (3, 0.6, -0.6)]


@pytest.mark.parametrize("coin", ["@107", "PURR/USDC"])
def test_spot_coins_are_left_out(coin: str, imported: Any) -> None:
    report = imported(block([*adl_trade(user(1), VAULT, coin=coin), *takeover(user(2))]))
    assert (report.spot, report.kept) == (2, 1)
    assert len(lake_bytes()) == 1


def test_emission_order_runs_through_all_coins(imported: Any) -> None:
    coins = ["SOL", "BTC", "SOL", "BTC"]
    imported(block(event for n, coin in enumerate(coins) for event in adl_trade(user(n), VAULT, coin=coin, tid=n)))
    assert [rows(coin)["seq"].to_list() for coin in ("SOL", "BTC")] == [[1, 5], [3, 7]]


def test_a_fill_is_filed_under_the_utc_day_of_its_time(imported: Any) -> None:
    midnight = DAY + dt.timedelta(days=1)
    late, early = midnight - dt.timedelta(milliseconds=1), midnight
    report = imported(block(takeover(user(1), late), late), block(takeover(user(2), early), early))
    assert [day.day for day in report.days] == [DAY.date(), midnight.date()]
    assert rows()["user"].to_list() == [user(1)]
    assert rows(day=midnight)["user"].to_list() == [user(2)]


def many(hour: int, blocks: int = 30) -> list[bytes]:
    start = DAY + dt.timedelta(hours=hour)
    return [
        block(
            [
                *trade(user(n), user(n + 1), start + n * SECOND),
                *adl_trade(user(n), VAULT, start + n * SECOND, coin=("BTC", "ETH")[n % 2], tid=n),
                *takeover(user(n), start + n * SECOND, tid=n + 1000),
            ],
            start + n * SECOND,
        )
        for n in range(blocks)
    ]


def test_order_of_files_repeats_and_shared_blocks_change_no_byte(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    early, late = many(20), many(21)
    first = write_lines(tmp_path / "20.lz4", [*early, early[3], late[0]])
    second = write_lines(tmp_path / "21.jsonl", [early[-1], *late])
    lakes = []
    for number, imports in enumerate([[[first, second]], [[second], [first]], [[first], [second], [first]]]):
        monkeypatch.setenv("CRASHBOOK_HOME", str(tmp_path / f"home{number}"))
        reports = [import_fills(paths) for paths in imports]
        lakes.append(lake_bytes())
        assert rows().height + rows("ETH").height == 120
        assert reports[-1].days[-1].rows == rows("ETH").height
    assert lakes[0] == lakes[1] == lakes[2]
    monkeypatch.setenv("CRASHBOOK_HOME", str(tmp_path / "again"))
    assert import_fills([first, second]).shared == 3


def test_two_imports_at_once_lose_nothing(tmp_path: Path) -> None:
    paths = [write_lines(tmp_path / f"{hour}.jsonl", many(hour)) for hour in (18, 19, 20, 21)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda path: import_fills([path]), paths))
    assert rows().height + rows("ETH").height == 240
    assert rows()["block_ts"].is_sorted()


def test_a_block_over_several_lines_keeps_its_order(imported: Any) -> None:
    winners = [5, 3, 9, 1]
    report = imported(*(block(adl_trade(user(n), VAULT, tid=n)) for n in winners))
    assert rows().select("seq", "user").rows() == [(2 * k + 1, user(n)) for k, n in enumerate(winners)]
    assert report.shared == 0


def test_spilling_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_lines(tmp_path / "21.lz4", many(21))
    import_fills([path])
    whole = lake_bytes()
    monkeypatch.setenv("CRASHBOOK_HOME", str(tmp_path / "other"))
    monkeypatch.setattr(module, "SPILL_ROWS", 7)
    monkeypatch.setattr(module, "CHUNK", 100)
    import_fills([path])
    assert lake_bytes() == whole


BAD_LINES = [
    (b"{", "not JSON"),
    (b"[1, 2]", "no block with block_time and events"),
    (b'{"block_time": "2025-10-10T21:00:00"}', "no block with block_time and events"),
    (b'{"block_time": 5, "events": []}', "no block with block_time and events"),
    (b'{"block_time": "yesterday", "events": []}', "no block with block_time and events"),
    (b'{"block_time": "1970-01-01T00:00:00", "events": []}', "no block with block_time and events"),
    (b'{"block_time": "0001-01-01T00:00:00+12:00", "events": []}', "no block with block_time and events"),
    (b'{"block_time": "2025-10-10T21:00:00", "events": {}}', "no block with block_time and events"),
    (b'{"block_time": "2025-10-10T21:00:00", "events": [NaN]}', "not JSON"),
    (b'{"block_time": "\xff", "events": []}', "not JSON"),
    (b'{"block_time": "2025-10-10T21:00:00", "events": [[1]]}', "a fill that is not [user, {coin, dir, ...}]"),
    (b'{"block_time": "2025-10-10T21:00:00", "events": ["ab"]}', "a fill that is not [user, {coin, dir, ...}]"),
    (b'{"block_time": "2025-10-10T21:00:00", "events": [null]}', "a fill that is not [user, {coin, dir, ...}]"),
    (
        b'{"block_time": "2025-10-10T21:00:00", "events": [["a", {"coin": 5, "dir": "Buy"}]]}',
        "a fill that is not [user, {coin, dir, ...}]",
    ),
    (
        b'{"block_time": "2025-10-10T21:00:00", "events": [["a", {"coin": "BTC", "dir": ["Buy"]}]]}',
        "a fill that is not [user, {coin, dir, ...}]",
    ),
]


@pytest.mark.parametrize(("line", "reason"), BAD_LINES, ids=range(len(BAD_LINES)))
def test_bad_lines_are_counted_and_the_rest_is_kept(line: bytes, reason: str, imported: Any) -> None:
    report = imported(block(takeover(user(1))), line, b"", line)
    (fault,) = report.faults
    assert (fault.file, fault.reason, fault.count, fault.first_line) == ("21.lz4", reason, 2, 2)
    assert rows()["user"].to_list() == [user(1)]


BAD_FIELDS = [
    ("sz", "1_000", "a number that cannot be read"),
    ("sz", "NaN", "a number that is not finite or out of range"),
    ("px", "inf", "a number that is not finite or out of range"),
    ("px", "1e999", "a number that is not finite or out of range"),
    ("fee", "1e12", "a number that is not finite or out of range"),
    ("px", "1e12", "a fill worth 1e12 USD or more"),
    ("px", "0", "a size or price that is not above zero"),
    ("sz", "-1", "a size or price that is not above zero"),
    ("closedPnl", "ten", "a number that cannot be read"),
    ("fee", True, "a number that cannot be read"),
    ("startPosition", [1], "a number that cannot be read"),
    ("time", "1760130964831", "a time that is not milliseconds since the epoch, or out of range"),
    ("time", 1760130964831000, "a time that is not milliseconds since the epoch, or out of range"),
    ("time", -1, "a time that is not milliseconds since the epoch, or out of range"),
    ("side", "buy", "a side that is neither A nor B"),
    ("coin", "..", "a coin that is no name of a market"),
    ("coin", "B T", "a coin that is no name of a market"),
    ("fee", ..., "a forced fill lacks a field or has one of another type"),
    ("px", ..., "a forced fill lacks a field or has one of another type"),
    ("side", ["A"], "a forced fill lacks a field or has one of another type"),
]


@pytest.mark.parametrize(("name", "value", "reason"), BAD_FIELDS)
def test_a_bad_field_costs_one_fill(name: str, value: Any, reason: str) -> None:
    events = takeover(user(1))
    events[0][1] = {key: it for key, it in (events[0][1] | {name: value}).items() if it is not ...}
    found, counts = kept(*events, *takeover(user(2)))
    assert [row[2] for row in found] == [user(2)]
    assert dict(counts.faults) == {reason: 1}


def test_the_other_side_of_a_bad_deleveraging_is_no_liquidation() -> None:
    found, counts = kept(*adl_trade(user(1), VAULT, closedPnl="?"))
    assert found == []
    assert counts.counterparts == 1


def test_numbers_need_not_be_text() -> None:
    counts = FillCounts()
    (row,) = rows_of(orjson.loads(block(takeover(user(1), sz=0.25, px=110000, startPosition=1))), counts)
    assert (row[8], row[9], row[10]) == (0.25, 110000.0, 1.0)


def test_a_line_that_is_too_long_is_counted(imported: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LONGEST_LINE", 5_000)
    monkeypatch.setattr(module, "CHUNK", 1_000)
    report = imported(block(takeover(user(1))), b"[" * 20_000, block(takeover(user(2)), BURST + SECOND))
    assert [(fault.count, fault.first_line) for fault in report.faults] == [(1, 2)]
    assert rows()["user"].to_list() == [user(1), user(2)]


@pytest.mark.parametrize("end", [0.3, 0.999])
def test_a_truncated_file_writes_nothing(end: float, tmp_path: Path) -> None:
    good, cut = (write_lines(tmp_path / name, many(21)) for name in ("20.lz4", "21.lz4"))
    data = cut.read_bytes()
    cut.write_bytes(data[: int(len(data) * end)])
    with pytest.raises(DataError, match=r"21\.lz4: truncated or corrupt lz4; nothing was imported"):
        import_fills([good, cut])
    assert lake_bytes() == {}


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("21.lz4", b"not lz4 at all", "truncated or corrupt lz4"),
        ("21.lz4", b"", "no block of fills in it .it is empty."),
        ("21.jsonl", b"hello\nworld\n", "no block of fills in it .2 lines: not JSON."),
        ("21.zip", b"x", r"not a file of node fills; allowed: \.lz4, \.jsonl, \.json"),
        ("gone.lz4", None, "No such file or directory"),
    ],
)
def test_files_that_cannot_be_read(name: str, data: bytes | None, message: str, tmp_path: Path) -> None:
    path = tmp_path / name
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(DataError, match=f"{name}: {message}"):
        import_fills([path])


def test_no_file_is_an_error() -> None:
    with pytest.raises(DataError, match="no file of node fills given"):
        import_fills([])


def test_progress_ends_at_the_size_of_the_file(tmp_path: Path) -> None:
    path, calls = write_lines(tmp_path / "21.lz4", many(21)), list[tuple[Path, int, int]]()
    import_fills([path], on_progress=lambda *call: calls.append(call))
    assert calls[-1] == (path, path.stat().st_size, path.stat().st_size)


def test_the_columns_are_those_of_the_lake(imported: Any) -> None:
    imported(block(takeover(user(1))))
    assert tuple(rows().columns) == tuple(FILLS)


@pytest.mark.golden
@pytest.mark.skipif(not SAMPLE.is_file(), reason="needs the shared sample of the order of deleveraging")
def test_the_published_order_comes_back(imported: Any) -> None:
    sample = list(csv.DictReader(SAMPLE.read_text().splitlines()))
    lines = []
    for ms, group in groupby(sorted(sample, key=lambda row: int(row["time_ms"])), key=lambda row: int(row["time_ms"])):
        time, events = DAY + dt.timedelta(milliseconds=ms - 1_760_054_400_000), list[Event]()
        for n, row in enumerate(group):
            events += adl_trade(
                user(n), VAULT, time, coin=row["coin"], sz=row["closed"], px=row["adl_price"], tid=n,
                startPosition=f"-{row['position']}",
            )  # fmt: skip
        # as on the venue: the liquidations of a block first, then its deleveraging
        lines.append(block([*events[::2], *events[1::2]], time))
    report = imported(*lines)
    assert (report.kept, report.unpaired, report.counterparts) == (len(sample), 0, len(sample))
    for coin in {row["coin"] for row in sample}:
        mine = [row for row in sample if row["coin"] == coin]
        found = rows(coin)
        assert found["quantity_base"].to_list() == [float(row["closed"]) for row in mine]
        assert found["seq"].is_sorted()
        (day,) = (day for day in report.days if day.symbol == unified_symbol(coin))
        assert day.adl_usd == math.fsum(float(row["closed"]) * float(row["adl_price"]) for row in mine)
        assert day.liquidations == 0


def test_a_row_has_the_columns_of_the_series() -> None:
    assert FillRow._fields[2:] == tuple(SERIES["fills"].columns)
