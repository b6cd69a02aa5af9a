"""A replay on the feedback path, from the scenario to the tables."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import polars as pl
import pytest

import backtest
from backtest.errors import ConfigError, DataError, DataGapError
from backtest.lake.place import Place
from backtest.lake.series import schema_of
from backtest.run.prepare import prepare
from backtest.run.resolve import resolve
from backtest.run.run import StoredRun
from backtest.run.tables import steps
from backtest.run.tables.shared import Shared
from backtest.scenario.fields import PARAMS
from backtest.scenario.values import baseline_of
from backtest.schema.tables import TABLES
from tests.support.plain import LONG_STEPS

EVENT = "2021-12-04"
SMALL: dict[str, Any] = {"positions": 400, **LONG_STEPS}
DRY: dict[str, Any] = {"path": "feedback", "liquidity_factor": 0.2, "impact_y": 3.0, **SMALL}


def frames(run: StoredRun) -> dict[str, pl.DataFrame]:
    """Return all tables without what names the run."""
    own = {"run_id", "scenario_sha256"}
    found = {name: run.sql(f"SELECT * FROM {name}") for name in TABLES}
    return {name: frame.drop(own & set(frame.columns)) for name, frame in found.items()}


@pytest.fixture(scope="module")
def on_both_paths(tmp_path_factory: pytest.TempPathFactory) -> dict[str, StoredRun]:
    """Return the unchanged scenario on either path."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CRASHBOOK_HOME", str(tmp_path_factory.mktemp("paths")))
        return {path: backtest.replay(EVENT, path=path, **SMALL) for path in ("tape", "feedback")}


def test_an_unchanged_scenario_reproduces_the_tape_to_the_last_cell(on_both_paths: dict[str, StoredRun]) -> None:
    tape, feedback = (frames(on_both_paths[path]) for path in ("tape", "feedback"))
    assert tape["liquidations"].height > 100
    for name, frame in tape.items():
        assert frame.equals(feedback[name]), name


def test_less_liquidity_lets_forced_sales_push_the_price() -> None:
    run = backtest.replay(EVENT, **DRY)
    steps = run.sql("SELECT sum(liquidated_long_usd) AS sold, min(mark_px / tape_mark_px) AS least FROM steps")
    assert steps["least"][0] < 0.999
    rounds = run.sql("SELECT max(rounds) AS most, count(*) FILTER (flow_lots < 0) AS selling FROM steps")
    assert rounds["most"][0] > 1
    assert rounds["selling"][0] > 10
    assert run.sql("SELECT count(*) AS n FROM liquidations WHERE round > 1")["n"][0] > 0
    assert all(audit.passed for audit in run.audits())
    marks = run.sql(
        "SELECT count(*) AS n FROM liquidations l JOIN steps s USING (step, symbol)"
        " WHERE l.round = s.rounds AND l.end_mark_px <> s.mark_px"
    )
    assert marks["n"][0] == 0


def test_ranges_of_the_last_round_alone_do_not_hold_fills_and_marks(monkeypatch: pytest.MonkeyPatch) -> None:
    def of_the_last_round(s: Shared) -> steps.Reached:
        walk, moved = s.world.walk, s.trade - s.world.walk.trade
        low, high = s.world.trade_low[:, walk.bar] + moved, s.world.trade_high[:, walk.bar] + moved
        return steps.Reached(mark_low=s.mark, mark_high=s.mark, trade_low=low, trade_high=high)

    monkeypatch.setattr(steps, "reached_in", of_the_last_round)
    run = backtest.replay(EVENT, **DRY)
    assert [audit.name for audit in run.audits() if not audit.passed] == ["book_fill_inside_range", "mark_inside_walk"]


def test_the_run_says_what_displaces_its_prices(on_both_paths: dict[str, StoredRun]) -> None:
    tape, feedback = (on_both_paths[path].meta for path in ("tape", "feedback"))
    assert any("path=feedback" in text for text in tape.not_simulated)
    assert not any("Feedback" in text for text in feedback.not_simulated)
    assert any("halves every 300 s" in text for text in feedback.assumptions)


