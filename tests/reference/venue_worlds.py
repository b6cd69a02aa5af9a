"""Worlds with the rules of further venues laid over the drawn ones: schedules that step, and who takes what is left."""

from typing import Any

from hypothesis import strategies as st

from .worlds_strategy import worlds


@st.composite
def stepped(draw: st.DrawFn, world: dict[str, Any]) -> None:
    """Let one rate apply to the whole position in some symbols: without deductions maintenance jumps at every floor."""
    for name, rules in world["symbols"].items():
        if draw(st.integers(0, 4)):
            floors = [floor + draw(st.integers(-2, 2)) for floor, _, _ in rules["tiers"][1:]]
            costs = [row["cost"] for row in world["accounts"] if row["symbol"] == name]
            if costs and draw(st.booleans()):  # near what positions are worth, so that a gain lifts them into a breach
                near = st.tuples(st.sampled_from(costs), st.sampled_from((970, 1000, 1010, 1030, 1060, 1120)))
                floors = [cost * permille // 1000 for cost, permille in draw(st.lists(near, min_size=1, max_size=4))]
            floors = sorted({max(1, floor) for floor in floors})
            rates = sorted(draw(st.sets(st.integers(2, 400), min_size=len(floors) + 1, max_size=len(floors) + 1)))
            rules["tiers"] = [[floor, rate * 10**6, 0] for floor, rate in zip([0, *floors], rates, strict=True)]


@st.composite
def venue_worlds(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a world of `worlds`, with schedules that step in most of them."""
    world: dict[str, Any] = draw(worlds())
    if draw(st.integers(0, 3)):
        draw(stepped(world))
    return world
