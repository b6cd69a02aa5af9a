"""Comparisons: the same draws under each alternative, equal for one and two workers, failures that name themselves."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from backtest.catalogue.priors import read_priors
from backtest.errors import ConfigError, CrashbookError, UnknownNameError, UsageError
from backtest.mechanics.adl.allocation import ALLOCATIONS
from backtest.run.execute import execute
from backtest.run.prepare import prepare
from backtest.run.resolve import resolve
from backtest.studies.alternatives import Alternative, named, policies, settings, venues
from backtest.studies.cohorts import Group
from backtest.studies.compared import compared
from backtest.studies.draws import check_size
from backtest.studies.markets import Markets
from backtest.studies.metrics import LORENZ, METRICS
from backtest.studies.paired import AS_IT_IS, Paired, PairedRequest, compare, plan_of, task_of
from backtest.studies.paired_draw import PairedTask, run_alternative, run_pair
from tests.support.plain import HOT_MINUTES

SHARES = tuple(name for name, rule in ALLOCATIONS.items() if not rule.ranked)
GIVEN = {"coins": ("BTC", "SOL"), "step_s": 20.0, **HOT_MINUTES}


def request(alternatives: tuple[Alternative, ...], draws: int = 3, workers: int = 1) -> PairedRequest:
    """Return a comparison of small books of 10 October 2025."""
    return PairedRequest(
        event="2025-10-10", given=GIVEN, alternatives=alternatives, priors=read_priors(), draws=draws,
        book_size=300, workers=workers,
    )  # fmt: skip


@pytest.fixture(scope="module")
def found() -> Paired:
    """Return the venue's queue twice over, another one, and pro rata."""
    same = {"queue": {}, "again": {"adl_allocation": "queue"}, "random": {"ranking": "random"}}
    return compare(request(named({**same, "pro_rata": {"adl_allocation": "pro_rata"}})))


def test_the_same_rules_on_the_same_draws_differ_in_nothing(found: Paired) -> None:
    for name, values in found.metrics.items():
        assert np.array_equal(values[0], values[1], equal_nan=True), name
    assert (found.gains[Group("side", "short")]["worse"][:2] == 0).all()
    assert found.seeds == (1, 2, 3)
    assert found.drawn > 10


def test_policies_pay_for_one_loss_in_different_ways(found: Paired) -> None:
    adl, accounts, turn = (found.metrics[name] for name in ("adl_usd", "adl_accounts", "out_of_turn_usd"))
    assert (adl > 0).all()
    assert (turn[:2] == 0).all()
    assert (turn[2:] > 0).all()
    assert (turn <= adl).all()
    assert (accounts[3] > accounts[0]).all(), "in proportion everybody pays"
    assert (found.metrics["haircut_trade_max_frac"][3] < found.metrics["haircut_trade_max_frac"][0]).all()
    assert np.allclose(
        found.metrics["over_usd"] - found.metrics["under_usd"], found.metrics["overshoot_usd"], atol=1e-5
    )


def test_lorenz_curves_enclose_the_gini_index(found: Paired) -> None:
    curves = found.lorenz
    assert curves.shape == (4, 3, len(LORENZ))
    assert (np.diff(curves) >= 0).all()
    assert np.allclose(curves[..., [0, -1]], (0, 1))
    area = 1 - (curves[..., 1:] + curves[..., :-1]).sum(axis=-1) * (LORENZ[1] - LORENZ[0])
    assert np.allclose(area, found.metrics["closed_gini_frac"], atol=0.03)


def test_what_accounts_and_other_owners_win_sums_to_nothing(found: Paired) -> None:
    owners = sum(values["gain_usd"] for group, values in found.gains.items() if group.kind == "owner")
    for kind in ("side", "hedge", "margin", "leverage", "size"):
        parts = [np.nan_to_num(values["gain_usd"]) for group, values in found.gains.items() if group.kind == kind]
        assert np.allclose(sum(parts) + owners, 0, atol=1e-3), kind


def test_a_draw_has_the_figures_of_a_run() -> None:
    fields = {**GIVEN, "positions": 300}
    run = execute(prepare(resolve("2025-10-10", {**fields, "adl_allocation": "pro_rata"})))
    two = policies(["queue", "pro_rata"])
    small = compare(
        PairedRequest(event="2025-10-10", given=fields, alternatives=two, priors=read_priors(), draws=0, workers=1)
    )
    summary = run.summary()
    assert (len(small.seeds), small.drawn) == (1, 0)
    for name in ("liquidated_usd", "adl_usd", "uncovered_usd", "adl_accounts"):
        assert small.metrics[name][1, 0] == pytest.approx(float(summary[name]), rel=1e-9), name
    forgone, overshoot = run.sql("select -sum(immediate_usd), sum(difference_usd) from adl_fills").row(0)
    assert small.metrics["forgone_mark_usd"][1, 0] == pytest.approx(float(forgone))
    assert small.metrics["overshoot_usd"][1, 0] == pytest.approx(float(overshoot))
    gini = run.query("adl_concentration")["gini_frac"][0]
    assert small.metrics["closed_gini_frac"][1, 0] == pytest.approx(float(gini), rel=1e-6)
    neutral = run.sql("select count(distinct position_id) from adl_fills where cohort = 'delta_neutral'").item()
    assert small.metrics["hedge_legs_broken"][1, 0] >= neutral > 0


