"""Worlds with the rules of further venues laid over the drawn ones: schedules that step, and who takes what is left."""

from typing import Any

from hypothesis import strategies as st

from .worlds_strategy import account_worlds, worlds


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
def blocks(draw: st.DrawFn, world: dict[str, Any]) -> None:
    """Let orders be limited per block: at a fillable price below which the fund pays, or round after round."""
    profile, book_value = world["profile"], sum(row["cost"] for row in world["accounts"])
    share = st.sampled_from((125_000_000, 500_000_000, 100_000_000, 900_000_000, 10**9))
    profile["liquidation_rule"] = draw(
        st.sampled_from(("fillable_price", "fillable_price", "fillable_price", "incremental"))
    )
    permille = draw(st.sampled_from((0, 1, 5, 20, 100)))
    profile["block"] = {
        "time_ms": draw(st.sampled_from((1000, 1100, 3333, 10_000, 700_000))),
        "share_e9": draw(share),
        "least": book_value * permille // 1000,
        "most": book_value * (permille + draw(st.sampled_from((1, 5, 50, 1000)))) // 1000,
        "orders": draw(st.sampled_from((1, 1, 2, 50))),
        "deleverages": draw(st.sampled_from((0, 1, 1, 10))),
        "adjustment_e9": draw(st.sampled_from((10**9, 10**9, 500_000_000, 3 * 10**9))),
        "spread_e9": draw(st.sampled_from((1_500_000_000, 1_500_000_000, 100_000_000, 4 * 10**9))),
    }
    if draw(st.booleans()):  # a fund that pays for fills and takes nothing over
        profile["fund"]["takeover"] = "none"


@st.composite
def venue_worlds(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a world of `worlds` or `account_worlds` and lay the rules of other venues over most of it."""
    world: dict[str, Any] = draw(worlds() | account_worlds())
    profile = world["profile"]
    if draw(st.integers(0, 3)):
        draw(stepped(world))
    if draw(st.booleans()):
        draw(blocks(world))
    rules = ("uncovered", "fund_negative", "waits", "waits", "socialised_winners", "socialised_both")
    profile["on_exhausted"] = draw(st.sampled_from((*rules, *rules[-2:])))
    if draw(st.integers(0, 2)) == 0:
        profile["ranking"] = "none"
        if draw(st.booleans()):  # nobody takes over either: losses are shared
            profile["fund"]["takeover"] = "none"
            profile |= {"vault": None} if profile["residual_owner"] != "vault" else {}
    elif draw(st.booleans()):
        profile["max_candidates"] = draw(st.sampled_from((1, 1, 2, 3)))
    return world
