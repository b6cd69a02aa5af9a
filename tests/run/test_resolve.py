"""From a scenario to a run: where values come from, what is refused, what several runs say together."""

from __future__ import annotations

import dataclasses
import datetime as dt

import numpy as np
import polars as pl
import pytest

import backtest
from backtest.catalogue.events import get_event
from backtest.errors import UnknownNameError, UsageError
from backtest.market.mark_model import model_points
from backtest.market.path import walk_market
from backtest.run.execute import execute
from backtest.run.prepare import prepare
from backtest.run.resolve import resolve
from backtest.run.run import open_run
from backtest.scenario.reading import check_values
from backtest.studies import seeds
from backtest.studies.seeds import bands
from backtest.studies.study import StudyRequest
from backtest.venue.profile import FundStart
from backtest.venue.reading import get_venue

SMALL = {"positions": 300, "step_s": 20.0}
PAIR = pl.DataFrame(
    {
        "account": [1, 2],
        "symbol": ["BTC", "BTC"],
        "side": ["long", "short"],
        "quantity_base": [1.0, 1.0],
        "entry_px": [52000.0, 52000.0],
        "leverage": [10.0, 2.0],
    }
)


@pytest.mark.parametrize(("end", "warned"), [("2026-09-23T04:00", 0), ("2026-09-23T04:01", 1)])
def test_rules_of_a_venue_that_had_closed_by_then_run_with_a_warning(
    end: str, warned: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = dataclasses.replace(get_event("2020-03-12"), core_end=dt.datetime.fromisoformat(end))
    monkeypatch.setattr("backtest.run.resolve.get_event", lambda _: event)
    notes = [note for note in resolve(event.id, {"venue": "bitmex"}).notes if "historic" in note]
    expected = (
        f"Bitmex is historic: closed on 2026-09-23 at 04:00 UTC, before the end of {event.id}: its last rules run."
    )
    assert notes == [expected] * warned
    assert not any("historic" in note for note in resolve(event.id, {"venue": "okx"}).notes)


def test_a_run_read_again_has_its_scenario_with_the_types_of_its_fields() -> None:
    mine = {"name": "desk", "coin": "BTC", "side": "short", "size_base": 1.0, "entry_px": 58_000.0, "leverage": 2.0}
    given = {
        **SMALL,
        "leverage_mix": {"default": [[0, 3, 0.5], [3, 0, 0.5]]},
        "watch": [mine],
        "start": "2021-12-04T05:00",
    }
    found = backtest.replay("2021-12-04", **given)
    scenario = open_run(found.run_id).meta.scenario
    assert scenario == found.meta.scenario
    assert (scenario.positions, scenario.coins, scenario.watch[0].name) == (300, ("BTC",), "desk")
    assert scenario.start == dt.datetime.fromisoformat("2021-12-04T05:00")
    assert scenario.leverage_mix == {"default": ((0.0, 3.0, 0.5), (3.0, 0.0, 0.5))}


def test_a_fund_that_pays_for_nothing_says_which_field_works() -> None:
    note = "fund_start_usd has no effect at hyperliquid, whose fund takes nothing over; set "
    given = {"fund_start_usd": 50e6}
    assert resolve("2025-10-10", given).headline == (f"{note}vault_capital_usd: the vault pays there",)
    sets = ({"coins": "*", "capital_usd": 1e6},)
    stated = check_values({**given, "vaults": sets}, "test")
    assert resolve("2025-10-10", stated).headline == (f"{note}vaults: the vault pays there",)
    none = {**given, "vaults": (), "vault_capital_usd": 0.0}
    assert resolve("2025-10-10", none).headline == (f"{note}fund_takeover=bankruptcy too",)
    for works in ({**given, "fund_takeover": "bankruptcy"}, {**given, "on_exhausted": "socialised_both"}):
        assert resolve("2025-10-10", works).headline == ()
    assert not any("no effect" in note for note in resolve("2025-10-10", {**given, "venue": "okx"}).headline)
    assert resolve("2025-10-10", {}).headline == ()


def test_given_values_beat_the_event_and_the_event_beats_the_venue() -> None:
    plain = resolve("2025-10-10", {})
    assert plain.venue.id == "hyperliquid"
    assert plain.scenario.vault_capital_usd == 12e6
    assert [each.open_interest_usd for each in plain.scenario.vaults] == [4.44e9, 2.46e9]  # the venue states none
    assert plain.sources["vaults"].startswith("event: measured")
    assert plain.sources["vault_capital_usd"] == plain.sources["close_price"] == "venue profile"
    changed = resolve("2025-10-10", {"close_price": "mark", "open_interest_usd": {"BTC": 1e9}})
    assert changed.scenario.close_price == "mark"
    assert changed.sources["close_price"] == "given"
    assert changed.scenario.open_interest_usd == {**plain.scenario.open_interest_usd, "BTC": 1e9}


def test_a_venue_with_the_book_of_another_differs_in_its_rules_only() -> None:
    theirs, own = resolve("2025-10-10", {}), resolve("2025-10-10", {"venue": "bybit"})
    both = resolve("2025-10-10", {"venue": "bybit", "book_of": "hyperliquid"})
    for name in ("open_interest_usd", "leverage_mix", "liquidity_scale"):
        assert getattr(both.scenario, name) == getattr(theirs.scenario, name)
        assert both.sources[name] == theirs.sources[name]
    for name in (
        "liquidation_rule",
        "ranking",
        "vault_capital_usd",
        "fund_start_usd",
        "drawdown_trigger",
        "close_price",
        "mark_half_life_s",
    ):
        assert getattr(both.scenario, name) == getattr(own.scenario, name)
    assert theirs.scenario.liquidity_scale != own.scenario.liquidity_scale
    assert any("Open interest of bybit: declared" in flag for flag in own.notes)
    assert not any("Open interest of" in flag for flag in both.notes)
    with pytest.raises(UnknownNameError, match="did you mean bybit"):
        resolve("2025-10-10", {"book_of": "bibit"})


def test_one_number_for_several_coins_is_told() -> None:
    told = "Open_interest_usd = 1,000,000,000 is that of each coin, not of all together."
    assert told in resolve("2025-10-10", {"open_interest_usd": 1e9}).notes
    assert told not in resolve("2025-10-10", {"open_interest_usd": 1e9, "coins": ("BTC",)}).notes


def test_the_mix_of_one_coin_leaves_the_others_the_program_s() -> None:
    mine = ((0.0, 5.0, 1.0),)
    mix = resolve("2025-10-10", {"venue": "bybit", "leverage_mix": {"BTC": mine}}).scenario.leverage_mix
    assert mix == {**resolve("2025-10-10", {"venue": "bybit"}).scenario.leverage_mix, "BTC": mine}


def test_a_default_spelled_out_is_the_same_run() -> None:
    spelled = resolve("2025-10-10", {"close_price": "previous_mark", "seed": 1, **SMALL})
    left_out = resolve("2025-10-10", SMALL)
    assert spelled.sources == left_out.sources
    assert prepare(spelled).run_id == prepare(left_out).run_id


@pytest.mark.parametrize("given", [{"coins": ("BTC", "BCT")}, {"liquidity_scale": {"BCT": 2.0}}])
def test_a_coin_the_venue_does_not_have_is_refused(given: dict[str, object]) -> None:
    with pytest.raises(UnknownNameError, match=r"BCT.*did you mean BTC"):
        resolve("2025-10-10", given)


def test_a_fund_balance_counts_for_a_year() -> None:
    binance = get_venue("binanceusdm")
    assert binance.fund_start(dt.date(2020, 3, 12)).amount == 12_860_000
    assert binance.fund_start(dt.date(2020, 3, 14)).amount == 6_230_000
    assert binance.fund_start(dt.date(2020, 5, 10)) == FundStart(
        21_005_925, "published balance at the end of 2020-05-09"
    )
    assert binance.fund_start(dt.date(2020, 5, 11)).amount == 7_731_989
    assert binance.fund_start(dt.date(2021, 12, 4)) == FundStart(
        288_718_799, "published balance at the end of 2021-05-20"
    )
    assert not any("No fund balance" in flag for flag in resolve("2024-08-05", {"fund_start_usd": 1e6}).notes)


def test_a_modelled_mark_is_walked_through_its_own_values() -> None:
    market = prepare(resolve("2021-12-04", SMALL)).market
    path = walk_market(market, "ohlc", 30.0)
    points = model_points(market.trade[0], "ohlc", 60, 30.0, market.instruments[0].mark_per_tick)
    assert market.modelled == (True,)
    assert path.mark.tolist() == [points.ravel().tolist()]
    assert walk_market(market, "close", 30.0).mark.tolist() == [points[:, 3].tolist()]


def test_half_life_zero_is_the_trade_price() -> None:
    run = prepare(resolve("2021-12-04", {"mark_half_life_s": 0.0, **SMALL}))
    assert np.array_equal(run.world.walk.mark, run.world.walk.trade * run.world.mark_per_tick[0])


def test_replay_takes_a_frame_of_positions_or_a_size() -> None:
    assert len(backtest.replay("2021-12-04", positions=50, step_s=20.0).positions) == 50
    run = backtest.replay("2021-12-04", positions=PAIR, step_s=20.0)
    assert run.meta.labels.book.badge == "imported"
    assert run.liquidations["account_id"].to_list() == [1]
    assert all(audit.passed for audit in run.audits())


def test_a_run_answers_in_polars_pandas_and_words(monkeypatch: pytest.MonkeyPatch) -> None:
    run = backtest.replay("2021-12-04", **SMALL)
    monkeypatch.setattr("backtest.run.run.REMEMBERED", 2)
    first = run.query("largest_liquidations", limit=2)
    first.insert_column(0, pl.Series("mine", [1, 2]))  # a user's own: the run keeps another
    for limit in (2, "2", 1, 3, 2):
        assert run.query("largest_liquidations", limit=limit).height == int(limit)
    assert "mine" not in run.query("largest_liquidations", limit=2).columns
    assert len(run._answers) == 2
    assert run.steps.height == run.to_pandas("steps").shape[0] == 49 * 4
    assert run.sql("select count(*) as n from positions")["n"].item() == 300
    assert run.to_pandas("run_summary").shape[0] == 1
    assert f"run {run.run_id}" in repr(run)
    assert "<pre>" in run._repr_html_()
    assert open_run(run.run_id[:5]).run_id == run.run_id
    with pytest.raises(AttributeError, match="nothing"):
        _ = run.nothing


def test_seeds_share_a_market_and_give_bands() -> None:
    resolved = resolve("2021-12-04", SMALL)
    prepared = prepare(resolved)
    request = StudyRequest(resolved=resolved, overrides={}, market=prepared.market, first=execute(prepared), size=3)
    run = seeds.run(request)
    assert run.studies.seeds is not None
    assert len(set(run.studies.seeds.run_ids)) == 3
    found = run.studies.seeds.bands
    assert found["liquidated_usd"].low <= found["liquidated_usd"].median <= found["liquidated_usd"].high
    assert found == bands(run.studies.seeds.summaries)
    spread = {row["metric"]: row for row in run.query("seed_spread").to_dicts()}
    assert spread["adl_usd"]["runs"] == 3
    band = found["adl_usd"]
    names = ("p05", "median", "p95")
    assert [spread["adl_usd"][name] for name in names] == pytest.approx([band.low, band.median, band.high])
    assert all(len(values) == 3 for values in run.studies.seeds.compared.values())
    imported = dataclasses.replace(resolved, scenario=resolved.scenario.with_(positions_file="book.csv"))
    with pytest.raises(UsageError, match="an imported one has no seed"):
        seeds.run(dataclasses.replace(request, resolved=imported))
