"""The answer of a fund study as rows: ADL against size, its causes, the smallest size and fall of each draw."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from backtest.formatting import SPACE, percent, usd
from backtest.studies.differences import Spread
from backtest.studies.fund_rules import RuleAnswer
from backtest.studies.fund_size import FundSize
from backtest.studies.pool import CAUSES

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


def rule_rows(found: FundSize) -> list[dict[str, Any]]:
    """Return a row for floor, trigger and stop: the tightest value without ADL, or why there is none."""
    return [
        {
            "rule": each.rule.name,
            "field": each.rule.field or None,
            "given": each.rule.given,
            "value": each.value,
            "set": settings(each),
            "remain": each.remain,
            "causes_usd": dict(each.causes),
            "why": (why_not(found, each) or "").replace(SPACE, " ") or None,
        }
        for each in found.rules
    ]


def why_not(found: FundSize, answer: RuleAnswer) -> str | None:
    """Return why no value of a rule has no ADL in the wanted share of the draws, None where one has."""
    rule, count = answer.rule, len(found.draws)
    if rule.without or answer.value is not None:
        return rule.without or None
    left, whole = f"{answer.remain} of {count} draws" if found.drawn else "the scenario", sum(answer.causes.values())
    causes = "; ".join(f"{CAUSES[name].text}, {percent(usd / whole)}" for name, usd in answer.causes.items())
    ends = "; a stop says when ADL ends, not whether it begins" if rule.name == "stop" else ""
    has = "have" if found.drawn else "has"
    return f"even at {rule_value(answer, rule.value(rule.laxest))} {left} still {has} ADL: {causes}{ends}"


def settings(answer: RuleAnswer) -> list[str]:
    """Return what replays a value, as ``--set`` takes it."""
    return [f"{name}={int(value) if value == int(value) else value}" for name, value in answer.changes.items()]


def rule_value(answer: RuleAnswer, value: float) -> str:
    """Return a value of a rule as a reader takes it."""
    return percent(value) if answer.rule.field.endswith("_frac") else usd(value)


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
        "rules": rule_rows(found),
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
