"""Statements of a user run in a process of their own, which a second one stops when its time or memory is up.

The database computes some expressions while it plans, holding the interpreter: neither a timer nor Ctrl-C is heard
then. So a command that asks a run forks as its first act. The child does all the work; the parent forwards Ctrl-C,
watches time and memory, and ends with the child's exit code. It kills a child that does not hear.

Where there is no ``fork`` the command runs unwatched, with the limits that the database itself keeps.
"""

from __future__ import annotations

import os
import select
import signal
import sys
from contextlib import contextmanager
from time import monotonic

from backtest.cli import interrupt

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import NoReturn

    from backtest.sql.budget import Budget

COMMANDS = frozenset({"sql", "query", "audit"})
LOOK_S = 0.1  # between two looks at a child's memory and time
GRACE_S = 0.8  # what a child has to end by itself after its time, or after Ctrl-C
BESIDE_BYTES = 2**30  # of the program and its answer, beside what the database may use


class _Child:
    """The end of the pipe to the parent; None in a process that nobody watches."""

    pipe: int | None = None


def supervise() -> None:
    """Fork if the command asks a run: returns in the child, and never in the parent."""
    if not (hasattr(os, "fork") and sys.platform != "win32" and _command(sys.argv[1:]) in COMMANDS):
        return
    if "_CRASHBOOK_COMPLETE" in os.environ:
        return
    reader, writer = os.pipe()
    signals = {signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGALRM}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)  # none is lost between the fork and the child's handlers
    if interrupt.pressed():  # during an import: to be raised once that is over, in one process only
        signal.pthread_sigmask(signal.SIG_UNBLOCK, signals)
        interrupt.check()
    child = os.fork()
    if child == 0:
        os.close(reader)
        _Child.pipe = writer
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal sends it to both: the parent passes it on
        interrupt.watch(signal.SIGUSR1)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, signals)
        return
    os.close(writer)
    _Parent(child, reader).watch(signals)


@contextmanager
def limited(budget: Budget, label: str) -> Iterator[None]:
    """Tell the parent that a statement with these limits runs."""
    if _Child.pipe is None:
        yield
        return
    os.write(_Child.pipe, f"{budget.timeout_s!r} {budget.memory()} {label}\n".encode())
    try:
        yield
    finally:
        os.write(_Child.pipe, b"done\n")


def _command(words: list[str]) -> str | None:
    return next((word for word in words if not word.startswith("-")), None)


class _Parent:
    """What the parent knows of its child."""

    def __init__(self, child: int, reader: int) -> None:
        self.child, self.reader = child, reader
        self.pressed_at: float | None = None
        self.ends_at: float | None = None  # of the statement that runs
        self.timeout_s = 0.0
        self.memory = 0  # bytes that the statement's database may use; 0 while none runs
        self.label = ""

    def watch(self, signals: set[signal.Signals]) -> NoReturn:
        """Wait for the child's end and end with its exit code."""
        signal.signal(signal.SIGINT, lambda *_: self._press())
        signal.signal(signal.SIGTERM, lambda *_: self._terminate())
        signal.signal(signal.SIGALRM, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, signals)
        line = b""
        while True:
            if select.select([self.reader], [], [], LOOK_S)[0]:
                piece = os.read(self.reader, 4096)
                if not piece:
                    break
                *lines, line = (line + piece).split(b"\n")
                for each in lines:
                    self._told(each.decode())
            self._look()
        _, status = os.waitpid(self.child, 0)
        if os.WIFSIGNALED(status):
            self._end(
                f"ended by signal {os.WTERMSIG(status)}; the machine may be short of memory: --memory sets a limit", 1
            )
        os._exit(os.WEXITSTATUS(status))

    def _told(self, line: str) -> None:
        if line == "done":
            self.ends_at, self.memory = None, 0
            return
        timeout, memory, self.label = line.split(" ", 2)
        self.timeout_s, self.memory = float(timeout), int(memory)
        self.ends_at = monotonic() + self.timeout_s + GRACE_S if self.timeout_s else None

    def _look(self) -> None:
        """Kill a child that is past its time or its memory."""
        now = monotonic()
        if self.memory and self.pressed_at is not None and now > self.pressed_at + GRACE_S:
            self._kill(interrupt.REASON, interrupt.EXIT_CODE)
        if self.ends_at is not None and now > self.ends_at:
            from backtest.sql.budget import refusal

            self._kill(refusal(self.label, self.timeout_s), 1)
        if self.memory and (used := _resident(self.child)) > self.memory + BESIDE_BYTES:
            self._kill(
                f"{self.label}: stopped at {used / 2**30:.1f} GB of memory; ask for less, or give more with --memory", 1
            )

    def _press(self) -> None:
        if self.pressed_at is None:
            self.pressed_at = monotonic()
        os.kill(self.child, signal.SIGUSR1)

    def _terminate(self) -> None:
        os.kill(self.child, signal.SIGTERM)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTERM)

    def _kill(self, reason: str, code: int) -> NoReturn:
        os.kill(self.child, signal.SIGKILL)
        os.waitpid(self.child, 0)
        self._end(reason, code)

    def _end(self, reason: str, code: int) -> NoReturn:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            os.write(2, f"crashbook: {reason}\n".encode())
        finally:
            os._exit(code)


def _resident(process: int) -> int:
    """Return the bytes of memory that a process holds; 0 where the system does not say."""
    from pathlib import Path

    try:
        return int(Path(f"/proc/{process}/statm").read_text("ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0
