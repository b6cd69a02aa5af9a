"""Columns that the values of the run alone decide, in short windows of a fall."""

from __future__ import annotations

import itertools
import math
from datetime import datetime
from typing import Any

import polars as pl
import pytest

from backtest.api.replay import replay
from backtest.formatting import plural
from backtest.run.prepare import prepare
from backtest.run.resolve import resolve
from backtest.run.summary import lines
from backtest.scenario.watched import WatchedPosition

DAY = "2025-10-10"
MINE: dict[str, Any] = {"coin": "BTC", "size_base": 1.0}
LONG = {**MINE, "name": "long", "side": "long", "entry_px": 104_562.0, "leverage": 40.0}
SHORT = {**MINE, "name": "short", "side": "short", "entry_px": 121_000.0, "leverage": 2.0}
CALM = {**MINE, "name": "calm", "side": "long", "size_base": 2000.0, "entry_px": 110_000.0, "leverage": 1.0}
LARGE = {**SHORT, "name": "large", "size_base": 100.0, "leverage": 20.0}


def fall(start: str, end: str, *watch: dict[str, Any]) -> Any:
    """Return a run of BTC over some minutes."""
    return replay(
        DAY, coins=("BTC",), positions=300, start=f"{DAY}T{start}", end=f"{DAY}T{end}", watch=list(watch), step_s=20.0,
        mark_half_life_s=30.0,
    )  # fmt: skip


@pytest.fixture(scope="module")
def without(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return the run without a watched position."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CRASHBOOK_HOME", str(tmp_path_factory.mktemp("without")))
        return fall("21:15:00", "21:22:00")


def test_a_liquidation_on_the_way_to_the_second_price_lies_between_the_first_two() -> None:
    """Equity falls to maintenance between the opening at 103,441.3 and the mark of 20 s later, 103,057.8."""
    found = fall("21:20:00", "21:21:00", LONG).liquidations
    assert found["step"].to_list() == [2]
    start, end = (datetime.fromisoformat(f"{DAY}T21:20:{second}") for second in ("00", "20"))
    assert start < found["ts"][0] < end


def test_a_watched_position_with_a_rank_is_in_the_queue() -> None:
    found = fall("21:15:00", "21:20:00", SHORT).watch
    assert found.height > 0
    assert found["in_queue"].all()
    assert (found["rank"] <= found["candidates"]).all()
    assert found["rank"].null_count() == 0


def test_a_watched_position_that_nothing_happens_to_changes_nothing_of_the_others(without: Any) -> None:
    run = fall("21:15:00", "21:22:00", CALM)
    rows_of = {"liquidations": "liquidation_id", "adl_fills": "fill_id", "adl_events": "wave_id", "steps": "step"}
    for name, key in rows_of.items():
        own = ("run_id", "position_id", *(("long_lots", "long_oi_usd") if name == "steps" else ()))
        before, after = (getattr(each, name).drop(own, strict=False).sort(key) for each in (without, run))
        assert before.height > 0
        assert before.equals(after), name
    crowd = run.positions.filter(pl.col("cohort") != "watch")
    assert crowd.drop("run_id", "position_id").equals(without.positions.drop("run_id", "position_id"))
    assert run.summary()["open_interest_usd"] == without.summary()["open_interest_usd"]
    mine = run.positions.filter(pl.col("cohort") == "watch")
    assert run.ledger.filter(pl.col("owner") == "market", pl.col("cause") == "opening")["lots"].to_list() == [
        -mine["lots"][0]
    ]
    assert all(audit.passed for audit in run.audits())


def test_waves_take_as_much_until_they_reach_a_watched_position_and_less_of_the_others_after_it(without: Any) -> None:
    run = fall("21:15:00", "21:22:00", LARGE)
    first = run.watch.filter(pl.col("closed_lots") > 0).row(0, named=True)
    waves = [each.adl_events.filter(pl.col("wave_id") <= first["wave_id"]) for each in (without, run)]
    assert (
        waves[0]
        .select("step", "lots_wanted", "lots_closed")
        .equals(waves[1].select("step", "lots_wanted", "lots_closed"))
    )
    others = [each.adl_fills.filter(pl.col("wave_id") <= first["wave_id"], pl.col("cohort") != "watch")["lots"].sum()
              for each in (without, run)]  # fmt: skip
    assert others[0] - others[1] == first["closed_lots"]
    assert all(audit.passed for audit in run.audits())


