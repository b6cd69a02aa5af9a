"""The answer of a fund study as rows: ADL against size, its causes, the smallest size and fall of each draw."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from backtest.studies.differences import Spread
from backtest.studies.fund_size import FundSize

CURVE = ("size_usd", "given", "p_adl", "adl_usd", "adl_low_usd", "adl_high_usd", "p_preventable", "pool_low_usd")
DRAWS = ("draw", "seed", "smallest_usd", "remains", "comes_back", "rises", "shock")


def curve(found: FundSize) -> list[dict[str, Any]]:
    """Return a row for each size: share of draws with ADL, and with ADL that a larger one prevents; spread of ADL."""
    rows = []
    for k, size in enumerate(found.sizes):
        spread = Spread.of(found.adl[k])
        tried = [draw.grid[k] for draw in found.draws]
        rows.append(
            {
                "size_usd": size,
                "given": size == found.pool.size_usd,
                "p_adl": _share([each.adl_usd > 0 for each in tried]),
                "adl_usd": spread.median,
                "adl_low_usd": spread.low,
                "adl_high_usd": spread.high,
                "p_preventable": _share([each.preventable_usd > 0 for each in tried]),
                "pool_low_usd": Spread.of(np.array([each.low_usd for each in tried])).median,
            }
        )
    return rows


def draw_rows(found: FundSize) -> list[dict[str, Any]]:
    """Return a row for each draw; a size or fall that is beyond all that were tried is None."""
    first = found.resolved.scenario.seed
    return [
        {
            "draw": k + 1,
            "seed": first + k,
            "smallest_usd": finite(draw.smallest_usd),
            "remains": draw.remains,
            "comes_back": draw.comes_back,
            "rises": draw.rises,
            "shock": None if draw.shock is None else finite(draw.shock),
        }
        for k, draw in enumerate(found.draws)
    ]


def plain(found: FundSize) -> dict[str, Any]:
    """Return the whole answer as JSON takes it."""
    return {
        "event": found.resolved.event.id,
        "venue": found.resolved.venue.id,
        "pool": found.pool.owner,
        "given_usd": found.pool.size_usd,
        "no_adl": found.no_adl,
        "needed_usd": finite(found.needed_usd),
        "sufficient_usd": finite(found.sufficient_usd),
        "causes_given_usd": found.causes(),
        "causes_largest_usd": found.causes(-1),
        "curve": curve(found),
        "draws": draw_rows(found),
        "positions": found.positions,
    }


def spread_of_sizes(found: FundSize) -> Spread:
    """Return the spread of the draws' own smallest sizes, of those that have one."""
    return Spread.of(np.array([draw.smallest_usd for draw in found.draws if math.isfinite(draw.smallest_usd)]))


def spread_of_shocks(found: FundSize) -> Spread:
    """Return the spread of the smallest falls, of the draws that have one."""
    known = [draw.shock for draw in found.draws if draw.shock is not None and math.isfinite(draw.shock)]
    return Spread.of(np.array(known, dtype=np.float64))


def count_of(found: FundSize, name: str) -> int:
    """Return in how many draws a property of ``FundDraw`` holds."""
    return sum(bool(getattr(draw, name)) for draw in found.draws)


def finite(value: float) -> float | None:
    """Return a number, None for infinity."""
    return value if math.isfinite(value) else None


def _share(flags: list[bool]) -> float:
    return sum(flags) / len(flags)
