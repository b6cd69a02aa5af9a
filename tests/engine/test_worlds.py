"""The fast engine reproduces every exact world; ``test_many_worlds`` compares it with the slow one on drawn ones."""

from __future__ import annotations

import gzip
import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.reference.adapter import run_fast

FILE = Path(__file__).parents[1] / "golden" / "worlds.jsonl.gz"


@cache
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