def test_a_pool_is_divided_by_the_open_interest_of_the_others() -> None:
    given = {"coins": ("BTC", "SOL"), "positions": 100, "fund_pools": "isolated", "fund_start_usd": 1e6}
    rows = [WatchedPosition(**{**CALM, "size_base": size}) for size in (1.0, 9000.0)]
    pools = [
        prepare(resolve(DAY, {**given, "venue": "binanceusdm", "watch": watch})).world.rules.pools
        for watch in ((), (rows[0],), (rows[1],))
    ]
    assert pools[0] == pools[1] == pools[2]
    assert pools[0][0].start > pools[0][1].start > 0


def test_a_vault_s_leverage_and_margin_follow_from_its_movements_and_the_margin_tables() -> None:
    window = {"start": f"{DAY}T21:10:00", "end": f"{DAY}T21:25:00"}
    run = replay(DAY, coins=("BTC", "SOL"), positions=400, vault_capital_usd=2e6, step_s=7.0, **window)
    tables = {each.symbol: each.tiers for each in run.meta.contracts}
    held = dict.fromkeys(tables, 0)
    moves = run.fund.filter(pl.col("pool") == "vault")
    levered = below = 0
    for step, rows in itertools.groupby(run.steps.iter_rows(named=True), key=lambda row: row["step"]):
        for row in moves.filter(pl.col("step") == step, pl.col("lots") != 0).iter_rows(named=True):
            held[row["symbol"]] += row["lots"]
        gross = needed = 0.0
        for row in rows:
            notional = abs(held[row["symbol"]]) * float(row["lot_value_usd"])
            tiers, equity = tables[row["symbol"]], float(row["vault_equity_usd"])
            parts = zip(tiers, [*(tier.floor for tier in tiers[1:]), math.inf], strict=True)
            needed += sum(
                tier.maintenance_rate * (min(notional, top) - tier.floor)
                for tier, top in parts
                if notional > tier.floor
            )
            gross += notional
        assert float(row["vault_excess_usd"]) == pytest.approx(equity - needed, abs=0.01)
        if equity > 0:
            assert row["vault_leverage"] == pytest.approx(gross / equity)
            levered += gross > 0
        else:
            assert row["vault_leverage"] is None
        below += bool(gross) and row["vault_excess_usd"] < 0
    assert levered > 3
    assert run.summary()["vault_below_maintenance_steps"] == below > 0
    words = f"below maintenance at {below:,} {plural(below, 'price')}, leverage up to "
    assert words in dict(lines(run))["  margin"]


def test_a_bar_is_walked_in_steps_of_at_most_step_s() -> None:
    """The prices of the bar itself stay, the volume is spread over the steps, and cash still sums to zero."""
    few: dict[str, Any] = {"coins": ("BTC",), "positions": 200, "start": f"{DAY}T21:19:00", "end": f"{DAY}T21:22:00"}
    whole = replay(DAY, step_s=20.0, **few)
    for step_s, pieces in ((3.0, 7), (0.5, 40)):
        run = replay(DAY, step_s=step_s, **few)
        steps, parts = run.steps.sort("step"), 3 * pieces + 1
        assert steps["step"].to_list() == list(range(1, 3 * parts + 1))
        seconds = steps["ts"].diff().drop_nulls().dt.total_microseconds() / 1e6
        assert seconds.max() <= step_s + 1e-5  # type: ignore[operator]
        assert seconds.sum() == pytest.approx(180)
        assert _ends(steps, parts) == _ends(whole.steps.sort("step"), 4)
        assert [audit.name for audit in run.audits() if not audit.passed] == []


def _ends(steps: pl.DataFrame, parts: int) -> list[tuple[float, float]]:
    """Return trade and mark at the first and the last price of every bar."""
    places = [place for place in range(steps.height) if place % parts in {0, parts - 1}]
    return [(steps["trade_px"][place], round(steps["mark_px"][place], 6)) for place in places]
