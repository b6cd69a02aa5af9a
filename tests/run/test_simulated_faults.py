"""Runs, studies, reports and answers on a disk that fails, loses power and kills: whole or not there, and healed."""

from __future__ import annotations

import random
from pathlib import Path

from tests.support.simulated_disk import Fault
from tests.support.simulation import Case, run_case, simulated

SEEDS = range(140)


def test_what_is_written_heals_from_every_fault_of_the_disk(tmp_path: Path) -> None:
    with simulated(tmp_path, "replay", "answer") as (root, jobs):
        ended = [word for seed in SEEDS for word in run_case(seed, jobs, root)]
    assert {"killed", "refused", "well", "power lost", *jobs} <= set(ended)


def test_an_older_run_is_not_emptied_before_the_disk_knows_the_newer_one(tmp_path: Path) -> None:
    with simulated(tmp_path, "replay") as (root, jobs):
        job, quiet = jobs["replay of a damaged run"]
        for seed in range(16):
            case = Case(job, root, random.Random(seed))
            assert case.live(Fault(quiet.renames[1] + 1, "kill")) == "killed"  # between the renames and their flush
            assert case.live() == "well"  # the newer one is there, and nothing is left to write
            case.disk.lose_power()
            case.check(quiet.contents)


def test_an_older_run_comes_back_when_the_newer_one_cannot_take_its_place(tmp_path: Path) -> None:
    with simulated(tmp_path, "replay") as (root, jobs):
        job, quiet = jobs["replay again"]
        case = Case(job, root, random.Random(0))
        assert case.live(Fault(quiet.renames[1], "error")) == "refused"
        case.check_refusal()
        case.check(quiet.contents)