@pytest.mark.usefixtures("forked")
def test_one_and_two_workers_give_the_same() -> None:
    two = policies(["queue", "pro_rata"])
    alone, crowd = compare(request(two, draws=2)), compare(request(two, draws=2, workers=2))
    for name, values in alone.metrics.items():
        assert values.tobytes() == crowd.metrics[name].tobytes(), name
    assert compared(alone) == compared(crowd)


@pytest.mark.usefixtures("forked")
def test_a_draw_divided_by_alternative_gives_the_same() -> None:
    wanted = replace(request(policies(["queue", "pro_rata", "random"]), draws=0), given={**GIVEN, "positions": 300})
    alone, crowd = compare(wanted), compare(replace(wanted, workers=2))
    for name, values in alone.metrics.items():
        assert values.tobytes() == crowd.metrics[name].tobytes(), name
    assert alone.lorenz.tobytes() == crowd.lorenz.tobytes()
    assert compared(alone) == compared(crowd)


def test_long_runs_are_divided_by_alternative_and_many_draws_by_draw(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backtest.studies.paired.worker_count", lambda jobs: min(jobs, 2))
    seven = replace(request(policies(["queue", *SHARES[:6]]), draws=0), workers=None)
    long, short = plan_of(seven, 100_000), plan_of(seven, 300)
    assert (long.work, long.jobs, long.workers) == (run_alternative, 7, 2)
    assert (short.work, short.jobs, short.workers) == (run_pair, 1, 1)
    many = plan_of(replace(seven, draws=16, book_size=100_000), 100_000)
    assert (many.work, many.jobs, many.workers) == (run_pair, 16, 2)


def test_policies_together_have_the_figures_of_each_alone() -> None:
    wanted = request(policies(["queue", *SHARES]), draws=2)
    tasks, markets = {}, Markets()
    for each in wanted.alternatives:
        resolved = resolve(wanted.event, {**GIVEN, **each.fields})
        tasks[each.name] = task_of(wanted, resolved, markets.of(resolved), ("adl_allocation",))
    together = run_pair(PairedTask(tasks), 1)
    alike = {"pro_rata", "capped_pro_rata"}  # no position of this crash pays as much as half
    assert len({repr(found.figures) for found in together}) == len(together) - len(alike) + 1
    for (name, task), found in zip(tasks.items(), together, strict=True):
        alone = run_pair(PairedTask({name: task}), 1)[0]
        assert repr(found.figures) == repr(alone.figures), name
        for group, gains in found.gains.items():
            assert repr(gains.gain_usd) == repr(alone.gains[group].gain_usd), (name, group)


def test_venues_have_the_book_of_the_first() -> None:
    two = compare(request(venues(["hyperliquid", "okx"], {}), draws=2))
    assert [each.scenario.book_of for each in two.resolved] == [None, "hyperliquid"]
    assert np.isnan(two.gains[Group("size", "from 1M")]["worse"]).sum() == 0, "the accounts are the same"
    assert (two.metrics["pool_low_usd"][1] > two.metrics["pool_low_usd"][0]).all()


def test_rows_have_the_difference_within_each_draw(found: Paired) -> None:
    answer = compared(found)
    base, again, _, pro_rata = answer.of("adl_accounts")
    assert base.same
    assert again.same
    assert (pro_rata.lower_frac, pro_rata.higher_frac, pro_rata.draws) == (0.0, 1.0, 3)
    change = found.metrics["adl_accounts"][3] - found.metrics["adl_accounts"][0]
    assert pro_rata.difference == pytest.approx(float(np.median(change)))
    assert {row.metric for row in answer.rows if not row.kind} == {metric.name for metric in METRICS}


def test_a_failure_names_alternative_and_draw() -> None:
    bad = named({"plain": {}, "deep": {"impact": "depth"}})
    with pytest.raises(CrashbookError, match=r"^deep: "):
        compare(request(bad))
    late = named({"plain": {}, "few": {"cross_order": "loss", "cross_allocation": "one_first"}})
    with pytest.raises(CrashbookError, match=r"^draw 1 of 2: few: cross_allocation = 'one_first' but the vault"):
        compare(request(late, draws=2))
    with pytest.raises(UnknownNameError, match=r"^unknown event"):
        compare(PairedRequest(event="1929-10-29", given={}, alternatives=bad, priors=read_priors()))


def test_alternatives_that_cannot_be() -> None:
    with pytest.raises(UnknownNameError, match="unknown policy 'pro-rata'; did you mean pro_rata"):
        policies(["queue", "pro-rata"])
    with pytest.raises(UnknownNameError, match="unknown venue 'bybitt'"):
        venues(["hyperliquid", "bybitt"], {})
    with pytest.raises(UsageError, match="alternative queue comes twice; name each once"):
        policies(["queue", "queue"])
    with pytest.raises(UsageError, match="1 alternative; a comparison takes 2 to 24"):
        policies(["queue"])
    with pytest.raises(ConfigError, match=r"--set: seed = -1; allowed"):
        settings(["seed=-1"])
    with pytest.raises(UsageError, match="--draws 1: allowed are 0 for the scenario as it is, or 2 to 10,000"):
        check_size(1, AS_IT_IS)
