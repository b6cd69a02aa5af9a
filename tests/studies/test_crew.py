"""Jobs in processes of their own: results in order, a refusal, a defect, a worker that dies, the end of the parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from backtest.errors import CrashbookError
from backtest.studies.crew import LENGTH, Crew, Done, Ended, early, run_here
from tests.studies.jobs import LIMIT_S, broken, chatty, dying, first_waits, forever, picky, squared

PARENT = """
import sys
from backtest.studies.crew import Crew
from tests.studies.jobs import forever
with Crew(forever, None, 2, 2) as crew:
    print(*[process.pid for process in crew.processes], flush=True)
    crew.results()
"""


def test_results_stand_in_the_order_of_their_numbers() -> None:
    with Crew(squared, 100, 5, 2) as crew:
        seen: list[tuple[int, int]] = []
        assert crew.results(lambda done, total: seen.append((done, total))) == [100, 101, 104, 109, 116]
    assert seen == [(k, 5) for k in range(1, 6)]
    assert run_here(squared, 100, 5) == [100, 101, 104, 109, 116]


def test_a_worker_takes_the_next_job_when_it_is_done_with_one(tmp_path: Path) -> None:
    with Crew(first_waits, tmp_path / "done", 6, 2) as crew:
        first, *others = crew.results()
    assert first not in others
    assert len(set(others)) == 1


def test_the_parent_runs_jobs_beside_its_worker(tmp_path: Path) -> None:
    with Crew(first_waits, tmp_path / "done", 6, 1) as crew:
        first, *others = crew.results(helping=True)
    assert {first, *others} == {os.getpid(), crew.processes[0].pid}
    assert len(set(others)) == 1


def test_a_refusal_of_a_job_run_by_the_parent_names_it_too() -> None:
    with Crew(picky, 0, 1, 0, "draw") as crew, pytest.raises(CrashbookError, match=r"^draw 1 of 1: cross_frac = 2"):
        crew.results(helping=True)


def test_jobs_that_a_dead_worker_took_are_named_and_the_others_still_run() -> None:
    with Crew(dying, 3, (1, 3, 5, 6), 2) as crew:
        news = list(crew.arrivals())
    assert sorted(each.number for each in news if isinstance(each, Done)) == [1, 5, 6]
    ended = sorted(((each.cause, each.number) for each in news if isinstance(each, Ended)), key=str)
    assert ended == [("exit code 0", None), ("killed by signal 9", 3)]


def test_workers_may_be_started_before_there_is_a_task() -> None:
    with early(squared, 3) as waiting:
        first, *_, last = waiting
        with Crew(squared, 100, 5, 2, waiting=waiting) as crew:
            assert crew.results() == [100, 101, 104, 109, 116]
            assert last in crew.processes
        assert waiting == [first]
    assert first.returncode == -signal.SIGKILL  # nobody needed it


def test_a_refusal_names_its_job() -> None:
    with pytest.raises(CrashbookError, match=r"^draw 2 of 3: cross_frac = 2; allowed: 0 to 1$"):
        run_here(picky, 1, 3, "draw")
    with Crew(picky, 1, 3, 2, "draw") as crew, pytest.raises(CrashbookError, match=r"^draw 2 of 3: cross_frac = 2"):
        crew.results()


def test_a_defect_is_no_refusal() -> None:
    with Crew(broken, 1, 2, 1) as crew, pytest.raises(RuntimeError, match="ZeroDivisionError"):
        crew.results()


def test_a_worker_that_dies_is_one_line() -> None:
    with Crew(dying, 3, 4, 2, "draw") as crew, pytest.raises(CrashbookError) as caught:
        crew.results()
    assert str(caught.value).startswith("draws: a worker process died (killed by signal 9), nothing of them was kept;")
    assert "\n" not in str(caught.value)


def test_what_a_job_prints_does_not_stand_between_the_answers() -> None:
    with Crew(chatty, "x" * 100_000, 3, 1) as crew:
        assert crew.results() == [0, 1, 2]


def test_leaving_ends_the_workers_at_once() -> None:
    with pytest.raises(KeyboardInterrupt), Crew(forever, None, 2, 2) as crew:
        raise KeyboardInterrupt
    assert [process.returncode for process in crew.processes] == [-signal.SIGKILL] * 2


@pytest.mark.parametrize(
    "given", [b"", b"\x07", (9).to_bytes(LENGTH, "little") + b"cut"], ids=["none", "length", "cut"]
)
def test_a_worker_that_is_never_given_work_ends_without_a_word(given: bytes) -> None:
    command = [sys.executable, "-c", "from backtest.studies.crew import serve; serve()"]
    done = subprocess.run(command, input=given, capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_workers_end_with_a_parent_that_was_killed(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )
    assert parent.stdout is not None
    workers = [int(word) for word in parent.stdout.readline().split()]
    assert len(workers) == 2
    parent.kill()
    _, words = parent.communicate(timeout=LIMIT_S)  # both share its stderr, which ends when the last of them does
    assert "Traceback" not in words
