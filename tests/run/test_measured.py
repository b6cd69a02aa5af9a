"""The figures beside published facts: the same from the engine's record as by query from the stored run."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, get_args

import pytest

from backtest.catalogue.facts import Comparison, Metric
from backtest.run.execute import execute, finished
from backtest.run.measured import METRICS, measured, measures
from backtest.run.prepare import prepare
from backtest.run.resolve import resolve
from backtest.scenario.reading import check_values
from tests.support.plain import LONG_STEPS

DAY = "2025-10-10"
WINDOWS = ("21:00", "21:17"), ("21:17", "21:20"), ("21:10", "22:00"), ("20:40", "20:41")
COINS = "", "BTC", "DOGE", "BTC+DOGE", "ETH+DOGE", "ETH"


def rows(windows: Sequence[tuple[str, str]]) -> tuple[Comparison, ...]:
    """Return every metric of some windows, for one coin, several and all."""
    at = dt.datetime.fromisoformat
    return tuple(
        Comparison(fact=f"{metric}.{coin}.{start}", metric=metric, coin=coin, how="bar",
                   start=at(f"{DAY}T{start}"), end=at(f"{DAY}T{end}"))
        for metric in get_args(Metric) for coin in COINS for start, end in windows
    )  # fmt: skip


def test_every_metric_has_a_measure() -> None:
    assert set(METRICS) == set(get_args(Metric))


CHANGES: tuple[dict[str, Any], ...] = (
    {},
    {"venue": "binanceusdm"},
    {"path": "feedback", "liquidity_factor": 0.2},
    {"cross_frac": 1.0, "positions_per_account": 2},
    {"vaults": "BTC:1e6,*:3e6", "vault_margin": "maintenance"},
)


@pytest.mark.parametrize("changes", CHANGES, ids=str)
def test_the_record_and_the_stored_run_give_the_same(changes: dict[str, Any]) -> None:
    asked = rows(WINDOWS if not changes else WINDOWS[1:2])  # edges of windows do not depend on the rules
    window = {"start": dt.datetime.fromisoformat(f"{DAY}T21:05"), "end": dt.datetime.fromisoformat(f"{DAY}T21:30")}
    resolved = resolve(
        DAY, {"coins": ("BTC", "DOGE"), "positions": 200, **LONG_STEPS, **window, **check_values(changes, "here")}
    )
    ready = prepare(replace(resolved, event=replace(resolved.event, compare=asked)))
    quick, stored = measures(finished(ready), asked), measured(execute(ready))
    assert quick.keys() == stored.keys()
    assert quick == pytest.approx(stored, rel=1e-9, abs=1e-6)
