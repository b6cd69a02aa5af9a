"""Workers of a crew that are forked from one process which has imported what they need.

A worker of a crew is a new interpreter, which takes half a second of CPU to import the engine: `studies/test_crew.py`
is about those. Tests of what workers compute fork them from a server that never ran anything. They too know nothing of
their parent but the task, its environment and its folder, and speak to it through pipes alone.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

import pytest

from backtest.studies.crew import serve

PRELOADED = ["distributed", "backtest.studies.paired", "backtest.studies.fund_size", "backtest.studies.sweep.sweep"]


class Forked:
    """A worker with what a crew asks of a process: two streams, its end, its code."""

    def __init__(self, work: Callable[..., Any]) -> None:
        context = multiprocessing.get_context("forkserver")
        tasks, self._tasks = context.Pipe(duplex=False)
        self._answers, answers = context.Pipe(duplex=False)
        self._process = context.Process(target=_serve, args=(tasks, answers, dict(os.environ)), daemon=True)
        self._process.start()
        self.stdin = os.fdopen(os.dup(self._tasks.fileno()), "wb")
        self.stdout = os.fdopen(os.dup(self._answers.fileno()), "rb")
        for each in (tasks, answers, self._tasks, self._answers):
            each.close()

    def kill(self) -> None:
        self._process.kill()

    def wait(self) -> int | None:
        self._process.join()
        return self._process.exitcode

    def communicate(self) -> None:
        self.stdin.close()
        self.stdout.close()
        self.wait()


def _serve(tasks: Connection, answers: Connection, environment: dict[str, str]) -> None:
    os.environ.clear()
    os.environ.update(environment)
    sys.stdin = os.fdopen(os.dup(tasks.fileno()))
    os.dup2(answers.fileno(), 1)
    tasks.close()
    answers.close()
    serve()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let forked processes begin where they are asked to, not by running the script again that started the tests."""
    monkeypatch.delattr(sys.modules["__main__"], "__file__", raising=False)
    monkeypatch.setattr(sys.modules["__main__"], "__spec__", None)
    multiprocessing.get_context("forkserver").set_forkserver_preload(PRELOADED)


@pytest.fixture
def forked(server: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fork the workers of crews."""
    monkeypatch.setattr("backtest.studies.crew._start", Forked)
