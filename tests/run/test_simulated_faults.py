"""Runs, studies, reports and answers on a disk that fails, loses power and kills: whole or not there, and healed."""

from __future__ import annotations

from pathlib import Path

from tests.support.simulation import run_case, simulated

SEEDS = range(140)


def test_what_is_written_heals_from_every_fault_of_the_disk(tmp_path: Path) -> None:
    with simulated(tmp_path, "replay", "answer") as (root, jobs):
        ended = [word for seed in SEEDS for word in run_case(seed, jobs, root)]
    assert {"killed", "refused", "well", "power lost", *jobs} <= set(ended)
