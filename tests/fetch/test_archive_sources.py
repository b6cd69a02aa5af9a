"""Archives behind and before the clients of a fetch: from a folder, and from an address that misbehaves."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest

from backtest.errors import UsageError
from backtest.fetch.outcome import Outcome
from backtest.fetch.plan import requests_for, targets
from backtest.fetch.run import fetch
from backtest.fetch.settings import parse_settings
from backtest.lake.place import Place
from backtest.lake.read import read_series
from tests.fetch.archives.archive_files import (
    csv,
    kline,
    klines_name,
    other_name,
    put_checksum,
    put_gz,
    put_lz4,
    put_zip,
    stamp,
)
from tests.fetch.venues import IMPATIENT, NOW, lake_digests, tapes
from tests.server.app import LocalVenues
from tests.server.faults import Fault
from tests.server.market import CRASH_DAYS

BINANCE = ("binanceusdm",)
DAYS = [day.isoformat() for day in CRASH_DAYS]
REFUSED = Fault("blocked", venue="binance", status=451)


def fetched_days(
    folder: Path,
    series: Sequence[str],
    faults: Iterable[Fault] = (),
    *,
    venues: Sequence[str] = BINANCE,
    days: Sequence[dt.date] = CRASH_DAYS,
    web: bool = False,
    first: bool = False,
    now: dt.datetime = NOW,
    retry: dict[str, Any] | None = None,
) -> tuple[Outcome, LocalVenues]:
    """Fetch BTC with archives below a folder, one for each name, read as folders or served over HTTP."""
    with LocalVenues(tapes(), faults, now=now, archive=folder) as server:
        settings = parse_settings({**server.config(), "retry": retry or IMPATIENT}, "test")
        roots = settings.archives if web else {path.name: str(path) for path in folder.iterdir()}
        goals = targets(
            coins=("BTC",), series=series, days=days, venues=venues, now=now, roots=roots, archives_first=first
        )
        seconds = now.replace(tzinfo=dt.UTC).timestamp()
        outcome = asyncio.run(fetch(goals, settings, clock=lambda: seconds, draw=lambda: 0.5, stop=asyncio.Event()))
    return outcome, server


def denials(outcome: Outcome) -> list[tuple[str, str]]:
    return [(denial.source, denial.reason) for denial in outcome.denied]


def served(outcome: Outcome) -> list[tuple[str, int, int]]:
    """Return source, day of the month and rows of each fetched day."""
    return [(day.source, day.day.day, day.rows) for day in outcome.served if day.fresh]


def rows(series: str, venue: str = "binanceusdm", symbol: str = "BTC/USDT:USDT") -> list[tuple[Any, ...]]:
    start = dt.datetime.combine(CRASH_DAYS[0], dt.time())
    return read_series(Place(venue, symbol, series), start, start + dt.timedelta(days=2)).rows()


def put_bars(root: Path, day: str, bars: int = 1440, kind: str = "klines") -> Path:
    first = stamp(f"{day}T00:00")
    lines = [kline(first + n * 60_000, (10, 12, 9, 11), 5.0 + n) for n in range(bars)]
    return put_zip(root, klines_name(kind, "BTCUSDT", day), csv("klines", lines))


def put_book(root: Path, day: str) -> Path:
    lines = [(f"{day} 00:00:08", band, 2.0, 2e5) for band in (-1, 1)]
    return put_zip(root, other_name("bookDepth", "BTCUSDT", day), csv("bookDepth", lines))


@pytest.fixture(params=[False, True], ids=["folder", "address"])
def web(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture
def shelf(tmp_path: Path) -> Path:
    """Return a folder with two days of bars and one of depth, as Binance publishes them."""
    for day in DAYS:
        put_bars(tmp_path / "shelf" / "binance", day)
    put_book(tmp_path / "shelf" / "binance", DAYS[0])
    return tmp_path / "shelf"


def test_days_of_an_archive_land_in_the_lake(shelf: Path, web: bool) -> None:
    outcome, server = fetched_days(shelf, ["depth"], web=web)
    assert served(outcome) == [("binanceusdm archive", 10, 2)]
    assert [row[1:] for row in rows("depth")] == [(-0.01, 2.0, 2e5), (0.01, 2.0, 2e5)]
    ((source, reason),) = denials(outcome)
    assert source == "binanceusdm archive"
    assert reason == "not published" if web else "BTCUSDT-bookDepth-2025-10-11.zip" in reason
    assert [venue for venue, _, _ in server.requests if venue != "archive"] == []


def test_folder_and_address_leave_the_same_days(shelf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left = []
    for web in (False, True):
        monkeypatch.setenv("CRASHBOOK_HOME", str(tmp_path / f"home {web}"))
        fetched_days(shelf, ["depth"], web=web)
        left.append({name: value for name, value in lake_digests().items() if not name.startswith(".archive")})
    assert left[0] == left[1] != {}


def test_the_archive_serves_where_the_client_is_refused(shelf: Path, web: bool) -> None:
    outcome, _ = fetched_days(shelf, ["ohlcv"], [REFUSED], web=web)
    assert denials(outcome) == [("binanceusdm", "refuses this country (HTTP 451)")]
    assert served(outcome) == [("binanceusdm archive", 10, 1440), ("binanceusdm archive", 11, 1440)]
    assert [(day.missing) for day in outcome.served] == [0, 0]
    assert [row[1:] for row in rows("ohlcv")[:3]] == [(10, 12, 9, 11, volume) for volume in (5.0, 6.0, 7.0)]


def test_the_client_is_asked_first_unless_an_archive_was_named(shelf: Path) -> None:
    outcome, server = fetched_days(shelf, ["ohlcv"])
    assert served(outcome) == [("binanceusdm", 10, 1440), ("binanceusdm", 11, 1440)]
    assert all(venue == "binance" for venue, _, _ in server.requests)


def test_an_archive_that_was_named_is_asked_first(shelf: Path, web: bool) -> None:
    outcome, server = fetched_days(shelf, ["ohlcv"], web=web, first=True)
    assert served(outcome) == [("binanceusdm archive", 10, 1440), ("binanceusdm archive", 11, 1440)]
    assert all(venue == "archive" for venue, _, _ in server.requests)


def test_what_an_archive_brought_is_not_asked_for_again(shelf: Path, web: bool) -> None:
    fetched_days(shelf, ["ohlcv"], web=web, first=True)
    before = lake_digests()
    outcome, server = fetched_days(shelf, ["ohlcv"], web=web, first=True)
    assert [day.fresh for day in outcome.served] == [False, False]
    assert server.requests == []
    assert lake_digests() == before


DAMAGE = {
    "a wrong checksum": lambda path: path.with_name(f"{path.name}.CHECKSUM").write_text(f"{'0' * 64}  {path.name}\n"),
    "half a zip": lambda path: (path.write_bytes(path.read_bytes()[:200]), put_checksum(path)),
    "no zip": lambda path: (path.write_bytes(b"<html>sorry</html>"), put_checksum(path)),
    "columns of something else": lambda path: put_zip(
        path.parents[len(Path(klines_name("klines", "X", DAYS[0])).parts) - 1],
        klines_name("klines", "BTCUSDT", DAYS[0]), b"a,b\n1,2\n",
    ),
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_file_is_told_and_the_next_source_serves_its_day_only(damage: str, shelf: Path, web: bool) -> None:
    DAMAGE[damage](shelf / "binance" / klines_name("klines", "BTCUSDT", DAYS[0]))
    outcome, _ = fetched_days(shelf, ["ohlcv"], web=web, first=True)
    ((source, reason),) = denials(outcome)
    assert (source, outcome.denied[0].days) == ("binanceusdm archive", CRASH_DAYS[:1])
    assert f"BTCUSDT-1m-{DAYS[0]}.zip" in reason
    assert reason.isprintable()
    assert served(outcome) == [("binanceusdm archive", 11, 1440), ("binanceusdm", 10, 1440)]
    assert not any(name.endswith(".partial") for name in lake_digests())


def test_bars_that_break_a_rule_are_not_taken_from_an_archive(shelf: Path, web: bool) -> None:
    high_below_low = kline(stamp(f"{DAYS[0]}T00:00"), (10, 8, 9, 11), 5.0)
    put_zip(shelf / "binance", klines_name("klines", "BTCUSDT", DAYS[0]), csv("klines", [high_below_low]))
    outcome, _ = fetched_days(shelf, ["ohlcv"], web=web, first=True)
    assert [(denial.source, denial.days) for denial in outcome.denied] == [("binanceusdm archive", CRASH_DAYS[:1])]
    assert served(outcome) == [("binanceusdm archive", 11, 1440), ("binanceusdm", 10, 1440)]


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (Fault("blocked", venue="archive", status=403), "the server refuses (HTTP 403)"),
        (Fault("server_error", venue="archive", status=503), "HTTP 503 after 2 attempts"),
        (
            Fault("rate_limited", venue="archive", retry_after_s=3600),
            "HTTP 429 and asks to wait 3600 s after 1 attempt",
        ),
        (Fault("reset", venue="archive"), "after 2 attempts"),
    ],
)
def test_an_address_that_refuses_is_not_asked_again(fault: Fault, reason: str, shelf: Path) -> None:
    retry = {**IMPATIENT, "attempts": 2}
    outcome, server = fetched_days(shelf, ["ohlcv", "mark_ohlcv", "depth"], [fault], web=True, first=True, retry=retry)
    asked = [path for venue, path, _ in server.requests if venue == "archive"]
    assert len(set(asked)) == 1
    assert len(asked) <= 2
    assert [source for source, _ in denials(outcome)] == ["binanceusdm archive"] * 3
    assert all(reason in text for _, text in denials(outcome))
    assert served(outcome) == [("binanceusdm", 10, 1440), ("binanceusdm", 11, 1440)] * 2


@pytest.mark.parametrize(
    "fault",
    [
        Fault("server_error", venue="archive", at=(1, 2), status=503),
        Fault("rate_limited", venue="archive", at=(1,), retry_after_s=0.1),
        Fault("reset", venue="archive", at=(1,)),
        Fault("reset", venue="archive", at=(1,), half=True),
    ],
    ids=lambda fault: fault.kind,
)
def test_an_address_that_falters_is_asked_again(fault: Fault, shelf: Path) -> None:
    outcome, server = fetched_days(shelf, ["ohlcv"], [fault], web=True, first=True)
    assert server.faults.fired
    assert outcome.denied == []
    assert served(outcome) == [("binanceusdm archive", 10, 1440), ("binanceusdm archive", 11, 1440)]


def test_a_page_of_html_in_place_of_a_file_is_not_kept(shelf: Path) -> None:
    html = Fault("html", venue="archive", match=f"{DAYS[0]}.zip", times=1)
    outcome, _ = fetched_days(shelf, ["ohlcv"], [html], web=True, first=True)
    assert served(outcome) == [("binanceusdm archive", 11, 1440), ("binanceusdm", 10, 1440)]
    assert not any(name.startswith(".archive") and name.endswith(f"{DAYS[0]}.zip") for name in lake_digests())


def test_open_interest_older_than_thirty_days_comes_from_the_archive(tmp_path: Path) -> None:
    lines = [(f"{DAYS[0]} 00:0{minute}:00", "BTCUSDT", 90_000 + minute, 1e10, 1, 1, 1.5, 1) for minute in (0, 5)]
    put_zip(tmp_path / "shelf" / "binance", other_name("metrics", "BTCUSDT", DAYS[0]), csv("metrics", lines))
    late = dt.datetime(2025, 12, 1)  # noqa: DTZ001
    outcome, server = fetched_days(
        tmp_path / "shelf", ["open_interest", "long_short_ratio"], now=late, days=CRASH_DAYS[:1]
    )
    assert denials(outcome) == [("binanceusdm", "serves the last 30 days only")] * 2
    assert served(outcome) == [("binanceusdm archive", 10, 2)] * 2
    assert [row[1] for row in rows("open_interest")] == [90_000, 90_005]
    assert server.requests == []
    (goal,) = targets(
        coins=("BTC",),
        series=["open_interest"],
        days=CRASH_DAYS[:1],
        venues=BINANCE,
        now=late,
        roots={"binance": str(tmp_path / "shelf")},
    )
    assert [(source.name, requests_for(goal, source, goal.days)) for source in goal.sources] == [
        ("binanceusdm", 0), ("binanceusdm archive", 1),
    ]  # fmt: skip


def test_within_thirty_days_the_client_serves_it(tmp_path: Path) -> None:
    (tmp_path / "shelf" / "binance").mkdir(parents=True)
    outcome, _ = fetched_days(tmp_path / "shelf", ["open_interest"], days=CRASH_DAYS[:1])
    assert served(outcome) == [("binanceusdm", 10, 288)]


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    goals = targets(
        coins=("BTC",),
        series=["depth"],
        days=CRASH_DAYS,
        venues=BINANCE,
        now=NOW,
        roots={"binance": str(tmp_path / "absent")},
    )
    with pytest.raises(UsageError, match="no archive at '"):
        asyncio.run(fetch(goals, parse_settings({}, "test"), clock=lambda: 2e9, draw=lambda: 0.5, stop=asyncio.Event()))


def test_trades_of_bitmex_become_bars(tmp_path: Path, web: bool) -> None:
    when = DAYS[0].replace("-", "")
    trades = [
        (f"{DAYS[0]}D00:00:{second:02d}.000000", "XBTUSDT", "Buy", 1000, px, "PlusTick", f"id{second}", 1, 0.01, 1)
        for second, px in ((1, 118_000), (2, 118_500), (59, 117_900))
    ]
    put_gz(tmp_path / "shelf" / "bitmex", f"data/trade/{when}.csv.gz", csv("trade", trades))
    outcome, _ = fetched_days(tmp_path / "shelf", ["ohlcv"], venues=("bitmex",), days=CRASH_DAYS[:1], web=web)
    assert ("bitmex archive", 10, 1) in served(outcome)
    assert rows("ohlcv", "bitmex")[0][1:5] == (118_000, 118_500, 117_900, 117_900)


def test_contexts_of_hyperliquid_become_marks_and_open_interest(tmp_path: Path, web: bool) -> None:
    lines = [
        (f"{DAYS[0]}T00:0{minute}:00Z", "BTC", 0.0000125, 20_000 + minute, 1, 1, 0, 118_000, 118_001 + minute, 1, 1, 1)
        for minute in range(3)
    ]
    put_lz4(
        tmp_path / "shelf" / "hyperliquid", f"asset_ctxs/{DAYS[0].replace('-', '')}.csv.lz4", csv("asset_ctxs", lines)
    )
    series = ["mark_ohlcv", "open_interest"]
    outcome, _ = fetched_days(tmp_path / "shelf", series, venues=("hyperliquid",), days=CRASH_DAYS[:1], web=web)
    assert [row[:2] for row in served(outcome)] == [("hyperliquid archive", 10)] * 2
    assert [row[1] for row in rows("mark_ohlcv", "hyperliquid", "BTC/USDC:USDC")] == [118_001, 118_002, 118_003]
    assert [row[1] for row in rows("open_interest", "hyperliquid", "BTC/USDC:USDC")] == [20_000, 20_001, 20_002]
