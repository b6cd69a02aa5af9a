"""A statement that does not hear is stopped from outside: by time, by memory, by Ctrl-C; its fate is one line."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from backtest.cli.interrupt import REASON

DEAF = "select levenshtein(repeat('a', 400000), repeat('b', 400000))"  # computed by the planner, for minutes
# What the child may hold beside the database, and a pipe (or -1) that is told when the statement begins.
START = """
import os, sys
from backtest.cli import main, supervise
supervise.BESIDE_BYTES, mark, supervise.GRACE_S = int(sys.argv.pop(1)), int(sys.argv.pop(1)), 0.2
class Marking(supervise._Parent):
    def _told(self, line):
        super()._told(line)
        if line != "done":
            os.write(mark, b".")
if mark >= 0:
    supervise._Parent = Marking
main()
"""
GIGABYTE = 2**30
TICKS = os.sysconf("SC_CLK_TCK")

pytestmark = [
    pytest.mark.usefixtures("shared"),
    pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads processes from /proc"),
]


def start(*words: str, beside: int = GIGABYTE, mark: int = -1) -> subprocess.Popen[str]:
    """Start ``crashbook sql``; ``beside`` are the bytes that it may hold beside the database."""
    return subprocess.Popen(
        [sys.executable, "-c", START, str(beside), str(mark), "sql", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        pass_fds=[mark] if mark >= 0 else [],
        text=True,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "POLARS_MAX_THREADS": "1"},
    )


def used_s(process: int) -> float:
    """Return the CPU seconds of a process."""
    return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[11]) / TICKS


def busy(*words: str, for_s: float = 0.0) -> tuple[subprocess.Popen[str], int]:
    """Start a statement that does not hear once it is planned; return its process and the child, busy for a while."""
    reader, writer = os.pipe()
    process = start(DEAF, *words, mark=writer)
    os.close(writer)
    assert os.read(reader, 1), process.communicate()
    os.close(reader)
    (child,) = map(int, Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split())
    began = used_s(child)
    while used_s(child) < began + for_s:
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    return process, child


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
    process, child = busy("--timeout", "0", for_s=0.7)
    for _ in range(3):  # one press is enough: the child is ended by the first
        process.send_signal(signal.SIGINT)
    assert ended(process) == (130, "", f"crashbook: {REASON}\n")
    assert not Path(f"/proc/{child}").exists()


def test_a_child_that_the_system_kills_is_told() -> None:
    process, child = busy()
    os.kill(child, signal.SIGKILL)
    code, out, errors = ended(process)
    assert (code, out) == (1, "")
    assert errors == ("crashbook: ended by signal 9; the machine may be short of memory: --memory sets a limit\n")


def test_terminating_the_program_ends_both() -> None:
    process, child = busy()
    process.terminate()
    assert process.wait() == -signal.SIGTERM
    with suppress(FileNotFoundError, ProcessLookupError):  # it is gone
        while ") Z " not in Path(f"/proc/{child}/stat").read_text():
            assert used_s(child) < 10, "it goes on"
            time.sleep(0.01)
    ended(process)


def test_exit_codes_and_streams_are_those_of_the_child() -> None:
    assert ended(start("select 42 as answer", "--format", "csv")) == (0, "answer\n42\n", "")
    assert ended(start("select 1", "--nonsense"))[:2] == (2, "")
