"""Every scenario gives the values that were recorded."""

from __future__ import annotations

import pytest

from tests.digests.__main__ import recorded
from tests.digests.digest import Renamed, differences, digest_run
from tests.digests.scenarios import CASES, run_case

OLD = recorded()


def test_every_recorded_scenario_is_run() -> None:
    assert list(OLD) == list(CASES)


@pytest.mark.parametrize("name", CASES)
def test_values_are_those_recorded(name: str) -> None:
    assert list(differences(OLD[name], digest_run(run_case(CASES[name]), Renamed.read()))) == []
