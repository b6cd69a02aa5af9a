"""A deeper fall: what moves, what stays, and that the book does not change."""

from __future__ import annotations

import numpy as np

from backtest.market.shock import deepened, shocked
from backtest.mechanics.path import HIGH, LOW, OPEN
from backtest.run.prepare import Prepared, prepare
from backtest.run.resolve import resolve

GIVEN = {"positions": 200, "coins": ("BTC", "SOL"), "step_s": 20.0}


def ready(**fields: float) -> Prepared:
    """Return a small replay of 10 October 2025."""
    return prepare(resolve("2025-10-10", {**GIVEN, **fields}))


def test_prices_below_the_first_fall_further_and_the_others_stay() -> None:
    day, deep = ready(), ready(shock=1.5)
    first = day.first_bar
    for s in range(2):
        before, after = day.market.trade[s, first:], deep.market.trade[s, first:]
        start = before[0, OPEN]
        assert (after[before >= start] == before[before >= start]).all()
        low = int(before.min())
        assert int(after.min()) == round(start * (low / start) ** 1.5) < low
        assert (after[:, LOW] <= after.min(axis=1)).all()
        assert (after[:, HIGH] >= after.max(axis=1)).all()
    assert (day.market.trade[:, :first] == deep.market.trade[:, :first]).all()
    assert (day.market.volume_lots == deep.market.volume_lots).all()


def test_the_book_stays_and_the_run_is_another() -> None:
    day, deep = ready(), ready(shock=1.5)
    assert day.book.digest == deep.book.digest
    assert day.market.digest != deep.market.digest
    assert day.run_id != deep.run_id
    assert "every coin's fall below its first price is 1.5 times that of the tape, in logarithms" in deep.market.notes
    assert (deep.world.walk.mark <= day.world.walk.mark).all()


def test_a_factor_of_one_changes_no_price() -> None:
    day = ready()
    same = shocked(day.market, 1.0, day.resolved.scenario.mark_half_life_s)
    assert (same.trade == day.market.trade).all()
    assert (same.mark == day.market.mark).all()


def test_no_price_falls_below_a_tick() -> None:
    assert deepened(np.array([100, 1, 0]), 100, 10.0).tolist() == [100, 1, 1]
    assert deepened(np.array([100, 50]), 100, 0.0).tolist() == [100, 100]
