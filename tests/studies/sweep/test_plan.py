"""The file of a sweep: what it expands to, what it costs, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from backtest.errors import CrashbookError
from backtest.studies.sweep.plan import MOST, read_plan

EVENT = "2025-10-10"


def test_a_grid_is_every_combination_and_single_scenarios_follow() -> None:
    plan = read_plan(
        {"event": EVENT, "set": {"positions": 500}, "grid": {"venue": ["bybit", "okx"], "seed": [1, 2]},
         "scenario": [{"event": "2021-12-04", "positions": 900}]}
    )  # fmt: skip
    points = list(plan.points())
    assert [dict(point.varied) for point in points] == [
        {"venue": "bybit", "seed": 1}, {"venue": "bybit", "seed": 2}, {"venue": "okx", "seed": 1},
        {"venue": "okx", "seed": 2}, {"event": "2021-12-04", "positions": 900},
    ]  # fmt: skip
    assert [(point.event, point.fields["positions"]) for point in points] == 4 * [(EVENT, 500)] + [("2021-12-04", 900)]
    assert plan.size == 5
    assert plan.varied == ("venue", "seed", "event", "positions")


def test_no_grid_and_no_list_is_one_scenario() -> None:
    assert [point.fields for point in read_plan({"event": EVENT, "set": {"seed": 9}}).points()] == [{"seed": 9}]


def test_the_price_follows_positions_and_draws() -> None:
    one = read_plan({"event": EVENT, "set": {"positions": 100_000}})
    many = read_plan({"event": EVENT, "grid": {"positions": [50_000, 150_000], "seed": [1, 2]}})
    drawn = read_plan({"event": EVENT, "draws": 8, "draw_positions": 50_000})
    assert many.seconds() == pytest.approx(4 * one.seconds())
    assert one.seconds() < drawn.seconds() < 8 * one.seconds()
    assert one.size_bytes(folders=False) < one.size_bytes(folders=True)


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        ({}, 'no event; write event = "2025-10-10", or event in every scenario'),
        ({"scenario": [{"event": EVENT}, {"seed": 1}]}, "no event"),
        ({"event": EVENT, "grid": {"sed": [1]}}, "grid: unknown key 'sed'; did you mean seed"),
        ({"event": EVENT, "grid": {"seed": []}}, "grid: seed = []; give at least one value"),
        ({"event": EVENT, "grid": {"seed": [1, 2, 1]}}, "grid: seed has 1 twice"),
        ({"event": EVENT, "grid": {"seed": 3}}, "seed"),
        ({"event": EVENT, "gird": {}}, "gird"),
        ({"event": EVENT, "draws": 1}, "--draws 1"),
        ({"event": "2025-10-11x"}, "unknown event"),
        ({"event": EVENT, "grid": {"venue": ["bybit", "bibit"]}}, "unknown venue 'bibit'"),
        ({"event": EVENT, "scenario": [{"seed": -1}]}, "scenario 1: seed = -1"),
        ({"event": EVENT, "grid": {"seed": list(range(4000)), "positions": list(range(2, 4002))}}, f"{MOST:,}"),
    ],
)
def test_what_is_not_allowed_is_one_line(table: dict[str, Any], reason: str) -> None:
    with pytest.raises(CrashbookError) as refused:
        read_plan(table)
    assert reason in str(refused.value)
    assert "\n" not in str(refused.value)


def test_priors_stand_beside_the_file(tmp_path: Path) -> None:
    (tmp_path / "sweep.toml").write_text(f'event = "{EVENT}"\npriors = "mine.toml"\n')
    with pytest.raises(CrashbookError, match=r"mine\.toml"):
        read_plan(tmp_path / "sweep.toml")
