"""My positions over draws: the same as a stored run tells, copies that do not notice each other, bounds."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from backtest.api.replay import replay
from backtest.catalogue.priors import read_priors
from backtest.errors import ConfigError, UsageError
from backtest.run.prepare import prepare
from backtest.run.resolve import resolve
from backtest.scenario.position_text import read_position
from backtest.scenario.watched import WatchedPosition
from backtest.studies.watch import Watched, WatchRequest, standing, watch
from backtest.studies.watch_copies import Copy

DAY = "2025-10-10"
FIELDS: dict[str, Any] = {
    "coins": ("BTC", "SOL"), "positions": 400, "step_s": 20.0, "start": f"{DAY}T21:08:00", "end": f"{DAY}T21:26:00",
}  # fmt: skip
SHORT = "short 5000 SOL @ 221.5, 8x"
LONG = "long 20 BTC @ 112k, 15x"


def fields() -> dict[str, Any]:
    from backtest.scenario.reading import check_values

    return check_values(FIELDS, "test")


def ask(*texts: str, size: int = 2, priors: Any = None, **more: Any) -> Watched:
    """Return the answer on positions, all hedged."""
    positions = tuple(read_position(text, hedged=True) for text in texts)
    request = WatchRequest(positions=positions, priors=priors or read_priors(), size=size, workers=1, **more)
    return watch(resolve(DAY, fields()), fields(), request)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Work in a workspace of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CRASHBOOK_HOME", str(tmp_path_factory.mktemp("home")))
        yield


@pytest.fixture(scope="module")
def found(home: None) -> Watched:
    """Return both positions over seeds alone, with copies at two leverages."""
    return ask(SHORT, LONG, priors=_no_priors(), leverages=(2.0, 20.0))


@pytest.fixture(scope="module")
def apart(home: None) -> Watched:
    """Return the same with copies at one leverage, each in runs of its own."""
    return ask(SHORT, LONG, priors=_no_priors(), leverages=(2.0,), apart=True)


def _no_priors() -> Any:
    return dataclasses.replace(read_priors(), rows=(), accepted=())


def test_a_draw_tells_of_a_position_what_a_stored_run_does(apart: Watched) -> None:
    alone = apart
    rows = [each.plain() for each in alone.positions]
    run = replay(DAY, **{**FIELDS, "watch": rows})
    first = {row.position: row for row in alone.outcomes if row.own and row.draw == 1}
    for hedge in run.query("hedges").to_dicts():
        row = first[hedge["name"]]
        assert row.adl_frac == pytest.approx(hedge["closed_lots"] / hedge["opening_lots"])
        assert row.liquidated_frac == pytest.approx(hedge["liquidated_lots"] / hedge["opening_lots"])
        assert row.unhedged_pnl_usd == pytest.approx(float(hedge["unhedged_pnl_usd"]))
        assert row.unhedged_usd == pytest.approx(float(hedge["unhedged_usd"]))
        assert row.unhedged_s == pytest.approx(hedge["unhedged_s"])
        assert row.waves == hedge["waves"]
        if hedge["closed_lots"]:
            assert row.against_mark_usd == pytest.approx(float(hedge["immediate_usd"]))
            assert row.close_px == pytest.approx(hedge["mean_close_px"])
            assert row.mark_px == pytest.approx(hedge["mean_mark_px"])
    assert first["short 5000 SOL"].adl_frac > 0
    assert first["long 20 BTC"].liquidated_frac > 0
    ranks = run.query("watch_ranks", name="short 5000 SOL").to_dicts()
    stood = [place for place in alone.places if place.own and place.draw == 1 and place.position == "short 5000 SOL"]
    assert [place.ahead_usd for place in stood] == [
        None if row["notional_ahead_usd"] is None else pytest.approx(float(row["notional_ahead_usd"])) for row in ranks
    ]
    waves = {row["wave_id"]: float(row["notional_usd"]) for row in run.adl_events.to_dicts()}
    assert [place.taken_usd for place in stood] == [pytest.approx(waves[row["wave_id"]]) for row in ranks]


def test_holding_on_differs_by_the_closes_and_what_came_after_them(found: Watched) -> None:
    # A short closed whole by ADL: its outside leg, alone, makes what it would have made, but for the close price.
    closed = [row for row in found.outcomes if row.adl_frac == 1 and not row.liquidated_frac]
    assert closed
    for row in closed:
        assert row.against_mark_usd is not None
        assert row.unhedged_pnl_usd is not None
        assert row.against_holding_usd == pytest.approx(row.unhedged_pnl_usd + row.against_mark_usd, abs=1)


def test_a_copy_stands_in_its_first_wave_as_if_it_were_alone(found: Watched, apart: Watched) -> None:
    def first(answer: Watched) -> Any:
        own = [row for row in answer.places if row.position == "short 5000 SOL" and row.leverage == 2]
        return next(row for row in own if row.draw == 1)

    together, alone = first(found), first(apart)
    assert (together.s, together.ahead_usd) == (alone.s, pytest.approx(alone.ahead_usd))
    assert together.candidates_usd != alone.candidates_usd  # the other copies are in the queue
    assert together.closed_frac == pytest.approx(alone.closed_frac)


def test_chances_count_draws_and_every_draw_has_a_row_for_each_copy(found: Watched) -> None:
    assert found.by_draw.height == 2 * 3 * 2
    assert found.summary["draws"].to_list() == [2] * 6
    assert found.summary.filter(found.summary["own"])["leverage"].to_list() == [8.0, 15.0]
    row = next(row for row in found.rows if row.position == "long 20 BTC" and row.leverage == 20)
    mine = [each for each in found.outcomes if each.position == row.position and each.leverage == 20]
    assert row.liquidated.count == sum(each.liquidated_frac > 0 for each in mine) == 2
    assert found.waves.height == len(found.places) > 0
    assert found.shares["short 5000 SOL"] == pytest.approx(0.0012, abs=3e-4)


def test_copies_are_small_and_their_dollars_those_of_the_position_in_full(found: Watched) -> None:
    large = ask("short 100k SOL @ 221.5, 8x", leverages=(2.0, 5.0), priors=_no_priors())
    text = "short 100000 SOL: by leverage, copies of 1/"
    assert any(note.startswith(text) for note in large.notes)
    one = next(row for row in large.outcomes if row.leverage == 2 and row.adl_frac == 1)
    assert abs(one.unhedged_usd or 0) == pytest.approx(100_000 * (one.mark_px or 0), rel=1e-6)
    assert not any("copies of" in note for note in found.notes)


@pytest.mark.parametrize(
    ("texts", "more", "said"),
    [
        ((), {}, "no position to watch; give --position"),
        (("short 1 DOGE @ 0.2, 2x",), {}, "DOGE is not simulated; allowed: BTC, SOL"),
        (("short 10 SOL @ 221.5, 90x",), {}, "its tier allows at most"),
        (("short 10 SOL @ 150, 20x",), {}, "already in breach of maintenance margin at the first mark"),
        (("short 400k SOL @ 221.5, 2x",), {}, "of the open interest of a side"),
        (("short 10 SOL @ 221.5, 2x",), {"leverages": (2.0, 90.0)}, "or leave 90 out of the leverages"),
    ],
)
@pytest.mark.usefixtures("home")
def test_positions_that_cannot_be_watched_are_refused_in_a_line(
    texts: tuple[str, ...], more: dict[str, Any], said: str
) -> None:
    with pytest.raises(ConfigError) as raised:
        ask(*texts, **more)
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.usefixtures("home")
def test_draws_without_a_band_and_no_leverages_are_refused() -> None:
    for size, leverages, said in ((0, None, "--draws 0"), (1, None, "--draws 1"), (2, (), "leverages: none"),
                                  (2, (0.0,), "leverages: 0; allowed")):  # fmt: skip
        with pytest.raises(UsageError, match=said):
            ask(SHORT, size=size, leverages=leverages)


@pytest.mark.usefixtures("home")
def test_a_copy_in_breach_at_the_first_mark_of_a_draw_is_left_out_of_it() -> None:
    bare = prepare(resolve(DAY, {**fields(), "positions": 100}))
    good, bad = (
        Copy(position="mine", leverage=watch.leverage, own=True, watches=(watch,), factors=(1.0,))
        for watch in (read_position("long 1 BTC @ 112k, 2x"), read_position("long 1 BTC @ 130k, 20x"))
    )
    asked = []

    def ready(copies: Any) -> Any:
        asked.append(tuple(copies))
        if bad in copies:
            raise ConfigError("watch 'mine': already in breach of maintenance margin at the first mark")
        return bare

    assert standing(ready, (good, bad)) == (bare, (good,))
    assert asked == [(good, bad), (), (good,)]
    with pytest.raises(ConfigError, match="something else"):
        standing(refused, (good,))


def refused(copies: Any) -> Any:
    raise ConfigError("something else")


@pytest.mark.usefixtures("home")
def test_positions_of_one_name_are_told_apart() -> None:
    twice = ask(SHORT, SHORT, leverages=(2.0,))
    assert [each.name for each in twice.positions] == ["short 5000 SOL", "short 5000 SOL (2)"]
    assert all(isinstance(each, WatchedPosition) for each in twice.positions)
