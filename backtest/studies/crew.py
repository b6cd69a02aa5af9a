"""Numbered jobs in processes of their own: started afresh, fed with one pickled task, ended with the work.

A worker is a new interpreter that knows nothing of its parent but the task: no lock, thread or open file of the parent
can reach it, and a script of a user is not run again. It is in a process group of its own, so Ctrl-C reaches the
parent alone, which ends the workers; and it ends by itself when its parent is gone. A worker that is done with a job
gets the next one, in the order of their numbers.
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
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from backtest.errors import CrashbookError

Task = TypeVar("Task")
Result = TypeVar("Result")
Progress = Callable[[int, int], None]
MOST_WORKERS = 8
BEHIND = 10  # how far workers stand back: their parent has work of its own, which all wait for at the end
LENGTH = 8  # bytes before each message
Worker = subprocess.Popen[bytes]
_START = "import sys; sys.path[:] = {path!r}; import {module}; from backtest.studies.crew import serve; serve()"


def worker_count(jobs: int) -> int:
    """Return how many workers are of use: one a processor, at most eight, no more than jobs."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(min(allowed, MOST_WORKERS, jobs), 1)


@contextmanager
def early(work: Callable[..., Any], workers: int) -> Iterator[list[Worker]]:
    """Start workers that import the module of their work while the task is not ready yet.

    A crew takes them from the list; those that none has taken are ended with the block.
    """
    waiting = [_start(work) for _ in range(workers)]
    try:
        yield waiting
    finally:
        for worker in waiting:
            worker.kill()
            worker.communicate()


def _start(work: Callable[..., Any]) -> Worker:
    code = _START.format(path=sys.path, module=work.__module__)
    command = [sys.executable, "-c", code]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)


@dataclass(frozen=True, slots=True)
class Done(Generic[Result]):
    """The result of a job."""

    number: int
    result: Result


@dataclass(frozen=True, slots=True)
class _Failed:
    """A job that raised; ``expected`` is a message to the user, else ``text`` is a traceback."""

    number: int
    text: str
    expected: bool


@dataclass(frozen=True, slots=True)
class Ended:
    """A worker has ended or was killed: all it wrote was read; ``number`` is the job that it took with it, if any."""

    code: int
    number: int | None

    @property
    def cause(self) -> str:
        """Return how the process ended.

        Examples
        --------
        >>> Ended(-9, 3).cause, Ended(1, None).cause
        ('killed by signal 9', 'exit code 1')
        """
        return f"killed by signal {-self.code}" if self.code < 0 else f"exit code {self.code}"


