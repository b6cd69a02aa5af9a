"""Numbered jobs in processes of their own: started afresh, fed with one pickled task, ended with the work.

A worker is a new interpreter that knows nothing of its parent but the task: no lock, thread or open file of the parent
can reach it, and a script of a user is not run again. It is in a process group of its own, so Ctrl-C reaches the
parent alone, which ends the workers; and it ends by itself when its parent is gone. Job k goes to worker k modulo their
number.
"""

from __future__ import annotations

import gc
import os
import pickle
import queue
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, BinaryIO, Generic, Self, TypeVar

from backtest.errors import CrashbookError

Task = TypeVar("Task")
Result = TypeVar("Result")
Progress = Callable[[int, int], None]
MOST_WORKERS = 8
LENGTH = 8  # bytes before each message
_START = "import sys; sys.path[:] = {path!r}; from backtest.studies.crew import serve; serve()"


def worker_count(jobs: int) -> int:
    """Return how many workers are of use: one a processor, at most eight, no more than jobs."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(min(allowed, MOST_WORKERS, jobs), 1)


@dataclass(frozen=True, slots=True)
class _Done:
    number: int
    result: Any


@dataclass(frozen=True, slots=True)
class _Failed:
    """A job that raised; ``expected`` is a message to the user, else ``text`` is a traceback."""

    number: int
    text: str
    expected: bool


@dataclass(frozen=True, slots=True)
class _Ended:
    """A worker has ended or was killed: all it wrote was read."""

    code: int


@dataclass
class Crew(Generic[Task, Result]):
    """Workers that run ``work(task, k)`` for k from 0 to ``jobs`` - 1 from the moment they are started.

    Parameters
    ----------
    work
        A function of a module; the workers import it.
    task
        What all jobs share; pickled once.
    name
        The noun of a job in messages.
    """

    work: Callable[[Task, int], Result]
    task: Task
    jobs: int
    workers: int
    name: str = "job"
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    _attendants: list[threading.Thread] = field(default_factory=list)
    _news: queue.SimpleQueue[_Done | _Failed | _Ended] = field(default_factory=queue.SimpleQueue)

    def __enter__(self) -> Self:
        code = _START.format(path=sys.path)
        for first in range(self.workers):
            numbers = range(first, self.jobs, self.workers)
            message = pickle.dumps((self.work, self.task, numbers), protocol=pickle.HIGHEST_PROTOCOL)
            process = subprocess.Popen(
                [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
            )
            self.processes.append(process)
            self._attendants.append(threading.Thread(target=self._attend, args=(process, message), daemon=True))
            self._attendants[-1].start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for process in self.processes:
            process.kill()
        for attendant in self._attendants:
            attendant.join()

    def _attend(self, process: subprocess.Popen[bytes], message: bytes) -> None:
        """Hand a worker its task and pass on what it answers."""
        assert process.stdin is not None
        assert process.stdout is not None
        with suppress(OSError, EOFError, ValueError, pickle.UnpicklingError):
            _write(process.stdin, message)
            for answer in _messages(process.stdout):
                self._news.put(pickle.loads(answer))
        for stream in (process.stdin, process.stdout):
            with suppress(OSError):
                stream.close()
        self._news.put(_Ended(process.wait()))

    def results(self, progress: Progress | None = None) -> list[Result]:
        """Return the results of all jobs by number, when all are there.

        Raises
        ------
        CrashbookError
            A job was refused, or a worker died.
        RuntimeError
            A job failed for a defect of the program.
        """
        found: dict[int, Result] = {}
        working = self.workers
        while len(found) < self.jobs:
            news = self._news.get()
            if isinstance(news, _Failed):
                if news.expected:
                    raise CrashbookError(f"{self.name} {news.number + 1} of {self.jobs}: {news.text}")
                raise RuntimeError(f"{self.name} {news.number + 1} of {self.jobs} failed\n{news.text}")
            if isinstance(news, _Ended):
                working -= 1
                if news.code or not working:
                    raise CrashbookError(
                        f"{self.name}s: a worker process died ({_cause(news.code)}), nothing of them was kept; "
                        "run them again, with fewer or smaller books if memory is short"
                    )
                continue
            found[news.number] = news.result
            if progress:
                progress(len(found), self.jobs)
        return [found[number] for number in range(self.jobs)]


def run_here(
    work: Callable[[Task, int], Result], task: Task, jobs: int, name: str = "job", progress: Progress | None = None
) -> list[Result]:
    """Return the results of all jobs, run one after another in this process.

    Raises
    ------
    CrashbookError
        A job was refused.
    """
    found = []
    for number in range(jobs):
        try:
            found.append(work(task, number))
        except CrashbookError as error:
            raise CrashbookError(f"{name} {number + 1} of {jobs}: {error}") from None
        if progress:
            progress(number + 1, jobs)
    return found


def _cause(code: int) -> str:
    """Return how a process ended.

    Examples
    --------
    >>> _cause(-9), _cause(1)
    ('killed by signal 9', 'exit code 1')
    """
    return f"killed by signal {-code}" if code < 0 else f"exit code {code}"


def serve() -> None:
    """Run the jobs of a worker process: the task comes on stdin, answers go to stdout."""
    incoming, outgoing = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints must not stand between the answers
    work, task, numbers = pickle.loads(next(_messages(incoming)))
    gc.freeze()  # modules and task stay: collections between the jobs look at what the jobs leave
    gc.disable()
    threading.Thread(target=_end_with_parent, args=(incoming,), daemon=True).start()
    number = 0
    with suppress(BrokenPipeError):
        try:
            for number in numbers:
                _write(outgoing, pickle.dumps(_Done(number, work(task, number))))
                gc.collect()
        except CrashbookError as error:
            _write(outgoing, pickle.dumps(_Failed(number, str(error), expected=True)))
        except Exception:
            _write(outgoing, pickle.dumps(_Failed(number, traceback.format_exc(), expected=False)))
    os._exit(0)


def _end_with_parent(incoming: BinaryIO) -> None:
    """End this process when the other end of its stdin closes: the parent is gone."""
    while os.read(incoming.fileno(), 1 << 16):
        pass
    os._exit(1)


def _write(file: Any, message: bytes) -> None:
    file.write(len(message).to_bytes(LENGTH, "little") + message)
    file.flush()


def _messages(file: Any) -> Iterator[bytes]:
    """Yield the messages of a stream; one that is cut short ends it."""
    while len(head := file.read(LENGTH)) == LENGTH:
        body = file.read(int.from_bytes(head, "little"))
        yield body
