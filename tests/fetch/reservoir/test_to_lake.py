"""Parts of the archive in the lake: bars without holes of their own, each forced close once, units of contracts."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import polars as pl
import pytest

from backtest.fetch.reservoir.place import Folder
from backtest.fetch.reservoir.plan import Wanted, plan_of
from backtest.fetch.reservoir.pull import pull, read_parts
from backtest.fetch.reservoir.to_lake import carry_flat, forced_rows, lot_decimals, store_bars, store_fills, store_units
from backtest.lake.place import Place
from backtest.lake.read import read_series
from tests.fetch.reservoir import by_hand

CORE = dt.datetime(2025, 10, 10, 20, 50), dt.datetime(2025, 10, 10, 21, 30)  # noqa: DTZ001
NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
PEPE = "KPEPE/USDC:USDC"


@pytest.fixture
def parts(tmp_path: Path) -> dict[str, pl.DataFrame]:
    pull(plan_of(Folder(by_hand.venue(tmp_path / "archive")), Wanted.of(CORE, (), ("BTC",))), "x")
    found = {name: read_parts("x", name) for name in ("positions", "fills", "liquidations", "adl", "bars")}
    return {name: frame for name, frame in found.items() if frame is not None}


def test_a_second_without_a_trade_is_the_close_before_it(parts: dict[str, pl.DataFrame]) -> None:
    stored = list(store_bars(parts["bars"], NOW))
    assert {each.symbol for each in stored} == {"BTC/USDC:USDC", PEPE}
    rows = read_series(Place("hyperliquid", PEPE, "ohlcv", "1s"), *CORE)
    assert rows.height == by_hand.SECONDS - 4  # the last trade was four seconds before the end
    assert rows["ts"].diff().drop_nulls().unique().to_list() == [dt.timedelta(seconds=1)]
    assert rows["volume"].head(6).to_list() == [2, 0, 0, 0, 0, 2]
    assert rows["close"].head(5).n_unique() == 1
    again = list(store_bars(parts["bars"], NOW))
    assert [each.note for each in again] == ["", ""]


def test_nothing_is_carried_into_a_hole_of_all_coins() -> None:
    at = CORE[0]
    times = [at, at + dt.timedelta(seconds=1), at + dt.timedelta(seconds=200), at + dt.timedelta(seconds=201)]
    prices = dict.fromkeys(("open", "high", "low", "close", "volume"), [1.0] * 4)
    frame = pl.DataFrame({"coin": ["A"] * 4, "timestamp": times, **prices})
    assert carry_flat(frame)["ts"].to_list() == times


def test_each_forced_close_counts_once_and_names_its_parties(parts: dict[str, pl.DataFrame]) -> None:
    rows = forced_rows(parts["liquidations"], parts["adl"])
    found = rows.select("user", "kind", "side", "quantity_base", "method", "liquidated_user").rows()
    assert found == [
        (by_hand.user(1), "liquidation", "long", 0.3, "market", None),
        (by_hand.user(3), "liquidation", "long", 0.1, "backstop", None),
        (by_hand.user(4), "adl", "short", 0.1, "backstop", by_hand.user(7)),
    ]
    stored = list(store_fills(parts["liquidations"], parts["adl"], NOW))
    assert [(each.series, each.symbol, each.rows) for each in stored] == [("fills", "BTC/USDC:USDC", 3)]


def test_an_account_that_was_bankrupt_in_a_deleveraging_was_liquidated_a_vault_was_not() -> None:
    flags = {"is_liquidation": True, "liquidation_method": "backstop"}
    taken = [
        by_hand.fill("21:16:00", 1, "BTC", "sell", "2", "100", "2", direction="Liquidated Cross Long", **flags),
        by_hand.fill("21:16:00", 7, "BTC", "buy", "2", "100", "0", crossed=False, **flags),
    ]
    pairs = [(2, 7, 8), (3, 5, 9)]  # the vault and then an account against a winner each
    adl = [
        row | {"trade_id": number}
        for number, bankrupt, winner in pairs
        for row in (
            by_hand.fill(
                "21:17:00", bankrupt, "BTC", "sell", "1", "99", "1", direction="Liquidated Cross Long", **flags
            ),
            by_hand.fill("21:17:00", winner, "BTC", "buy", "1", "99", "-1", direction="Auto-Deleveraging", **flags),
        )
    ]

    def closed(*rows: dict[str, object]) -> list[tuple[str, str]]:
        marked = [{**row, "liquidation_mark_px": "99"} for row in rows]
        frame = pl.DataFrame(marked, infer_schema_length=None)
        return [(kind, int(user, 16)) for kind, user in forced_rows(frame, None).select("kind", "user").rows()]

    assert closed(*taken, *adl) == [("liquidation", 1), ("adl", 8), ("liquidation", 5), ("adl", 9)]
    # one row of each trade: who took over is not known, so nobody's loss is counted twice
    assert closed(taken[0], *adl) == [("liquidation", 1), ("adl", 8), ("adl", 9)]
    # no vault at all: whoever was bankrupt was liquidated
    assert closed(*adl) == [("liquidation", 7), ("adl", 8), ("liquidation", 5), ("adl", 9)]


def test_a_day_without_forced_closes_is_empty() -> None:
    assert forced_rows(None, None).height == 0


def test_units_of_coins_that_no_profile_lists_follow_from_their_sizes(parts: dict[str, pl.DataFrame]) -> None:
    sizes = pl.concat([
        parts["positions"].select(pl.col("market").alias("coin"), "size"),
        parts["fills"].select("coin", pl.col("size").cast(pl.Float64)),
    ])  # fmt: skip
    decimals = lot_decimals(sizes)
    assert decimals == {"BTC": 1, "kPEPE": 0}
    list(store_units(decimals, {"BTC"}, CORE[0].date(), NOW))
    units = read_series(Place("hyperliquid", PEPE, "limits"), CORE[0].replace(hour=0, minute=0), CORE[1])
    assert units.select("tick_px", "lot_base").rows() == [(1e-6, 1.0)]
