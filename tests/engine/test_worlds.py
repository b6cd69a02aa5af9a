"""The fast engine reproduces every exact world, and agrees with the slow engine on drawn ones."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given

from tests.reference.adapter import run_fast
from tests.reference.slow_engine import replay
from tests.reference.worlds_strategy import account_worlds, worlds

FILE = Path(__file__).parents[1] / "golden" / "worlds.jsonl.gz"


def _cases() -> list[dict[str, Any]]:
    with gzip.open(FILE, "rt") as file:
        return [json.loads(line) for line in file]


@pytest.mark.golden
@pytest.mark.parametrize("part", range(8))
def test_exact_worlds_are_reproduced_to_the_unit(part: int) -> None:
    cases = _cases()
    assert len(cases) == 400
    for case in cases[part::8]:
        assert run_fast(case["world"]) == case["result"], case["name"]


@pytest.mark.property
@given(worlds())
def test_fast_and_slow_engine_agree_to_the_unit(world: dict[str, Any]) -> None:
    assert run_fast(world) == replay(world)


@pytest.mark.property
@given(account_worlds())
def test_they_agree_on_cross_accounts_hedges_and_inverse_contracts(world: dict[str, Any]) -> None:
    assert run_fast(world) == replay(world)
