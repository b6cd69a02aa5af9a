"""The figures beside published facts: the same from the engine's record as by query from the stored run."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, get_args

import pytest

from backtest.catalogue.facts import Comparison, Metric
from backtest.run.execute import finished, stored
from backtest.run.measured import METRICS, measured, measures
from backtest.run.prepare import prepare
from backtest.run.resolve import resolve
from backtest.scenario.reading import check_values
from tests.support.plain import LONG_STEPS

DAY = "2025-10-10"
WINDOWS = ("21:00", "21:17"), ("21:17", "21:20"), ("21:10", "22:00"), ("20:40", "20:41")
COINS = "", "BTC", "DOGE", "BTC+DOGE", "ETH+DOGE", "ETH"


def rows(coins: Sequence[str], windows: Sequence[tuple[str, str]]) -> tuple[Comparison, ...]:
    """Return every metric of some coins in some windows."""
    at = dt.datetime.fromisoformat
    return tuple(
        Comparison(fact=f"{metric}.{coin}.{start}", metric=metric, coin=coin, how="bar",
                   start=at(f"{DAY}T{start}"), end=at(f"{DAY}T{end}"))
        for metric in get_args(Metric) for coin in coins for start, end in windows
    )  # fmt: skip


def test_every_metric_has_a_measure() -> None:
    assert set(METRICS) == set(get_args(Metric))


CHANGES: tuple[dict[str, Any], ...] = (
    {},
    {"venue": "binanceusdm"},
    {"path": "feedback", "liquidity_factor": 0.2},
    {"cross_frac": 1.0, "positions_per_account": 2, "vaults": "BTC:1e6,*:3e6", "vault_margin": "maintenance"},
)


@pytest.mark.parametrize("changes", CHANGES, ids=str)
def test_the_record_and_the_stored_run_give_the_same(changes: dict[str, Any]) -> None:
    # edges of windows and coins that are not simulated do not depend on the rules
    asked = rows(("", "BTC", "BTC+DOGE"), WINDOWS[1:2]) if changes else rows(COINS, WINDOWS)
    window = {"start": dt.datetime.fromisoformat(f"{DAY}T21:05"), "end": dt.datetime.fromisoformat(f"{DAY}T21:30")}
    resolved = resolve(
        DAY, {"coins": ("BTC", "DOGE"), "positions": 200, **LONG_STEPS, **window, **check_values(changes, "here")}
    )
    ready = prepare(replace(resolved, event=replace(resolved.event, compare=asked)))
    done = finished(ready)
    quick, slow = measures(done, asked), measured(stored(ready, done))
    assert quick.keys() == slow.keys()
    assert quick == pytest.approx(slow, rel=1e-9, abs=1e-6)
