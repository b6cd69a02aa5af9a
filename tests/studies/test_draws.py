"""Draws of a run: stored typed, equal for one and two workers, taken again from disk, none of what was given."""

from __future__ import annotations

import msgspec
import pytest

from backtest.catalogue.priors import read_priors
from backtest.errors import CrashbookError, UsageError
from backtest.run.drawn import Draws
from backtest.run.execute import execute
from backtest.run.prepare import Prepared, prepare
from backtest.run.resolve import resolve
from backtest.run.run import StoredRun, open_folder
from backtest.run.stored import drop_draws, store_studies
from backtest.scenario.reading import check_values
from backtest.studies import draws
from backtest.studies.draws import DrawRequest, check_size, started
from tests.support.plain import HOT_MINUTES

GIVEN = {"positions": 400, "coins": ("BTC", "SOL"), "liquidity_factor": 0.9, "step_s": 20.0, **HOT_MINUTES}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Prepared, StoredRun]:
    """Return a small run of 10 October 2025."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CRASHBOOK_HOME", str(tmp_path_factory.mktemp("home")))
        ready = prepare(resolve("2025-10-10", GIVEN))
        return ready, execute(ready)


@pytest.fixture
def home(made: tuple[Prepared, StoredRun], monkeypatch: pytest.MonkeyPatch) -> None:
    """Work where the run is, without draws beside it."""
    monkeypatch.setenv("CRASHBOOK_HOME", str(made[1].path.parents[1]))
    drop_draws(made[1].path)


def stored(made: tuple[Prepared, StoredRun], workers: int | None, size: int = 3, book_size: int = 300) -> Draws:
    """Return the draws that are stored beside the run after so many were asked for."""
    request = DrawRequest(size=size, priors=read_priors(), book_size=book_size, workers=workers)
    with started(made[0], GIVEN, request) as job:
        job.store(made[1])
    found = open_folder(made[1].path).studies.draws
    assert found is not None
    return found


@pytest.fixture(scope="module")
def alone(made: tuple[Prepared, StoredRun]) -> Draws:
    """Return three draws by one worker."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CRASHBOOK_HOME", str(made[1].path.parents[1]))
        return stored(made, 1)


@pytest.mark.usefixtures("home", "forked")
def test_one_and_two_workers_give_the_same(
    made: tuple[Prepared, StoredRun], alone: Draws, monkeypatch: pytest.MonkeyPatch
) -> None:
    drop_draws(made[1].path)
    monkeypatch.setattr(draws, "worker_count", lambda jobs: 2)  # as on a machine of two processors
    monkeypatch.setattr(draws, "run_here", None)
    assert stored(made, None) == alone
    assert [draw.seed for draw in alone.draws] == [1, 2, 3]
    assert alone.positions == 300
    assert alone.notes == ("liquidity_factor was given and is not drawn",)
    assert "liquidity" not in {field.name for field in alone.fields}
    assert len({draw.headlines.liquidated_usd for draw in alone.draws}) == 3


@pytest.mark.usefixtures("home")
def test_draws_that_are_stored_are_not_run_again(
    made: tuple[Prepared, StoredRun], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = stored(made, 1)

    def refuse(*arguments: object) -> None:
        raise CrashbookError("run again")

    monkeypatch.setattr(draws, "run_draw", refuse)
    assert stored(made, 1) == first
    with pytest.raises(CrashbookError, match="run again"):
        stored(made, 1, book_size=200)


@pytest.mark.usefixtures("home")
def test_a_draw_repeats_as_a_run_with_its_values(made: tuple[Prepared, StoredRun], alone: Draws) -> None:
    one = alone.draws[1]
    values = {name: float(value) for name, value in one.values.items()}
    rest = 1 - values["leverage.0-3"] - values["leverage.3-7"]
    level, own = values["leverage.level"], made[0].resolved.scenario
    assert isinstance(own.open_interest_usd, dict)
    shares = ((0, 3, values["leverage.0-3"]), (3, 7, values["leverage.3-7"]), (7, 0, rest))
    mix = tuple((low * level, high * level, share) for low, high, share in shares)
    sets = [
        {**each.plain(), "capital_usd": values["vault." + ("others" if each.coins == "*" else each.name)]}
        for each in own.vaults
        if each.coins != "*"  # neither BTC nor SOL is of it
    ]
    changes = {
        **GIVEN, "positions": 300, "seed": one.seed, "vaults": sets,
        "mark_half_life_s": values["mark_half_life"], "positions_per_account": values["coins_per_account"],
        "cross_frac": values["cross_share"], "hedged_frac": values["hedged_share"],
        "leverage_mix": {"default": mix}, "leverage_exponent": values["leverage_by_coin"],
        "delta_neutral_frac": values["delta_neutral_share"], "size_cap_frac": values["largest_account"],
        "open_interest_usd": {
            coin: own.open_interest_usd[coin] * values["open_interest"] * values[f"open_interest_split.{coin}"]
            for coin in own.coins
        },
    }  # fmt: skip
    s = execute(prepare(resolve("2025-10-10", check_values(changes, "test")))).summary()
    assert float(s["liquidated_usd"]) == pytest.approx(one.headlines.liquidated_usd, rel=1e-9)
    assert float(s["adl_usd"]) == pytest.approx(one.headlines.adl_usd, rel=1e-9)


@pytest.mark.usefixtures("home")
def test_draws_are_tables_of_sql(made: tuple[Prepared, StoredRun]) -> None:
    assert open_folder(made[1].path).sql("select count(*) from draws").item() == 0
    stored(made, 1)
    run = open_folder(made[1].path)
    assert run.sql("select count(*), min(draw), max(seed) from draws").row(0) == (3, 1, 3)
    assert run.sql("select count(distinct symbol) from draw_coins").item() == 2
    assert run.sql("select count(*) from draw_values where value is null").item() == 0
    total = run.sql("select sum(adl_usd) from draws").item()
    assert run.sql("select sum(adl_usd) from draw_minutes").item() == pytest.approx(total)


@pytest.mark.usefixtures("home")
def test_a_run_remembers_its_answers_but_those_on_draws_it_has_since(
    made: tuple[Prepared, StoredRun], alone: Draws
) -> None:
    drop_draws(made[1].path)
    run = open_folder(made[1].path)
    assert run.query("draw_spread").is_empty()
    moves = run.query("price_moves")
    moves.insert_column(0, moves["symbol"].alias("mine"))  # in place: a reader's own frame
    assert "mine" not in run.query("price_moves").columns
    store_studies(run.path, draws=alone)
    run.read_studies()
    assert not run.query("draw_spread").is_empty()


def test_draws_that_do_not_belong_together_are_no_draws(alone: Draws) -> None:
    found = msgspec.to_builtins(alone)
    found["draws"][1]["values"].pop("mark_half_life")
    with pytest.raises(msgspec.ValidationError, match="the draws differ in the names or kinds of their values"):
        msgspec.convert(found, Draws)


@pytest.mark.parametrize("size", [1, 10_001])
def test_one_draw_is_no_band(size: int) -> None:
    with pytest.raises(UsageError, match=f"--draws {size}: allowed are 0 for none, or 2 to 10,000"):
        check_size(size)
