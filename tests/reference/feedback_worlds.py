"""Random worlds on the feedback path: a world of the ordinary kind, and what was otherwise in its baseline."""

from typing import Any

from hypothesis import strategies as st

from .venue_worlds import stepped
from .worlds_strategy import account_worlds, lot_value, worlds

BILLION = 10**9


@st.composite
def feedback_worlds(draw: st.DrawFn, with_vault: bool | None = None, crossed: bool | None = None) -> dict[str, Any]:
    """Draw a world whose prices its own flow displaces.

    Parameters
    ----------
    with_vault, crossed : bool, optional
        Always or never configure a vault, draw cross accounts and inverse contracts; both where absent.
    """
    crossed = draw(st.booleans()) if crossed is None else crossed
    world: dict[str, Any] = draw(account_worlds(with_vault) if crossed else worlds(with_vault))
    if draw(st.integers(0, 3)) == 0:
        draw(stepped(world))
    world["liquidity"]["impact"] = draw(st.sampled_from(("sqrt", "sqrt", "linear", "depth", "none")))
    if draw(st.sampled_from((True, True, False))):  # most worlds of the ordinary kind have little that takes orders
        world["liquidity"]["participation_e9"] = BILLION
        for bar in world["bars"]:
            for each in bar.values():
                each["volume_lots"] = draw(st.sampled_from((40, 300, 300, 5000)))
    world["accounts"] += draw(chain(world))
    world["liquidity"]["sigma_e9"] = draw(st.sampled_from((30_000_000, 200_000_000, 700_000_000)))
    if world["liquidity"]["impact"] == "depth":
        world["depth"] = {name: draw(depth(len(world["bars"]))) for name in world["symbols"]}
    world["feedback"] = {
        "decay_e9": draw(st.sampled_from((0, 300_000_000, 900_000_000, 999_000_000, BILLION))),
        "max_rounds": draw(st.sampled_from((1, 2, 3, 10))),
        "baseline": draw(baseline(world)),
    }
    return world


@st.composite
def chain(draw: st.DrawFn, world: dict[str, Any]) -> list[dict[str, Any]]:
    """Draw positions of one side whose margins follow each other closely: one's end is the next one's."""
    symbol, side = draw(st.sampled_from(list(world["symbols"]))), draw(st.sampled_from((1, 1, -1)))
    rules = world["symbols"][symbol]
    entry_px = world["bars"][0][symbol]["trade"][0]
    rows = []
    for number, step in enumerate(draw(st.lists(st.integers(2, 40), max_size=8))):
        lots = draw(st.integers(1, 60))
        value = lots * lot_value(rules, entry_px)
        wallet = value * (20 + step * (number + 1)) // 1000
        place = {"id": 200 + number, "symbol": symbol, "side": side}
        rows.append(place | {"lots": lots, "cost": value, "wallet": wallet})
    return rows


@st.composite
def depth(draw: st.DrawFn, bars: int) -> dict[str, Any]:
    """Draw an order book for each bar: lots within each distance, cumulative, now and then none."""
    distances = sorted(draw(st.sets(st.sampled_from((2_000_000, 10_000_000, 20_000_000, 50_000_000)), min_size=1)))

    def side() -> list[list[int]]:
        return [
            sorted(draw(st.lists(st.sampled_from((0, 3, 20, 90, 400, 3000)), min_size=k, max_size=k)))
            for k in [len(distances)] * bars
        ]

    return {"distances_e9": distances, "bids": side(), "asks": side()}


@st.composite
def baseline(draw: st.DrawFn, world: dict[str, Any]) -> dict[str, Any]:
    """Draw the parts of a world that its baseline has otherwise: at times none, mostly its liquidity or its book."""
    liquidity, profile = world["liquidity"], world["profile"]
    out: dict[str, Any] = {}
    changes = ("nothing", "scale", "participation", "impact_y", "impact_y", "fund", "book", "book")
    for change in draw(st.lists(st.sampled_from(changes), min_size=1, max_size=3)):
        match change:
            case "scale":
                liquidity = {**liquidity, "scale_e9": draw(st.sampled_from((BILLION, 5 * BILLION, 100_000_000)))}
            case "participation":
                liquidity = {**liquidity, "participation_e9": draw(st.sampled_from((0, BILLION // 10, BILLION)))}
            case "impact_y":
                liquidity = {**liquidity, "impact_y_e9": draw(st.sampled_from((0, 0, BILLION // 3, 3 * BILLION)))}
            case "fund":
                fund = {**profile["fund"], "start": profile["fund"]["start"] * draw(st.sampled_from((0, 2, 50)))}
                out["profile"] = {**profile, "fund": fund}
            case "book":
                keep = draw(st.lists(st.booleans(), min_size=len(world["accounts"]), max_size=len(world["accounts"])))
                kept = [row for row, stays in zip(world["accounts"], keep, strict=True) if stays]
                out["accounts"] = kept or world["accounts"][:1]
    if liquidity is not world["liquidity"]:
        out["liquidity"] = liquidity
    return out