def test_the_baseline_keeps_the_world_and_drops_what_changed_in_it() -> None:
    given = {
        "path": "feedback", "liquidity_factor": 0.5, "fund_start_usd": 1e6,
        "open_interest_usd": {"BTC": 1e9, "ETH": 2e9}, "seed": 7, "impact": "linear", "positions": 500,
    }  # fmt: skip
    resolved = resolve("2025-10-10", given)
    before, usual = baseline_of(resolved.scenario, resolved.default_scenario), resolve("2025-10-10", {}).scenario
    assert (before.path, before.seed, before.impact, before.positions) == ("tape", 7, "linear", 500)
    assert (before.liquidity_factor, before.fund_start_usd) == (1.0, usual.fund_start_usd)
    # the event knows the open interest of its own coins; that of a further one stays as given
    assert before.open_interest_usd == {**usual.open_interest_usd, "ETH": 2e9}
    changed = {name for name in given if getattr(before, name) != getattr(resolved.scenario, name)}
    assert changed == {"path", "liquidity_factor", "fund_start_usd", "open_interest_usd"}
    assert not changed & {param.name for param in PARAMS if param.kept}


@pytest.mark.parametrize(
    ("field", "value", "allowed"),
    [
        ("path", "loop", "tape, feedback"),
        ("max_rounds", 0, "1 to 1,000"),
        ("feedback_half_life_s", -1.0, "0 to 1,000,000,000"),
    ],
)
def test_values_out_of_range_are_refused(field: str, value: Any, allowed: str) -> None:
    with pytest.raises(ConfigError, match=allowed):
        backtest.replay(EVENT, **{field: value})


# --- impact by the depth of the book -------------------------------------------------------------------------------


def seen(rows: list[tuple[dt.datetime, float, float]]) -> None:
    """Put snapshots of the book of BTC at Binance into the lake: time, distance, base units."""
    frame = pl.DataFrame(
        [(ts, band, base, base * 50_000) for ts, band, base in rows], schema=schema_of("depth"), orient="row"
    )
    for (day,), part in frame.group_by(pl.col("ts").dt.date()):
        file = Place("binanceusdm", "BTC/USDT:USDT", "depth").file(day)  # type: ignore[arg-type]
        file.parent.mkdir(parents=True, exist_ok=True)
        part.sort("ts").write_parquet(file)


def snapshots(every_s: int, scale: float = 1.0) -> list[tuple[dt.datetime, float, float]]:
    market = prepare(resolve(EVENT, SMALL)).market
    first, last = (dt.datetime.fromisoformat(str(np.datetime64(int(ts), "us"))) for ts in market.open_ts[[0, -1]])
    times = [first + dt.timedelta(seconds=s) for s in range(0, int((last - first).total_seconds()) + 60, every_s)]
    bands = ((-0.05, 900.0), (-0.01, 200.0), (0.01, 150.0), (0.05, 700.0))
    return [(time, band, base * scale) for time in times for band, base in bands]


@pytest.fixture
def lake(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRASHBOOK_HOME", str(tmp_path))


@pytest.mark.usefixtures("lake")
def test_depth_of_the_book_sets_the_price_of_forced_orders() -> None:
    slippage = []
    for scale in (1.0, 0.1):
        seen(snapshots(30, scale))
        run = backtest.replay(EVENT, impact="depth", venue="binanceusdm", positions=200, **LONG_STEPS)
        assert run.sql("SELECT count(*) AS n FROM coverage WHERE series = 'depth' AND label = 'measured'")["n"][0] == 1
        found = run.sql("SELECT sum(book_usd) / sum(book_lots * mark_px) AS paid FROM liquidations WHERE side = 'long'")
        slippage.append(found["paid"][0])
        assert run.sql("SELECT count(*) AS n FROM potential WHERE absorbed_usd IS NULL")["n"][0] == 0
    assert slippage[1] < slippage[0]


@pytest.mark.usefixtures("lake")
def test_a_book_that_is_not_there_or_too_old_is_refused() -> None:
    with pytest.raises(DataGapError, match=r"the lake has binanceusdm: none.*--series depth.*impact=sqrt"):
        backtest.replay(EVENT, impact="depth", venue="binanceusdm", **SMALL)
    seen(snapshots(1200))
    with pytest.raises(DataGapError, match=r"none within five minutes of \d+ of \d+ bars, the first 2021-12-0"):
        backtest.replay(EVENT, impact="depth", venue="binanceusdm", **SMALL)
    seen([(ts, -abs(band), base) for ts, band, base in snapshots(60)])
    with pytest.raises(DataGapError, match="no band that every snapshot has on both sides"):
        backtest.replay(EVENT, impact="depth", venue="binanceusdm", **SMALL)
    seen([(ts, band, -base) for ts, band, base in snapshots(60)])
    with pytest.raises(DataError, match="rows of depth that are no band with its size"):
        backtest.replay(EVENT, impact="depth", venue="binanceusdm", **SMALL)
