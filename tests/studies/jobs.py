"""Jobs of crews, in a module that a worker imports in no time."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from backtest.errors import ConfigError

LIMIT_S = 60  # ends a test that hangs


def squared(task: int, number: int) -> int:
    return task + number * number


def picky(task: int, number: int) -> int:
    if number == task:
        raise ConfigError("cross_frac = 2; allowed: 0 to 1")
    return number


def broken(task: int, number: int) -> int:
    return task // number


def dying(task: int, number: int) -> int:
    if number == task:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def first_waits(mark: Path, number: int) -> int:
    """Return the process; the first job waits for the last, which the other worker must do."""
    if number == 5:
        mark.touch()
    until = time.monotonic() + LIMIT_S
    while number == 0 and not mark.exists() and time.monotonic() < until:
        time.sleep(0.01)
    return os.getpid()


def chatty(task: str, number: int) -> int:
    print(task)
    return number


def forever(task: None, number: int) -> None:
    while True:
        signal.pause()
