"""A slice of all tiny worlds: both engines agree on all records, and the slice meets every tie at least once.

``python -m tests.engine.exhaustive`` replays all of them.
"""

from __future__ import annotations

import pytest

from backtest.mechanics.adl.rankings import RANKINGS
from tests.engine.exhaustive import agreed
from tests.engine.tiny import PARTS, row, tape, tiers
from tests.reference.slow_state import maintenance_margin

EVERY = {"ranks": 307, "rules": 211, "funds": 401, "accounts": 307}  # primes, so that a slice passes through all axes
# worlds of equal scores, which a slice so thin meets once at most
MORE = {
    "ranks": (
        2199, 4554, 4711, 5653, 21667, 22766, 26534, 27005, 37995, 48828, 49927, 54009, 55893, 56207, 58562, 59661
    )
}  # fmt: skip
SCORED = {f"equal scores: {ranking}" for ranking in RANKINGS if ranking not in {"random", "none"}}
TIES = {
    "ranks": {"equal sizes", "equal shares", "no profit", "skipped", "both sides, at once", "winner left with nothing"}
    | SCORED,
    "rules": {
        "equity at maintenance", "equity at maintenance, no breach", "equity of zero", "equity a quantum below zero",
        "mark at the floor of a tier", "order at its limit", "order beyond its limit", "book of the size",
        "book a lot short", "empty book", "equal breach marks, at once", "equal breach marks, walked",
    },
    "funds": {
        "fund exactly enough", "fund exactly enough for a part", "fund a quantum short", "fund without money",
        "equal breach marks, at once",
    },
    "accounts": {"two symbols, at once", "two symbols, walked", "equity at maintenance", "equity of zero"},
}  # fmt: skip


@pytest.mark.property
@pytest.mark.parametrize("name", PARTS)
def test_both_engines_agree_on_a_slice_that_meets_every_tie(name: str) -> None:
    part = PARTS[name]
    more = MORE.get(name, ())
    met = agreed([*part.worlds(start=1, step=EVERY[name]), *((number, part.world(number)) for number in more)])
    assert met["worlds"] == -(-(len(part) - 1) // EVERY[name]) + len(more)
    assert TIES[name] - set(met) == set()


@pytest.mark.parametrize("name", PARTS)
def test_a_part_is_the_product_of_its_axes(name: str) -> None:
    part = PARTS[name]
    last = len(part) - 1
    assert [number for number, _ in part.worlds(step=last)] == [0, last]
    assert part.world(last) == next(part.worlds(start=last))[1]
    with pytest.raises(IndexError):
        part.world(len(part))


def test_collateral_puts_equity_at_the_pivot_where_a_level_says() -> None:
    # Two lots long from 100 to 90 lose 200 of 2,000; two lots short to 110 the same. Maintenance at 1,800: 360 - 225.
    assert [row(1, 1, 2, level, 1)["wallet"] for level in ("zero", "maintenance", "safe", "half")] == [
        200, 335, 2000, 1000
    ]  # fmt: skip
    assert row(1, -1, 2, "zero", -1, more=-1)["wallet"] == 199
    assert row(1, 1, 2, "maintenance", 1, schedule="on_entry")["wallet"] == 200 + 400 - 250
    assert maintenance_margin(tiers(1), 1800) == 135
    assert maintenance_margin(tiers(1, "stepped"), 1800) == 360


def test_a_book_holds_its_depth_when_the_extreme_is_reached() -> None:
    # Three of the four prices of a walked bar have freed their part of the volume by then.
    for depth in (0, 1, 2):
        volume = tape("walk", {"BTC": (100, 90, 81)}, depth)["bars"][0]["BTC"]["volume_lots"]
        assert volume * 3 // 4 == depth
        assert tape("jump", {"BTC": (100, 90, 81)}, depth)["bars"][0]["BTC"]["volume_lots"] == depth
