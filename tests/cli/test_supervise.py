"""A statement that does not hear is stopped from outside: by time, by memory, by Ctrl-C; its fate is one line."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from backtest.cli.interrupt import REASON

DEAF = "select levenshtein(repeat('a', 400000), repeat('b', 400000))"  # computed by the planner, for minutes
START = "import sys; from backtest.cli import main, supervise; supervise.BESIDE_BYTES = int(sys.argv.pop(1)); main()"
GIGABYTE = 2**30
TICKS = os.sysconf("SC_CLK_TCK")

pytestmark = [
    pytest.mark.usefixtures("shared"),
    pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads processes from /proc"),
]


def start(*words: str, beside: int = GIGABYTE) -> subprocess.Popen[str]:
    """Start ``crashbook sql``; ``beside`` are the bytes that it may hold beside the database."""
    return subprocess.Popen(
        [sys.executable, "-c", START, str(beside), "sql", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "POLARS_MAX_THREADS": "1"},
    )


def child_of(process: int) -> int | None:
    """Return the child of a process."""
    listed = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    return int(listed[0]) if listed else None


def busy(process: subprocess.Popen[str]) -> int:
    """Return the child once it has computed for longer than it takes to start."""
    while process.poll() is None:
        child = child_of(process.pid)
        if child and int(Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[11]) > 1.2 * TICKS:
            return child
        time.sleep(0.02)
    raise AssertionError(process.communicate())


def ended(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Return exit code, stdout and stderr."""
    out, errors = process.communicate()
    return process.returncode, out, errors


def test_a_statement_past_its_time_is_stopped() -> None:
    code, out, errors = ended(start(DEAF, "--timeout", "0.2"))
    assert (code, out) == (1, "")
    assert errors.startswith("crashbook: sql: stopped after 0.2 seconds; ask for less, or give more time")
    assert errors.count("\n") == 1


def test_a_statement_that_takes_too_much_memory_is_stopped() -> None:
    code, out, errors = ended(start(DEAF, "--memory", "16MB", beside=0))
    assert (code, out) == (1, "")
    assert errors.startswith("crashbook: sql: stopped at 0.")
    assert errors.endswith("GB of memory; ask for less, or give more with --memory\n")


def test_ctrl_c_stops_a_statement_that_does_not_hear() -> None:
    process = start(DEAF, "--timeout", "0")
    child = busy(process)
    for _ in range(3):  # one press is enough: the child is ended by the first
        process.send_signal(signal.SIGINT)
    assert ended(process) == (130, "", f"crashbook: {REASON}\n")
    assert not Path(f"/proc/{child}").exists()


def test_a_child_that_the_system_kills_is_told() -> None:
    process = start(DEAF)
    os.kill(busy(process), signal.SIGKILL)
    code, out, errors = ended(process)
    assert (code, out) == (1, "")
    assert errors == ("crashbook: ended by signal 9; the machine may be short of memory: --memory sets a limit\n")


def test_terminating_the_program_ends_both() -> None:
    process = start(DEAF)
    child = busy(process)
    process.terminate()
    assert ended(process)[0] == -signal.SIGTERM
    while Path(f"/proc/{child}").exists() and ") Z " not in Path(f"/proc/{child}/stat").read_text():
        time.sleep(0.01)


def test_exit_codes_and_streams_are_those_of_the_child() -> None:
    assert ended(start("select 42 as answer", "--format", "csv")) == (0, "answer\n42\n", "")
    assert ended(start("select 1", "--nonsense"))[:2] == (2, "")
