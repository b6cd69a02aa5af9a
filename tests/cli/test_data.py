"""``crashbook data``: the table, its formats, notes, and the exit codes of ``--strict``."""

from __future__ import annotations

import datetime as dt
import json
import shutil
from pathlib import Path

import polars as pl
import pytest

from backtest.catalogue.events import get_event
from backtest.lake.inventory import HEADER
from backtest.lake.place import Place
from backtest.lake.series import schema_of
from backtest.lake.write import write_day
from tests.fetch.standins import flat, utc
from tests.support.command import call

EVENT = get_event("2025-10-10")
DAYS = (dt.date(2025, 10, 10), dt.date(2025, 10, 11))


def fill(coins: tuple[str, ...] = EVENT.coins) -> None:
    """Write whole days of trade and mark bars and funding of the event."""
    for coin in coins:
        for day in DAYS:
            start = dt.datetime.combine(day, dt.time())
            hours = [start + dt.timedelta(hours=hour) for hour in (0, 8, 16)]
            rates = pl.DataFrame({"ts": hours, "rate": [0.0001] * 3}, schema=schema_of("funding"))
            rows = {"ohlcv": flat(start, 1440), "mark_ohlcv": flat(start, 1440), "funding": rates}
            for series, frame in rows.items():
                write_day(frame, Place("bybit", f"{coin}/USDT:USDT", series), day, source="bybit")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a workspace with every coin of the event."""
    home = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CRASHBOOK_HOME", str(home))
        fill()
    return home


def test_an_empty_lake_says_how_to_fill_it() -> None:
    result = call("data")
    assert result.exit_code == 0
    assert tuple(result.stdout.splitlines()[0].split()) == HEADER
    assert result.stderr == "note: the lake is empty; fill it with crashbook fetch 2025-10-10\n"
    strict = call("data", "--strict")
    assert (strict.exit_code, strict.stderr) == (
        3,
        "crashbook: the lake is empty; fill it with crashbook fetch 2025-10-10\n",
    )
    event = call("data", "2021-12-04")
    assert (event.exit_code, "the lake has nothing of 2021-12-04" in event.stderr) == (0, True)
    assert call("data", "2021-12-04", "--strict").exit_code == 3
    assert call("data", "-q").stderr == ""


def test_a_whole_event_is_strictly_fine(whole: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRASHBOOK_HOME", str(whole))
    for args in ((), ("2025-10-10",)):
        result = call("data", *args, "--strict", "--format", "json")
        assert (result.exit_code, result.stderr) == (0, "")
        rows = json.loads(result.stdout)
        assert len(rows) == 3 * len(EVENT.coins)
        assert {(row["missing"], row["duplicates"], row["changed"], row["note"]) for row in rows} == {(0, 0, 0, "")}
        assert {row["stale_marks"] for row in rows if row["series"] == "funding"} == {0}


def test_table_and_csv_say_the_same() -> None:
    fill(("BTC",))
    listed = pl.read_csv(call("data", "--format", "csv").stdout.encode())
    assert tuple(listed.columns) == HEADER
    assert listed["rows"].to_list() == [2880, 2880, 6]
    table = call("data").stdout
    for sha256 in listed["sha256"]:
        assert sha256[:12] in table
        assert sha256 not in table


def day_of(coin: str, series: str = "ohlcv") -> Place:
    return Place("bybit", f"{coin}/USDT:USDT", series)


def edit(coin: str) -> None:
    flat(utc("00:00"), 1440, price=99.0).write_parquet(day_of(coin).file(DAYS[0]))


def shorten(coin: str) -> None:
    write_day(flat(utc("00:00"), 1440).filter(pl.col("ts") != utc("21:00")), day_of(coin), DAYS[0])


def double(coin: str) -> None:
    rows = flat(utc("00:00"), 1440)
    twice = pl.concat([rows, rows.filter(pl.col("ts") == utc("21:00"))]).sort("ts")
    write_day(twice, day_of(coin), DAYS[0])


def unmark(coin: str) -> None:
    rows = flat(utc("00:00"), 1440).filter(pl.col("ts") < utc("15:00"))
    write_day(rows, day_of(coin, "mark_ohlcv"), DAYS[0])


def tear(coin: str) -> None:
    day_of(coin).file(DAYS[0]).write_bytes(b"PAR1")


def test_strict_counts_what_it_found_and_the_table_says_where(whole: Path, workspace: Path) -> None:
    shutil.copytree(whole / "data", workspace / "data")
    fix = "the table says where; delete the days that are wrong and run crashbook fetch 2025-10-10"
    for spoil, coin in zip((edit, shorten, double), EVENT.coins, strict=False):
        spoil(coin)
    found = "1 missing interval, 1 duplicate, 1 changed day"
    assert call("data", "2025-10-10", "--strict").stderr == f"crashbook: {found}; {fix}\n"
    for spoil, coin in zip((unmark, tear), EVENT.coins[3:], strict=True):
        spoil(coin)
    listed = call("data", "2025-10-10")
    assert listed.exit_code == 0
    strict = call("data", "2025-10-10", "--strict")
    assert strict.exit_code == 3
    found = "1,261 missing intervals, 1 duplicate, 1 stale mark, 2 changed days, 1 broken rule"
    assert strict.stderr == f"crashbook: {found}; {fix}\n"
    assert strict.stdout == listed.stdout, "the table is printed first"
    rows = json.loads(call("data", "2025-10-10", "--format", "json").stdout)
    edited, shortened, doubled, unmarked, torn = (f"{coin}/USDT:USDT" for coin in EVENT.coins)
    counts = ("changed", "missing", "duplicates", "stale_marks")
    assert {(row["symbol"], row["series"], name): row[name] for row in rows for name in counts if row[name]} == {
        (edited, "ohlcv", "changed"): 1,
        (shortened, "ohlcv", "missing"): 1,
        (doubled, "ohlcv", "duplicates"): 1,
        (unmarked, "mark_ohlcv", "missing"): 540,
        (unmarked, "funding", "stale_marks"): 1,
        (torn, "ohlcv", "missing"): 720,
        (torn, "ohlcv", "changed"): 1,
    }


def test_a_coin_without_trade_bars_is_a_row_and_strictly_a_gap() -> None:
    fill(("BTC",))
    others = EVENT.coins[1:]
    rows = json.loads(call("data", "2025-10-10", "--format", "json").stdout)
    assert [row["symbol"] for row in rows if not row["venue"]] == list(others)
    strict = call("data", "2025-10-10", "--strict")
    assert strict.exit_code == 3
    assert strict.stderr.startswith(f"crashbook: no trade bars of {', '.join(others)}; ")


def test_output_is_written_whole_even_if_strict_refuses(desk: Path) -> None:
    fill(("BTC",))
    result = call("data", "2025-10-10", "--strict", "--output", "held.parquet")
    assert result.exit_code == 3
    assert tuple(pl.read_parquet("held.parquet").columns) == HEADER


def test_an_unknown_event_is_refused() -> None:
    result = call("data", "2025-10-01")
    assert result.exit_code == 2
    assert "unknown event '2025-10-01'; did you mean" in result.stderr


def wrong_low(series: str, low: float) -> None:
    """Put one low at 21:15 into a day of the event."""
    start = dt.datetime.combine(DAYS[0], dt.time())
    at = pl.col("ts") == utc("21:15")
    frame = flat(start, 1440).with_columns(low=pl.when(at).then(low).otherwise("low"))
    write_day(frame, Place("bybit", "BTC/USDT:USDT", series), DAYS[0], source="bybit")


def test_suspicious_values_are_counted_with_the_worst_and_are_a_problem_to_strict() -> None:
    fill(("BTC",))
    wrong_low("ohlcv", 1.0)
    result = call("data", "--strict", "--format", "json")
    assert result.exit_code == 3
    assert "crashbook: 1 suspicious value; the table says where" in result.stderr
    trades, marks, rates = json.loads(result.stdout)
    worst = (
        "low 1 at 2025-10-10T21:15:00, expected at least 92.3116 (the bars before and after it neither open nor close"
    )
    assert (trades["suspects"], trades["worst_suspect"].startswith(worst)) == (1, True)
    assert [(row["suspects"], row["worst_suspect"]) for row in (marks, rates)] == [(0, "")] * 2
    assert call("data").exit_code == 0
    wrong_low("mark_ohlcv", 5.0)
    borne_out = call("data", "--strict", "--format", "json")
    assert (borne_out.exit_code, {row["suspects"] for row in json.loads(borne_out.stdout)}) == (0, {0})


def test_marks_in_another_unit_are_suspicious() -> None:
    fill(("BTC",))
    place = Place("bybit", "BTC/USDT:USDT", "mark_ohlcv")
    for day in DAYS:
        write_day(flat(dt.datetime.combine(day, dt.time()), 1440, price=1.0), place, day, source="bybit")
    rows = json.loads(call("data", "--format", "json").stdout)
    assert [row["suspects"] for row in rows] == [0, 1, 0]
    assert "marks are 0.01 times the trades of the same bars" in rows[1]["worst_suspect"]
