"""The fast engine agrees with the slow one on drawn worlds, and what holds in every run holds in theirs.

The worlds are kept by ``drawn_worlds``: enough to meet every rare path of ``RARE``, and what ``chosen`` asks for.
``CRASHBOOK_WORLDS=2000`` is the number to draw afresh after a change of the engine.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from backtest.engine.run import Outcome, simulate
from tests.engine import holds
from tests.engine.crowds import crowd
from tests.engine.drawn_worlds import worlds_of
from tests.engine.paths import paths
from tests.engine.test_records import check_all
from tests.reference.adapter import build, shape
from tests.reference.slow_engine import replay
from tests.reference.slow_shares import BY_SHARE
from tests.reference.worlds_strategy import RANKINGS

World = dict[str, Any]


def results_agree(world: World) -> Outcome:
    """Compare the results of both engines."""
    outcome = simulate(build(world))
    assert shape(outcome, world) == replay(world)
    return outcome


COMPARED: dict[str, Callable[[World], Outcome]] = {  # what of both engines is compared
    "isolated": check_all, "venue-rules": results_agree, "accounts": check_all, "feedback": results_agree,
    "feedback-accounts": results_agree, "vaults": results_agree, "profiles": results_agree,
}  # fmt: skip
# paths that the worlds have to meet between them; `paths` counts them
RARE = {
    "takeover: fund", "takeover: vault", "adl of: vault", "adl of: fund", "part: two_tiers",
    "part: part_first", "part: fillable_price", "part: incremental", "part: tier_by_tier", "part: reduce_once",
    "unwind", "fund refused floor", "fund adl_on drawdown", "fund restored", "residual: vault",
    "residual: fund", "funding", "unmatched to: fund", "unmatched to: account", "unmatched to: market",
    "several funds", "same position again", "order refused by its limit", "adl of several winners",
    "difference", "socialised", "shortfall: uncovered", "cross account", "inverse", "net", "own opposite leg",
    "deferred", "later round", "feedback rounds", "several vaults", "one vault of several deleveraged",
    "vault refused margin", "vault margin: deleveraged",
} | {f"adl by {allocation}" for allocation in BY_SHARE}  # fmt: skip
MET: Counter[str] = Counter()
RAN: set[str] = set()


@pytest.mark.property
@pytest.mark.parametrize("kind", COMPARED)
def test_both_engines_agree_to_the_unit(kind: str) -> None:
    for number, world in enumerate(worlds_of(kind)):
        try:
            outcome = COMPARED[kind](world)
            result = shape(outcome, world)
            holds.check(world, outcome, result)
        except Exception as error:
            error.add_note(f"world {number} of kind {kind}")
            raise
        MET.update(paths(world, outcome, result))
    RAN.add(kind)


@pytest.mark.property
def test_the_worlds_meet_every_rare_path() -> None:
    if set(COMPARED) != RAN:
        pytest.skip("counts the paths of all worlds, and some of them did not run here")
    assert set() == RARE - set(MET)


@pytest.mark.property
@pytest.mark.parametrize(
    ("ranking", "allocation"), [*((ranking, "queue") for ranking in RANKINGS), *(("binance", by) for by in BY_SHARE)]
)
def test_adl_of_every_ranking_and_allocation(ranking: str, allocation: str) -> None:
    """Deleverage crowds by the queue of each ranking and by each share: an empty fund, few lots for the market."""
    met: Counter[str] = Counter()
    for number in (0, 2):
        world = crowd(number, size=40, unit=1000)
        fund = {**world["profile"]["fund"], "start": 0, "floor": 0, "takeover": "none"}
        world["profile"] |= {"ranking": ranking, "fund": fund, "inventory_adl": "none", "vault": None}
        world["profile"] |= {"residual_owner": "account", "adl_allocation": allocation}
        world["liquidity"]["participation_e9"] = 0
        outcome = check_all(world)
        met.update(paths(world, outcome, shape(outcome, world)))
    assert met[f"adl ranking: {ranking}" if allocation == "queue" else f"adl by {allocation}"] > 1
