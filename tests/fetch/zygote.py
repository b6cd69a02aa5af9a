"""A process that has the client library imported and forks a fetch whenever it is told to; and how to talk to it.

A fetch of its own process costs seconds of imports, a fork of this one costs none. The process keeps to one thread and
touches no library that starts others, so that what it forks is whole.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import gc
import json
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

PROJECT = Path(__file__).parents[2]
END = "end"
# where a child dies of its own hand: in the middle of the nth day's file, on either side of its rename, in its line of
# the journal, and before the rename of a file of an archive
DEATHS = ("half a file", "before the rename", "after the rename", "half a line", "a download")


class Zygote:
    """The process while the ``with`` block lasts; ``start`` forks a fetch and gives its number, ``wait`` its status."""

    def __enter__(self) -> Self:
        environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
        command = [sys.executable, "-m", "tests.fetch.zygote"]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=PROJECT, env=environment
        )
        self._ended: dict[int, int] = {}
        assert self._line() == ["ready"]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()

    def start(self, home: Path, settings: Mapping[str, Any], asked: Mapping[str, Any], **more: Any) -> int:
        """Fork a fetch into a workspace and return the number of the process.

        ``asked`` names coins, series, days, venues and now. ``die`` and ``nth`` name a place to die at, or to stop at
        with ``by`` that signal, ``limit`` the largest file in bytes, ``errors`` a file for stderr.
        """
        assert self._process.stdin is not None
        home.mkdir(parents=True, exist_ok=True)
        command = {"home": str(home), "settings": settings, "asked": asked, **more}
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()
        while True:
            line = self._line()
            if line[0] != END:
                return int(line[1])
            self._ended[int(line[1])] = int(line[2])

    def wait(self, child: int) -> int:
        """Return the exit code of a child, or minus the signal that ended it."""
        while child not in self._ended:
            line = self._line()
            assert line[0] == END, line
            self._ended[int(line[1])] = int(line[2])
        return self._ended.pop(child)

    def run(self, home: Path, settings: Mapping[str, Any], asked: Mapping[str, Any], **more: Any) -> int:
        """Fork a fetch and wait for its end."""
        return self.wait(self.start(home, settings, asked, **more))

    def _line(self) -> list[str]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline().split()
        assert line, "the process that forks has ended"
        return line


def main() -> None:
    """Fork a child for every line of stdin; a second process in between waits for it, so that many may run at once."""
    import ccxt.async_support  # noqa: F401 - imported once for all children, as is what follows
    import orjson  # noqa: F401

    import backtest.fetch.run  # noqa: F401

    assert len(os.listdir("/proc/self/task")) == 1  # noqa: PTH208
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    os.fsync = lambda fd: None  # a killed process loses nothing that it wrote
    gc.freeze()  # a child's collector need not touch, and so copy, all these pages
    _say("ready")
    for line in sys.stdin:
        if os.fork() == 0:
            _watch(json.loads(line))
            os._exit(0)


def _watch(command: Mapping[str, Any]) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    child = os.fork()
    if child == 0:
        os._exit(_child(command))
    _say(f"begun {child}")
    _, status = os.waitpid(child, 0)
    _say(f"{END} {child} {os.waitstatus_to_exitcode(status)}")


def _say(text: str) -> None:
    os.write(1, f"{text}\n".encode())


def _child(command: Mapping[str, Any]) -> int:
    os.environ["CRASHBOOK_HOME"] = command["home"]
    if "errors" in command:
        os.dup2(os.open(command["errors"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644), 2)
    try:
        _limited(command.get("limit"))
        if "die" in command:
            _doom(command["die"], command.get("nth", 1), command.get("by", signal.SIGKILL))
        return _fetch(command["settings"], command["asked"])
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
        return 1


def _fetch(settings: Mapping[str, Any], asked: Mapping[str, Any]) -> int:
    from backtest.errors import CrashbookError
    from backtest.fetch.plan import targets
    from backtest.fetch.run import fetch
    from backtest.fetch.settings import parse_settings

    stop, parsed = asyncio.Event(), parse_settings(settings, "test")
    now = dt.datetime.fromisoformat(asked["now"])
    days, seconds = [dt.date.fromisoformat(day) for day in asked["days"]], now.replace(tzinfo=dt.UTC).timestamp()
    goals = targets(
        coins=asked["coins"], series=asked["series"], days=days, venues=asked["venues"], now=now, roots=parsed.archives
    )
    try:
        outcome = asyncio.run(fetch(goals, parsed, clock=lambda: seconds, draw=lambda: 0.5, stop=stop))
    except CrashbookError as error:
        _limited(-1)  # not the message
        os.write(2, f"{error}\n".encode())
        return error.exit_code
    return 3 if any(outcome.lacking(goal) for goal in goals) else 0


def _limited(size: int | None) -> None:
    import resource

    if size is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def _doom(place: str, nth: int, by: int) -> None:
    """Let this process be killed, or stopped, at the nth time that it comes to a place."""
    left = [nth]

    def due() -> bool:
        left[0] -= 1
        return left[0] == 0

    write, replace = os.write, os.replace
    part = ".jsonl" if place == "half a line" else ".parquet."

    def half(handle: int, data: Any) -> int:
        if part in Path(f"/proc/self/fd/{handle}").readlink().name and due():
            write(handle, memoryview(data)[: len(data) // 2])
            os.kill(os.getpid(), by)
        return write(handle, data)

    def around_the_rename(path: Path, target: Path) -> None:
        here = target.suffix == (".zip" if place == "a download" else ".parquet") and due()
        if here and place != "after the rename":
            os.kill(os.getpid(), by)
        replace(path, target)
        if here:
            os.kill(os.getpid(), by)

    if place.startswith("half"):
        os.write = half  # type: ignore[assignment]
    else:
        os.replace = around_the_rename  # type: ignore[assignment]


if __name__ == "__main__":
    main()
