"""The fast engine agrees with the slow one on drawn worlds, and what holds in every run holds in theirs.

Without a variable there are 380 worlds, enough to meet every rare path of ``RARE`` between them.
``CRASHBOOK_WORLDS=2000`` is the number to run after a change of the engine. Worlds come in chunks with seeds of their
own, so that workers share them and a failure names its chunk.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from backtest.engine.run import Outcome, simulate
from tests.engine import holds
from tests.engine.crowds import crowd, vaulted
from tests.engine.paths import paths
from tests.engine.profiles import VENUES, drawn
from tests.engine.test_records import check_all
from tests.reference.adapter import build, shape
from tests.reference.feedback_worlds import feedback_worlds
from tests.reference.slow_engine import replay
from tests.reference.slow_shares import BY_SHARE
from tests.reference.venue_worlds import venue_worlds
from tests.reference.worlds_strategy import RANKINGS, account_worlds, worlds

World = dict[str, Any]


def results_agree(world: World) -> Outcome:
    """Compare the results of both engines."""
    outcome = simulate(build(world))
    assert shape(outcome, world) == replay(world)
    return outcome


Kind = tuple[int, st.SearchStrategy[World], Callable[[World], Outcome]]
KINDS: dict[str, Kind] = {  # parts of all worlds, how they are drawn, what of both engines is compared
    "isolated": (3, worlds(), check_all),
    "venue-rules": (4, venue_worlds(), results_agree),
    "accounts": (5, account_worlds(), check_all),
    "feedback": (2, feedback_worlds(crossed=False), results_agree),
    "feedback-accounts": (2, feedback_worlds(crossed=True), results_agree),
    "vaults": (2, st.integers(0, 2**32).map(vaulted).filter(lambda world: len(world["symbols"]) > 1), results_agree),
    "profiles": (4, st.sampled_from(VENUES).flatmap(drawn), results_agree),
}
USUAL = 380
WORLDS = int(os.environ.get("CRASHBOOK_WORLDS", USUAL))
LEAST = 60  # worlds of a chunk
PARTS = sum(parts for parts, *_ in KINDS.values())
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
RAN: set[tuple[str, int, int]] = set()


def chunks() -> list[tuple[str, int, int]]:
    """Return kind, number and size of every chunk."""
    out = []
    for kind, (parts, *_) in KINDS.items():
        of_kind = max(1, WORLDS * parts // PARTS)
        count = max(1, min(of_kind // LEAST, 40))
        out += [(kind, number, of_kind // count) for number in range(count)]
    return out


@pytest.mark.property
@pytest.mark.parametrize(("kind", "number", "size"), chunks())
def test_both_engines_agree_to_the_unit(kind: str, number: int, size: int) -> None:
    _, strategy, compared = KINDS[kind]

    @seed(number)
    @settings(max_examples=size, database=None, suppress_health_check=list(HealthCheck))
    @given(strategy)
    def agree(world: World) -> None:
        outcome = compared(world)
        result = shape(outcome, world)
        holds.check(world, outcome, result)
        MET.update(paths(world, outcome, result))

    agree()
    RAN.add((kind, number, size))


@pytest.mark.property
def test_the_worlds_meet_every_rare_path() -> None:
    if set(chunks()) != RAN or WORLDS < USUAL:
        pytest.skip("counts the paths of all chunks, and some of them did not run here")
    assert set() == RARE - set(MET)


@pytest.mark.property
@pytest.mark.parametrize(
    ("ranking", "allocation"), [*((ranking, "queue") for ranking in RANKINGS), *(("binance", by) for by in BY_SHARE)]
)
def test_adl_of_every_ranking_and_allocation(ranking: str, allocation: str) -> None:
    """Deleverage crowds by the queue of each ranking and by each share: an empty fund, few lots for the market."""
    met: Counter[str] = Counter()
    for number in range(3):
        world = crowd(number, size=60, unit=1000)
        fund = {**world["profile"]["fund"], "start": 0, "floor": 0, "takeover": "none"}
        world["profile"] |= {"ranking": ranking, "fund": fund, "inventory_adl": "none", "vault": None}
        world["profile"] |= {"residual_owner": "account", "adl_allocation": allocation}
        world["liquidity"]["participation_e9"] = 0
        outcome = check_all(world)
        met.update(paths(world, outcome, shape(outcome, world)))
    assert met[f"adl ranking: {ranking}" if allocation == "queue" else f"adl by {allocation}"] > 1
