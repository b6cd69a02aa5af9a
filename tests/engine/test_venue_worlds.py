"""The fast and the slow engine agree to the unit on worlds with the rules of further venues."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings

from tests.reference.adapter import run_fast
from tests.reference.slow_engine import replay
from tests.reference.venue_worlds import venue_worlds


@pytest.mark.property
@settings(max_examples=500)
@given(venue_worlds())
def test_fast_and_slow_engine_agree_to_the_unit(world: dict[str, Any]) -> None:
    assert run_fast(world) == replay(world)
