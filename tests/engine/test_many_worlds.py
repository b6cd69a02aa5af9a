"""The fast engine agrees with the slow one on thousands of drawn worlds; ``CRASHBOOK_WORLDS`` asks for more.

Worlds come in chunks with seeds of their own, so that workers share them and a failure names its chunk. The variable is
the number of worlds in all; without it there are about two thousand.
"""

from __future__ import annotations

import os
from typing import Any

import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from tests.engine.profiles import VENUES, drawn
from tests.reference.adapter import run_fast
from tests.reference.feedback_worlds import feedback_worlds
from tests.reference.slow_engine import replay
from tests.reference.venue_worlds import venue_worlds
from tests.reference.worlds_strategy import account_worlds, worlds

KINDS: dict[str, tuple[int, st.SearchStrategy[dict[str, Any]]]] = {  # parts of all worlds, and how they are drawn
    "isolated": (3, worlds()),
    "venue-rules": (4, venue_worlds()),
    "accounts": (5, account_worlds()),
    "feedback": (2, feedback_worlds(crossed=False)),
    "feedback-accounts": (2, feedback_worlds(crossed=True)),
    "profiles": (4, st.sampled_from(VENUES).flatmap(drawn)),
}
WORLDS = int(os.environ.get("CRASHBOOK_WORLDS", "2000"))
LEAST = 100  # worlds of a chunk
PARTS = sum(parts for parts, _ in KINDS.values())


def chunks() -> list[tuple[str, int, int]]:
    """Return kind, number and size of every chunk."""
    out = []
    for kind, (parts, _) in KINDS.items():
        of_kind = max(1, WORLDS * parts // PARTS)
        count = max(1, min(of_kind // LEAST, 40))
        out += [(kind, number, of_kind // count) for number in range(count)]
    return out


@pytest.mark.property
@pytest.mark.parametrize(("kind", "number", "size"), chunks())
def test_both_engines_agree_to_the_unit(kind: str, number: int, size: int) -> None:
    @seed(number)
    @settings(max_examples=size, database=None, suppress_health_check=list(HealthCheck))
    @given(KINDS[kind][1])
    def agree(world: dict[str, Any]) -> None:
        assert run_fast(world) == replay(world)

    agree()