@dataclass
class Crew(Generic[Task, Result]):
    """Workers that run ``work(task, k)`` for each number k of jobs from the moment they are started.

    Parameters
    ----------
    work
        A function of a module; the workers import it.
    task
        What all jobs share; pickled once.
    jobs
        Their number, or the numbers themselves.
    name
        The noun of a job in messages.
    waiting
        Workers that were started early; they are taken first.
    """

    work: Callable[[Task, int], Result]
    task: Task
    jobs: int | Sequence[int]
    workers: int
    name: str = "job"
    waiting: list[Worker] = field(default_factory=list)
    processes: list[Worker] = field(default_factory=list)
    _attendants: list[threading.Thread] = field(default_factory=list)
    _open: queue.SimpleQueue[int] = field(default_factory=queue.SimpleQueue)
    _news: queue.SimpleQueue[Done[Result] | _Failed | Ended] = field(default_factory=queue.SimpleQueue)

    @property
    def numbers(self) -> Sequence[int]:
        """Return the numbers of all jobs."""
        return range(self.jobs) if isinstance(self.jobs, int) else self.jobs

    def __enter__(self) -> Self:
        for number in self.numbers:
            self._open.put(number)
        message = pickle.dumps((self.work, self.task), protocol=pickle.HIGHEST_PROTOCOL)
        for _ in range(self.workers):
            process = self.waiting.pop() if self.waiting else _start(self.work)
            self.processes.append(process)
            self._attendants.append(threading.Thread(target=self._attend, args=(process, message), daemon=True))
            self._attendants[-1].start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for process in self.processes:
            process.kill()
        for attendant in self._attendants:
            attendant.join()

    def _attend(self, process: Worker, message: bytes) -> None:
        """Hand a worker its task, then one job after another, and pass on what it answers."""
        assert process.stdin is not None
        assert process.stdout is not None
        number = None
        with suppress(OSError, EOFError, ValueError, pickle.UnpicklingError, queue.Empty):
            _write(process.stdin, message)
            answers = _messages(process.stdout)
            while True:
                number = self._open.get_nowait()
                _write(process.stdin, pickle.dumps(number))
                answer = next(answers, None)
                if answer is None:
                    break
                self._news.put(pickle.loads(answer))
                number = None
        for stream in (process.stdin, process.stdout):  # a worker ends when its stdin does
            with suppress(OSError):
                stream.close()
        self._news.put(Ended(process.wait(), number))

    def arrivals(self, *, helping: bool = False) -> Iterator[Done[Result] | Ended]:
        """Yield each result as it comes, and each worker that ends; with the last worker the jobs are over.

        ``helping``: this process runs jobs too, when there is no news.

        Raises
        ------
        CrashbookError
            A job was refused.
        RuntimeError
            A job failed for a defect of the program.
        """
        working, total = self.workers, len(self.numbers)
        while working or helping:
            news = self._news_or_own() if helping else self._news.get()
            if news is None:
                helping = False
                continue
            if isinstance(news, _Failed):
                which = f"{self.name} {news.number + 1} of {total}"
                if news.expected:
                    raise CrashbookError(f"{which}: {news.text}")
                raise RuntimeError(f"{which} failed\n{news.text}")
            working -= isinstance(news, Ended)
            yield news

    def _news_or_own(self) -> Done[Result] | _Failed | Ended | None:
        """Return news or, where there is none, the answer of a job run here; None where no job is left."""
        with suppress(queue.Empty):
            return self._news.get_nowait()
        try:
            number = self._open.get_nowait()
        except queue.Empty:
            return None
        return _answer(self.work, self.task, number)

    def results(self, progress: Progress | None = None, *, helping: bool = False) -> list[Result]:
        """Return the results of all jobs by number, when all are there; ``helping`` as of ``arrivals``.

        Raises
        ------
        CrashbookError
            A job was refused, or a worker died.
        RuntimeError
            A job failed for a defect of the program.
        """
        found: dict[int, Result] = {}
        total = len(self.numbers)
        for news in self.arrivals(helping=helping):
            if isinstance(news, Done):
                found[news.number] = news.result
                if progress:
                    progress(len(found), total)
            elif news.number is not None or news.code:
                raise CrashbookError(
                    f"{self.name}s: a worker process died ({news.cause}), nothing of them was kept; "
                    "run them again, with fewer or smaller books if memory is short"
                )
            if len(found) == total:
                break
        return [found[number] for number in self.numbers]


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


def serve() -> None:
    """Run the jobs of a worker process: the task and the numbers of jobs come on stdin, answers go to stdout."""
    incoming, outgoing = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    if hasattr(os, "nice"):
        os.nice(BEHIND)
    os.dup2(2, 1)  # what a library prints must not stand between the answers
    messages = _messages(incoming)
    if (first := next(messages, None)) is None:
        return  # the parent is gone, before it gave any work
    work, task = pickle.loads(first)
    gc.freeze()  # modules and task stay: collections between the jobs look at what the jobs leave
    gc.disable()
    waiting: queue.SimpleQueue[int] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(messages, waiting), daemon=True).start()
    with suppress(BrokenPipeError):
        while True:
            _write(outgoing, pickle.dumps(_answer(work, task, waiting.get())))
            gc.collect()
    os._exit(0)


def _answer(work: Callable[[Task, int], Result], task: Task, number: int) -> Done[Result] | _Failed:
    """Run a job."""
    try:
        return Done(number, work(task, number))
    except CrashbookError as error:
        return _Failed(number, str(error), expected=True)
    except Exception:
        return _Failed(number, traceback.format_exc(), expected=False)


def _listen(messages: Iterator[bytes], waiting: queue.SimpleQueue[int]) -> None:
    """Take in the numbers of jobs; end this process when the parent closes its stdin or is gone."""
    for message in messages:
        waiting.put(pickle.loads(message))
    os._exit(0)


def _write(file: Any, message: bytes) -> None:
    file.write(len(message).to_bytes(LENGTH, "little") + message)
    file.flush()


def _messages(file: Any) -> Iterator[bytes]:
    """Yield the messages of a stream; one that is cut short ends it."""
    while len(head := file.read(LENGTH)) == LENGTH:
        length = int.from_bytes(head, "little")
        if len(body := file.read(length)) < length:
            return
        yield body
