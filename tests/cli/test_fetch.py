"""``crashbook fetch`` from local venues, by its own clock, and the replay of what it brought."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from backtest.lake.place import Place
from backtest.lake.read import read_series
from backtest.lake.series import DEFAULT_SERIES
from backtest.run.run import open_run
from tests.fetch.archives.archive_files import csv, other_name, put_gz, put_lz4, put_zip
from tests.fetch.venues import tapes
from tests.server.app import LocalVenues
from tests.server.faults import Fault
from tests.support.command import call
from tests.support.hostile import files, refused

EVENT = "2025-10-10"
COINS = ("BTC", "SOL", "XRP", "DOGE", "LINK")
BINANCE = ("--venue", "binanceusdm", "--only")
RETRY = {"attempts": 3, "first_s": 0.01}


@dataclass(frozen=True)
class Fetched:
    """What a fetch printed, and what was asked of the venues."""

    code: int
    rows: list[dict[str, Any]]
    errors: str
    asked: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)

    def of(self, series: str, outcome: str = "fetched") -> list[tuple[str, str, str, int]]:
        """Return source, coins, days and rows of a series with a note."""
        rows = (row for row in self.rows if (row["series"], row["outcome"]) == (series, outcome))
        return [(row["source"], row["coins"], row["days"], row["rows"]) for row in rows]


def fetched(
    *words: str, faults: Sequence[Fault] = (), archive: Path | None = None, folder: Path, retry: Any = None
) -> Fetched:
    """Fetch from local venues whose clock is the real one."""
    with LocalVenues(tapes(), faults, archive=archive) as venues:
        overrides = {"retry": retry or RETRY}
        if archive is None:
            overrides["archives"] = {"binance": f"{venues.base}/archive", "bitmex": f"{venues.base}/archive"}
        config = venues.write_config(folder / "local.toml", **overrides)
        result = call("fetch", *words, "--exchange-config", str(config), "--format", "json")
    assert result.exit_code in {0, 3}, result.stderr
    return Fetched(result.exit_code, json.loads(result.stdout), result.stderr, venues.requests)


@dataclass(frozen=True)
class Crash:
    """A workspace after ``crashbook fetch 2025-10-10`` with every default."""

    home: Path
    told: Fetched


@pytest.fixture(scope="module")
def crash(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crash]:
    home = tmp_path_factory.mktemp("crash")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CRASHBOOK_HOME", str(home))
        yield Crash(home, fetched(EVENT, "-q", folder=home))


@pytest.fixture
def filled(crash: Crash, monkeypatch: pytest.MonkeyPatch) -> Crash:
    monkeypatch.setenv("CRASHBOOK_HOME", str(crash.home))
    return crash


def test_the_defaults_bring_a_crash_of_last_year(crash: Crash) -> None:
    told, both, coins = crash.told, "2025-10-10, 2025-10-11", ", ".join(COINS)
    assert (told.code, told.errors) == (0, "")
    assert list(dict.fromkeys(row["series"] for row in told.rows)) == list(DEFAULT_SERIES)
    for series in ("ohlcv", "mark_ohlcv", "index_ohlcv"):
        assert told.of(series) == [("binanceusdm", coins, both, 5 * 2 * 1440)]
    assert told.of("ohlcv", "serves the last 3.47 days only") == [("hyperliquid", coins, both, 0)]
    assert told.of("funding") == [("hyperliquid", coins, both, 5 * 48)]
    assert told.of("open_interest") == [("bybit", coins, both, 5 * 2 * 288)]
    assert told.of("open_interest", "serves the last 30 days only") == [("binanceusdm", coins, both, 0)]
    (limits,) = told.of("limits")
    assert (limits[0], limits[3]) == ("hyperliquid", 5)


def test_what_was_fetched_replays_with_no_further_flag(filled: Crash) -> None:
    result = call("replay", EVENT, "--set", "positions=100", "--set", "step_s=60")
    assert result.exit_code == 0, result.stderr
    notes = result.stderr.splitlines()
    assert [note.split(": ")[1] for note in notes[:4]] == ["prices", "mark", "book", "funding"]
    assert notes[0].startswith("note: prices: proxy, minute bars of binanceusdm stand in for the prices of hyperliquid")
    proxy = "Prices of BTC, SOL, XRP, DOGE, LINK are those of binanceusdm, a declared proxy for hyperliquid."
    assert "22 of 22 passed" in result.stdout
    assert proxy in open_run("latest").meta.notes


def test_the_same_command_again_asks_the_venues_for_nothing(filled: Crash) -> None:
    told = fetched(EVENT, folder=filled.home)
    assert told.code == 0
    assert [path for venue, path, _ in told.asked if venue != "archive"] == []
    assert not any(row["outcome"].startswith("fetched") for row in told.rows)
    assert told.of("ohlcv", "was in the lake") == [
        ("binanceusdm", ", ".join(COINS), "2025-10-10, 2025-10-11", 5 * 2 * 1440)
    ]


def test_a_dry_run_asks_nobody_and_writes_nothing(tmp_path: Path) -> None:
    with LocalVenues(tapes()) as venues:
        config = venues.write_config(tmp_path / "local.toml")
        result = call("fetch", EVENT, "--dry-run", "--exchange-config", str(config), "--format", "json")
    assert (result.exit_code, result.stderr, venues.requests, files()) == (0, "", [], {})
    plan = [(row["series"], row["source"], row["requests"], row["note"]) for row in json.loads(result.stdout)]
    # two days of one-minute bars are three pages of a thousand, for each of five coins
    assert plan[:2] == [
        ("ohlcv", "hyperliquid", 0, "passed over: serves the last 3.47 days only"),
        ("ohlcv", "binanceusdm", 15, "else binanceusdm archive, bybit, okx and 6 more"),
    ]
    thirty = plan.index(("open_interest", "binanceusdm", 0, "passed over: serves the last 30 days only"))
    assert plan[thirty + 1][:3] == ("open_interest", "binanceusdm archive", 10)


def test_a_dry_run_says_what_is_in_the_lake(filled: Crash) -> None:
    result = call("fetch", EVENT, "--dry-run", "--format", "json", "--series", "ohlcv", "--coins", "BTC")
    plan = [(row["source"], row["requests"], row["note"]) for row in json.loads(result.stdout)]
    assert plan[1:] == [("binanceusdm", 0, "in the lake")]


def test_what_a_dry_run_counts_is_what_is_asked(tmp_path: Path) -> None:
    words = (EVENT, *BINANCE, "--coins", "BTC,SOL", "--series", "ohlcv,funding")
    plan = json.loads(call("fetch", *words, "--dry-run", "--format", "json").stdout)
    told = fetched(*words, folder=tmp_path)
    asked = [path for _, path, _ in told.asked if "exchangeInfo" not in path]
    assert len(asked) == sum(row["requests"] for row in plan) == 2 * 3 + 2


def test_the_availability_table_has_every_venue_and_asks_nobody() -> None:
    result = call("fetch", "--availability", "--format", "json")
    assert result.exit_code == 0
    assert {"binanceusdm", "bybit", "okx", "hyperliquid", "bitmex"} <= {
        row["venue"] for row in json.loads(result.stdout)
    }


def test_the_former_name_of_the_option_says_the_new_one() -> None:
    result = call("fetch", "--reach")
    assert result.exit_code == 2
    assert "--reach is now called --availability" in result.stderr


def test_words_narrow_what_is_fetched(tmp_path: Path) -> None:
    told = fetched(
        EVENT, *BINANCE, "--coins", " SOL,BTC,SOL", "--series", "funding,ohlcv", "--start", "2025-10-11", "--end",
        "2025-10-11", folder=tmp_path,
    )  # fmt: skip
    assert told.rows == [
        {"series": "funding", "coins": "SOL, BTC", "source": "binanceusdm", "days": "2025-10-11", "rows": 6,
         "missing": 0, "outcome": "fetched"},
        {"series": "ohlcv", "coins": "SOL, BTC", "source": "binanceusdm", "days": "2025-10-11", "rows": 2880,
         "missing": 0, "outcome": "fetched"},
    ]  # fmt: skip
    assert {venue for venue, _, _ in told.asked} == {"binance"}
    assert sum(name.endswith(".parquet") for name in files()) == 4


def test_bars_that_nobody_has_are_a_gap(tmp_path: Path) -> None:
    told = fetched(
        EVENT, *BINANCE, "--coins", "BTC", "--series", "ohlcv,funding", folder=tmp_path,
        faults=[Fault("blocked", status=451)],
    )  # fmt: skip
    assert told.code == 3
    *holes, last = told.errors.splitlines()
    refusal = "BTC 2025-10-10, 2025-10-11: binanceusdm: refuses this country (HTTP 451); binanceusdm archive: http"
    assert [line.partition("://")[0] for line in holes] == [f"hole: {name} {refusal}" for name in ("ohlcv", "funding")]
    assert last == (
        "crashbook: 2 holes, of ohlcv, funding: a line above for each; run the same command later, "
        "or give --archive or --exchange-config"
    )
    assert told.of("ohlcv", "refuses this country (HTTP 451)")
    assert told.of("funding", "refuses this country (HTTP 451)")


def test_a_coin_that_the_venue_does_not_list_is_a_gap(tmp_path: Path) -> None:
    told = fetched(EVENT, *BINANCE, "--coins", "BTC,NOSUCH", "--series", "ohlcv", folder=tmp_path)
    assert told.code == 3
    assert told.errors.splitlines()[0] == (
        "hole: ohlcv NOSUCH 2025-10-10, 2025-10-11: binanceusdm: does not list a perpetual of NOSUCH; "
        "binanceusdm archive: not published"
    )
    assert told.of("ohlcv")[0][1:] == ("BTC", "2025-10-10, 2025-10-11", 2880)
    assert told.of("ohlcv", "does not list a perpetual of NOSUCH")


@pytest.mark.parametrize("quiet", [True, False])
def test_repeated_requests_are_noted_unless_quiet(quiet: bool, tmp_path: Path) -> None:
    words = (EVENT, *BINANCE, "--coins", "BTC", "--series", "ohlcv", *["-q"] * quiet)
    told = fetched(*words, folder=tmp_path, faults=[Fault("server_error", match="klines", at=(1,), status=503)])
    note = "note: binanceusdm: requests repeated because it 1 x failed (HTTP 503)\n"
    assert (told.code, told.errors) == (0, "" if quiet else note)


UNKNOWN = {
    ("2025-10-1",): "unknown event '2025-10-1'; did you mean ",
    (EVENT, "--series", "ohlvc"): "no series 'ohlvc' to fetch; allowed: ohlcv, ",
    (EVENT, "--venue", "binanse"): "unknown venue of ccxt 'binanse'; did you mean ",
    (EVENT, "--venue", "../x", "--series", "depth"): "unknown venue",
    (EVENT, "--timeframe", "7m"): "unknown timeframe '7m'; Known: ",
    (EVENT, "--archive", "binanze=x"): "unknown archive 'binanze'; did you mean binance?",
    (EVENT, "--archive", "binance"): "--archive binance: not NAME=PLACE; for example binance=downloads",
    (EVENT, "--start", "2025-10-12", "--end", "2025-10-11"): "--start 2025-10-12 is not before --end",
    (EVENT, "--start", "yesterday"): "invalid value for '--start'",
    (): "missing EVENT; give one of crashbook events",
}


@pytest.mark.parametrize("words", UNKNOWN)
def test_unknown_names_are_refused_before_anybody_is_asked(words: tuple[str, ...]) -> None:
    assert UNKNOWN[words] in refused(2, "fetch", *words)


def test_an_archive_that_is_not_there_is_refused(tmp_path: Path) -> None:
    line = refused(2, "fetch", EVENT, *BINANCE, "--coins", "BTC", "--archive", f"binance={tmp_path / 'absent'}")
    assert "no archive at '" in line


@pytest.mark.parametrize("day", ["2030-01-01", "9998-12-31"])
def test_days_that_are_not_over_are_refused(day: str) -> None:
    line = refused(2, "fetch", EVENT, *BINANCE, "--start", day, "--end", day)
    assert f"{day} is not over; allowed: whole UTC days up to " in line


def test_a_workspace_that_cannot_be_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("", "utf-8")
    monkeypatch.setenv("CRASHBOOK_HOME", str(tmp_path / "file" / "home"))
    with LocalVenues(tapes()) as venues:
        config = venues.write_config(tmp_path / "local.toml", retry=RETRY)
        words = (EVENT, *BINANCE, "--coins", "BTC", "--series", "ohlcv", "--exchange-config", str(config))
        line = refused(1, "fetch", *words)
    assert line.endswith("2025-10-10.parquet: cannot be written: Not a directory; free space or set CRASHBOOK_HOME")
    assert (tmp_path / "file").read_text("utf-8") == ""


def day_rows(series: str, venue: str, symbol: str, day: str) -> list[tuple[Any, ...]]:
    start = dt.datetime.fromisoformat(day)
    return read_series(Place(venue, symbol, series), start, start + dt.timedelta(days=1)).rows()


def test_a_folder_of_binance_is_asked_first(tmp_path: Path) -> None:
    rows = [(f"{EVENT} 00:00:08", band, 2.0, 2e5) for band in (-1, 1)]
    put_zip(tmp_path / "downloads", other_name("bookDepth", "BTCUSDT", EVENT), csv("bookDepth", rows))
    told = fetched(
        EVENT, *BINANCE, "--coins", "BTC", "--series", "depth", "--end", EVENT, "--archive",
        f"binance={tmp_path / 'downloads'}", folder=tmp_path,
    )  # fmt: skip
    assert (told.code, told.asked) == (0, [])
    assert told.of("depth") == [("binanceusdm archive", "BTC", EVENT, 2)]
    assert len(day_rows("depth", "binanceusdm", "BTC/USDT:USDT", EVENT)) == 2


def test_a_folder_of_bitmex_gives_bars(tmp_path: Path) -> None:
    trades = [
        (
            f"{EVENT}D00:0{minute}:01.5",
            "XBTUSDT",
            "Buy",
            1000,
            118_000 + minute,
            "PlusTick",
            f"id{minute}",
            1,
            0.001,
            118,
        )
        for minute in range(3)
    ]
    put_gz(tmp_path / "downloads", "data/trade/20251010.csv.gz", csv("trade", trades))
    told = fetched(
        EVENT, "--venue", "bitmex", "--only", "--coins", "BTC", "--series", "ohlcv", "--end", EVENT, "--archive",
        f"bitmex={tmp_path / 'downloads'}", folder=tmp_path,
    )  # fmt: skip
    assert told.code == 0, told
    assert [row[1] for row in day_rows("ohlcv", "bitmex", "BTC/USDT:USDT", EVENT)] == [118_000, 118_001, 118_002]
    assert told.of("ohlcv")[0] == ("bitmex archive", "BTC", EVENT, 3)
    assert [row["missing"] for row in told.rows] == [1437]


def test_a_folder_of_hyperliquid_gives_open_interest(tmp_path: Path) -> None:
    rows = [
        (
            f"{EVENT}T{n // 60:02d}:{n % 60:02d}:00Z",
            "BTC",
            0.0000125,
            20_000 + n,
            1,
            1,
            0,
            118_000,
            118_001,
            118_000,
            1,
            1,
        )
        for n in range(1440)
    ]
    put_lz4(tmp_path / "downloads", "asset_ctxs/20251010.csv.lz4", csv("asset_ctxs", rows))
    told = fetched(
        EVENT, "--only", "--coins", "BTC", "--series", "open_interest", "--end", EVENT, "--archive",
        f"hyperliquid={tmp_path / 'downloads'}", folder=tmp_path,
    )  # fmt: skip
    assert (told.code, told.asked) == (0, [])
    held = day_rows("open_interest", "hyperliquid", "BTC/USDC:USDC", EVENT)
    assert [row[1] for row in held] == [20_000 + n for n in range(1440)]
