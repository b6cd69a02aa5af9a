"""Ctrl-C: exit code 130 and one line at any moment, from the first line of the entry point to the end.

``python -m tests.cli.test_interrupt 200 [COMMAND ...]`` interrupts at as many moments of each command, the replay a
larger one, and prints what went wrong.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from backtest.cli.interrupt import REASON
from backtest.run.folder import run_ids
from backtest.run.run import open_run
from tests.support.command import call

# Counts audit events (imports, files opened, code compiled, ...) from the entry point on and marks the nth.
CHILD = """
import os, sys
from backtest.cli import main
nth, handle, seen = int(sys.argv.pop(1)), int(sys.argv.pop(1)), 0
def count(event, args):
    global seen
    seen += 1
    if seen == nth:
        os.write(handle, b".")
if nth < 0:
    import atexit
    atexit.register(lambda: os.write(handle, b"%d" % seen))
sys.addaudithook(count)
main()
"""
REPLAY = ("replay", "2021-12-04", "--positions", "200", "--set", "step_s=20", "--fresh", "-q")
READ = ("venues", "--format", "csv")
ASK = ("sql", "select sum(i) from range(3000000) t(i)", "--format", "csv")  # runs in a process of its own
DELAYS_S = (0.0, 0.003, 0.01, 0.02, 0.04)  # after the event, so that some interrupts fall between two of them


@dataclass(frozen=True)
class End:
    """How an interrupted command ended."""

    code: int
    out: str
    errors: str

    @property
    def clean(self) -> bool:
        """Return whether the end is the documented one."""
        return (self.code, self.errors) == (130, f"crashbook: {REASON}\n")


def start(words: tuple[str, ...], nth: int) -> tuple[subprocess.Popen[str], int]:
    """Start a command that writes to a pipe at its nth event; return it and the end to read from."""
    reader, writer = os.pipe()
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(nth), str(writer), *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        pass_fds=[writer],
        text=True,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "POLARS_MAX_THREADS": "1"},  # faster to start
    )
    os.close(writer)
    return child, reader


def events(words: tuple[str, ...]) -> int:
    """Return the number of events of a whole command."""
    child, reader = start(words, -1)
    with os.fdopen(reader) as marks:
        count = int(marks.read())
    _, errors = child.communicate()
    assert (child.returncode, errors) == (0, "")
    return count


def interrupted(words: tuple[str, ...], nth: int, delay_s: float = 0.0, presses: int = 1) -> End:
    """Press Ctrl-C at the nth event of a command, or a little later."""
    child, reader = start(words, nth)
    with os.fdopen(reader) as marks:
        assert marks.read(1) == ".", child.communicate()
    for _ in range(presses):
        time.sleep(delay_s)
        child.send_signal(signal.SIGINT)
    out, errors = child.communicate()
    return End(child.returncode, out, errors)


def spread(words: tuple[str, ...], moments: int) -> list[tuple[int, float, int]]:
    """Return moments from the first event of a command to its last but a tenth: event, delay and number of presses."""
    last = events(words) * 9 // 10
    return [(1 + last * k // moments, DELAYS_S[k % len(DELAYS_S)], 1 + (k % 3 == 2)) for k in range(moments)]


@pytest.mark.slow
@pytest.mark.parametrize(("words", "moments"), [(REPLAY, 4), (READ, 2), (ASK, 3)], ids=["replay", "venues", "sql"])
def test_ctrl_c_at_any_moment_is_130_and_one_line(
    words: tuple[str, ...], moments: int, shelf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if words is ASK:
        monkeypatch.setenv("CRASHBOOK_HOME", str(shelf))
    bad = [(moment, end) for moment in spread(words, moments) if not (end := interrupted(words, *moment)).clean]
    assert bad == []
    if words is REPLAY:  # the run of the command that was not interrupted
        assert len(run_ids()) == 1
        assert all(audit.passed for audit in open_run().audits())


# Each presses Ctrl-C itself at the moment in question.
DURING_AN_IMPORT = """
import signal, sys
from backtest.cli.interrupt import watch
watch()
sys.path.insert(0, sys.argv[1])
try:
    import pressing
    signal.pause()
except KeyboardInterrupt:
    print(sys.modules["pressing"].whole)
"""
TWICE = """
import os, signal
from backtest.cli.interrupt import watch
watch()
try:
    os.kill(os.getpid(), signal.SIGINT)
except KeyboardInterrupt:
    os.kill(os.getpid(), signal.SIGINT)
"""


def test_an_import_ends_before_ctrl_c_is_answered(tmp_path: Path) -> None:
    (tmp_path / "pressing.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGINT)\nwhole = True\n")
    done = subprocess.run([sys.executable, "-c", DURING_AN_IMPORT, str(tmp_path)], check=False, capture_output=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"True\n", b"")


def test_a_second_ctrl_c_ends_at_once() -> None:
    done = subprocess.run([sys.executable, "-c", TWICE], check=False, capture_output=True, text=True)
    assert End(done.returncode, done.stdout, done.stderr).clean


POSITION = "position --venue bybit --symbol BTC --side long --size 1 --entry 100000 --leverage 20"
COMMANDS: dict[str, tuple[str, ...]] = {
    "replay": ("replay", "2025-10-10", "--positions", "50000", "--report", "--draws", "0", "--fresh", "-q"),
    "sql": ASK,
    "query": ("query", "adl_waves", "-q"),
    "audit": ("audit", "-q"),
    "report": ("report",),
    "runs": ("runs", "-q"),
    "data": ("data", "-q"),
    "events": ("events", "2025-10-10", "-q"),
    "venues": ("venues", "hyperliquid", "-q"),
    "params": ("params", "-q"),
    "schema": ("schema", "steps", "-q"),
    "position": tuple(POSITION.split()),
    "fetch": ("fetch", "2025-10-10", "--dry-run", "-q"),
}

if __name__ == "__main__":
    os.environ["CRASHBOOK_HOME"] = tempfile.mkdtemp()
    moments, names = int(sys.argv[1]), sys.argv[2:] or list(COMMANDS)
    for seed in ("1", "2"):
        call("replay", "2025-10-10", "--positions", "5000", "--seed", seed, "-q")
    for name in names:
        words = COMMANDS[name]
        ends = [(moment, interrupted(words, *moment)) for moment in spread(words, moments)]
        late = [pair for pair in ends if (pair[1].code, pair[1].errors) == (0, "")]  # the answer was out before the key
        bad = [pair for pair in ends if not pair[1].clean and pair not in late]
        clean = len(ends) - len(bad) - len(late)
        print(
            f"{name}: {clean} of {len(ends)} moments ended with 130 and one line, {len(late)} came late", *bad, sep="\n"
        )
