"""A few varied scenarios give the values that were recorded; ``python -m tests.digests compare`` runs all."""

from __future__ import annotations

import pytest

from tests.digests.__main__ import QUICK, recorded
from tests.digests.digest import Renamed, differences, digest_run
from tests.digests.scenarios import CASES, run_case

OLD = recorded()


def test_every_recorded_scenario_can_be_run() -> None:
    assert list(OLD) == list(CASES)


@pytest.mark.parametrize("name", QUICK)
def test_values_are_those_recorded(name: str) -> None:
    assert list(differences(OLD[name], digest_run(run_case(CASES[name]), Renamed.read()))) == []
