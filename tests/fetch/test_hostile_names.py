"""Names of coins and symbols that would leave the lake, break a line, or are not the ones expected."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from backtest.assets import lake_folder, workspace
from backtest.errors import UsageError
from backtest.fetch.plan import targets
from backtest.lake.place import Place
from backtest.lake.read import read_series
from backtest.schema.coins import coin_name
from tests.fetch.venues import NOW, VENUES, elsewhere, fetched, lake_digests, tapes, wanted
from tests.server.market import CRASH_DAYS, Market, Tape, Tapes
from tests.support.hostile import crashbook, files

ONE = CRASH_DAYS[:1]
LEAVING = {
    "a slash": "../../X",
    "an absolute path": "/ETC/X",
    "a colon": "BTC:USDT",
    "dots": "..",
    "a backslash": "..\\X",
    "a space": "B T C",
    "unicode": "币安人生",
    "a quote": "X'; DROP",
    "a percent": "%2E%2E%2FX",
}
BREAKING = {
    "NUL": "B\0C",
    "a new line": "B\nC",
    "an escape": "\x1b[2J",
    "a lone surrogate": "\udcff",
    "a mark that turns the writing": "B\u202eC",
    "300 characters": "x" * 300,
    "100 characters of three bytes": "币" * 100,
    "nothing": "",
}
BTC = "binanceusdm", "BTC/USDT:USDT"


@dataclass(frozen=True, slots=True)
class Named(Market):
    """A market with any name of its coin."""

    coin: str = ""

    @property
    def base(self) -> str:
        return self.coin

    @property
    def quote(self) -> str:
        return "USDT"

    @property
    def settle(self) -> str:
        return "USDT"

    @property
    def id(self) -> str:
        return f"{self.coin}USDT"


def listing(*coins: str) -> Tapes:
    """Return the tapes of Binance if it lists perpetuals of coins of any name, and nothing else."""
    tape, market = tapes()[BTC], tapes()[BTC].market
    rules = (market.px_decimals, market.tick_units, market.volume_decimals, market.contract_size)
    named = [Named("binanceusdm", f"{coin}/USDT:USDT", *rules, coin=coin) for coin in coins]
    return {("binanceusdm", each.symbol): Tape(each, tape.trade, tape.seed) for each in named}


def outside(home: Path) -> list[str]:
    """Return what lies in the folders around a workspace that is not of its lake."""
    paths = (path for path in home.parent.rglob("*") if path.is_file())
    return [str(path) for path in paths if not path.is_relative_to(home / "data" / "lake")]


def test_a_venue_that_lists_hostile_names_does_not_lead_out_of_the_lake(workspace: Path) -> None:
    coins = tuple(LEAVING.values())
    goals, held = wanted(["binanceusdm"], coins=(*coins, "BTC"), days=ONE), {**listing(*coins), BTC: tapes()[BTC]}
    outcome, _ = fetched(goals, held=held)
    symbols = [f"{coin}/USDT:USDT" for coin in (*coins, "BTC")]
    assert [(day.symbol, day.rows) for day in outcome.served] == [(symbol, 1440) for symbol in symbols]
    assert outside(workspace) == []
    start = dt.datetime.combine(ONE[0], dt.time())
    assert [read_series(Place("binanceusdm", symbol, "ohlcv"), start, NOW).height for symbol in symbols] == [1440] * 10
    again, server = fetched(goals, held=held)
    assert [day.fresh for day in again.served] == [False] * 10
    assert server.requests == []


@pytest.mark.parametrize("venue", VENUES)
def test_hostile_coins_are_not_listed_and_write_nothing(venue: str, workspace: Path) -> None:
    outcome, _ = fetched(wanted([venue], coins=tuple(LEAVING.values()), days=ONE))
    assert [denial.reason for denial in outcome.denied] == [
        f"does not list a perpetual of {coin}" for coin in LEAVING.values()
    ]
    assert files() == {}
    assert outside(workspace) == []


@pytest.mark.parametrize("name", BREAKING)
def test_a_name_that_no_coin_has_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="no coin") as caught:
        targets(coins=[BREAKING[name]], series=["ohlcv"], days=ONE, venues=["binanceusdm"], now=NOW, roots={})
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("name", [name for name in BREAKING if name not in {"NUL", "nothing"}])
def test_a_name_that_no_coin_has_is_one_line_of_the_command_line(name: str) -> None:
    answer = crashbook("fetch", "2025-10-10", "--coins", f"BTC,{BREAKING[name]}", "--series", "ohlcv", "--dry-run")
    assert (answer.code, answer.out, len(answer.lines)) == (2, "", 1)
    assert answer.lines[0].startswith("crashbook: no coin '")


@pytest.mark.parametrize("name", [name for name in LEAVING if name != "a percent"])
def test_a_hostile_coin_on_the_command_line_only_names_folders(name: str, tmp_path: Path, workspace: Path) -> None:
    answer = crashbook(
        "fetch", "2025-10-10", "--coins", LEAVING[name], "--series", "ohlcv", "--dry-run", "--venue", "binanceusdm"
    )
    assert (answer.code, answer.lines) == (0, ())
    assert coin_name(LEAVING[name]) in answer.out
    assert files() == {}


def usdc() -> Tapes:
    """Return what Binance holds if it lists BTC against USDC only."""
    tape = tapes()[BTC]
    return {("binanceusdm", "BTC/USDC:USDC"): replace(tape, market=replace(tape.market, symbol="BTC/USDC:USDC"))}


def test_the_nearest_perpetual_stands_in_under_its_own_name_and_is_fetched_once() -> None:
    goals = wanted(["binanceusdm"])
    fetched(wanted(["binanceusdm"], days=CRASH_DAYS[1:]), held=usdc())
    outcome, server = fetched(goals, held=usdc())
    assert [(day.symbol, day.day, day.fresh) for day in outcome.served] == [
        ("BTC/USDC:USDC", CRASH_DAYS[1], False), ("BTC/USDC:USDC", CRASH_DAYS[0], True),
    ]  # fmt: skip
    assert outcome.denied == []
    asked = [query for _, path, query in server.requests if "klines" in path]
    assert {query["symbol"] for query in asked} == {"BTCUSDC"}
    assert len(asked) == 2


def test_what_a_killed_fetch_left_under_the_nearest_name_is_cleared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        elsewhere(patch, tmp_path / "quiet")
        fetched(wanted(["binanceusdm"]), held=usdc())
        quiet = lake_digests()
    fetched(wanted(["binanceusdm"], days=ONE), held=usdc())
    (day,) = lake_folder().rglob("*.parquet")
    day.with_name(f".2025-10-11.parquet.{2**22 + 1}.partial").write_bytes(b"PAR1 half")
    (workspace() / "data" / "lake" / "manifest.jsonl").unlink()
    fetched(wanted(["binanceusdm"]), held=usdc())
    assert lake_digests() == quiet
