"""How long a statement may take and how much memory the database may use."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from backtest.errors import QueryError, UsageError

if TYPE_CHECKING:
    import duckdb

TIMEOUT_S = 60.0
AGAIN_S = 0.1  # between two interrupts of a statement that is past its time: one between two phases is not heard
LEAST_BYTES = 16 * 2**20
_CGROUP = Path("/sys/fs/cgroup/memory.max")
_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]?)i?b?\s*", re.IGNORECASE)
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}


@dataclass(frozen=True, slots=True)
class Budget:
    """The limits of a statement.

    Attributes
    ----------
    timeout_s
        Seconds after which a statement is stopped; 0 for no limit.
    memory_bytes
        Memory that the database may use; None for half of what the machine, or the container, has.
    """

    timeout_s: float = TIMEOUT_S
    memory_bytes: int | None = None

    def memory(self) -> int:
        """Return the memory that the database may use, in bytes."""
        return self.memory_bytes or half_of_memory()


def half_of_memory() -> int:
    """Return half of the memory of the machine, or of its container if that has less, in bytes."""
    try:
        whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):  # not on Windows
        whole = 8 * 2**30
    try:
        allowed = int(_CGROUP.read_text("ascii"))
    except (OSError, ValueError):  # no container, or "max"
        allowed = whole
    return max(min(whole, allowed) // 2, LEAST_BYTES)


def memory_of(text: str) -> int:
    """Return a size that a user wrote, in bytes.

    Raises
    ------
    UsageError
        If it is no size, or less than the 16 MB that the database needs.

    Examples
    --------
    >>> memory_of("512MB"), memory_of("1.5 GiB")
    (536870912, 1610612736)
    """
    match = _SIZE.fullmatch(text)
    size = int(float(match[1]) * 1024 ** _POWERS[match[2].lower()]) if match else 0
    if not LEAST_BYTES <= size < 2**50:
        raise UsageError(f"memory '{text[:40]}' is no size; give at least 16MB, for example 512MB or 4GB")
    return size


def refusal(label: str, timeout_s: float) -> str:
    """Return the line for a statement that was stopped.

    Examples
    --------
    >>> refusal("sql", 60.0)
    'sql: stopped after 60 seconds; ask for less, or give more time with --timeout (the budget of a run in Python)'
    """
    more = "give more time with --timeout (the budget of a run in Python)"
    return f"{label}: stopped after {timeout_s:g} seconds; ask for less, or {more}"


@contextmanager
def limited(con: duckdb.DuckDBPyConnection, timeout_s: float, label: str) -> Iterator[None]:
    """Interrupt what runs on ``con`` when the time is up.

    The database hears an interrupt while it executes, not while it plans: ``select len(range(500000000))`` is computed
    by the planner, which holds the interpreter as well. The command line therefore runs statements in a process of
    their own.

    Raises
    ------
    QueryError
        If the time was up; one line with the limit and what to do.
    """
    import duckdb

    if not timeout_s:
        yield
        return
    over = threading.Event()
    done = threading.Event()

    def watch() -> None:
        if done.wait(timeout_s):
            return
        over.set()
        while not done.wait(AGAIN_S):
            con.interrupt()

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    except duckdb.Error:
        if over.is_set():
            raise QueryError(refusal(label, timeout_s)) from None
        raise
    finally:
        done.set()
        watcher.join()
