"""A fetch on a disk that fails, loses power and kills: the next fetch leaves the lake of an undisturbed one."""

from __future__ import annotations

from pathlib import Path

from tests.support.simulation import run_case, simulated

SEEDS = range(36)


def test_a_lake_heals_from_every_fault_of_the_disk(tmp_path: Path) -> None:
    with simulated(tmp_path, "fetch") as (root, jobs):
        ended = [word for seed in SEEDS for word in run_case(seed, jobs, root)]
    assert {"killed", "refused", "well", "power lost"} < set(ended)
