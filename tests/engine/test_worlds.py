"""The fast engine reproduces the exact worlds; ``test_many_worlds`` compares it with the slow one on drawn ones."""

from __future__ import annotations

import pytest

from tests.reference.adapter import run_fast
from tests.reference.exact_worlds import all_cases, cases


@pytest.mark.golden
@pytest.mark.parametrize("part", range(4))
def test_exact_worlds_are_reproduced_to_the_unit(part: int) -> None:
    for name, case in list(cases(third=0).items())[part::4]:
        assert run_fast(case["world"]) == case["result"], name


@pytest.mark.golden
def test_there_are_400_exact_worlds() -> None:
    assert len({case["name"] for case in all_cases()}) == len(all_cases()) == 400
    assert len({name for third in range(3) for name in cases(third)}) == 400
