"""The console blocks of the project's pages: read, run in a fresh workspace a page, compared with what stands there.

``python -m tests.documents [PAGE ...]`` writes the real output into the pages. A block holds lines ``$ COMMAND`` and
their output on a terminal of 80 columns, without notes on stderr. Commands are ``crashbook ...``, ``python ...`` and
``cat FILE``; there is no shell. Other blocks whose first line is ``# NAME`` are files of the workspace, such as a
scenario; ``local.toml`` leads to local venues. A run id changes with the code: one that stands in a command is the
one that an earlier command printed.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.server.app import LocalVenues
from tests.server.market import crash_days
from tests.support.command import call

ROOT = Path(__file__).parents[1]
FOLDERS = ("backtest", "data", "queries", "reports", "tests")
COLUMNS = 80
BLOCK = re.compile(r"```console\n(.*?)```", re.DOTALL)
FILE = re.compile(r"```(?:toml|python|csv|sql)\n(?:#|--) (\S+\.\w+)\n(.*?)```", re.DOTALL)
RUN_ID = re.compile(r"\b[0-9a-f]{12}\b")


def pages() -> list[Path]:
    """Return the pages that hold a console block."""
    found = [*ROOT.glob("*.md"), *(path for name in FOLDERS for path in (ROOT / name).rglob("*.md"))]
    return sorted(path for path in found if BLOCK.search(path.read_text("utf-8")))


@dataclass
class Session:
    """A workspace in which the commands of one page run in their order."""

    workspace: Path
    ids: dict[str, str] = field(default_factory=dict)  # of runs: as written in the page, and as they are now
    clock: int = 1_760_140_800  # the time at which the next run was written, in whole minutes from 11 October 2025

    def block(self, text: str) -> str:
        """Return a console block with the real output of its commands."""
        written = re.split(r"^\$ (.*)\n", text, flags=re.MULTILINE)[1:]
        parts = []
        for command, shown in zip(written[::2], written[1::2], strict=True):
            current = RUN_ID.sub(lambda found: self.ids.get(found[0], found[0]), command)
            output = self.run(current)
            self.set_times()
            self.ids |= dict(zip(RUN_ID.findall(shown), RUN_ID.findall(output), strict=False))
            parts.append(f"$ {current}\n{output.rstrip()}\n")
        return "```console\n" + "".join(parts) + "```"

    def set_times(self) -> None:
        """Let each run be a minute older than the next, so that ``crashbook runs`` prints the same at any time."""
        runs = {path: path.stat().st_mtime for path in (self.workspace / "runs").glob("*")}
        for path in sorted(runs, key=runs.__getitem__):
            if runs[path] > self.clock:
                os.utime(path, (self.clock, self.clock))
                self.clock += 60

    def run(self, command: str) -> str:
        """Run one command and return what it prints on stdout."""
        program, *words = shlex.split(command)
        if program == "crashbook":
            result = call(*words)
            code, output, errors = result.exit_code, result.stdout, result.stderr
        elif program == "python":
            done = subprocess.run(
                [sys.executable, *words], cwd=self.workspace, capture_output=True, text=True, check=False
            )
            code, output, errors = done.returncode, done.stdout, done.stderr
        elif program == "cat":
            code, output, errors = 0, (self.workspace / words[0]).read_text("utf-8"), ""
        else:
            raise AssertionError(f"$ {command}: only crashbook, python and cat are run")
        assert code == 0, f"$ {command}\nexit {code}: {errors}"
        return output


@contextlib.contextmanager
def session(text: str, workspace: Path) -> Iterator[Session]:
    """Make a workspace with the files that a page shows the current one, on a terminal of 80 columns."""
    for name, body in FILE.findall(text):
        (workspace / name).write_text(body, "utf-8")
    with pytest.MonkeyPatch.context() as patch, contextlib.ExitStack() as stack:
        patch.chdir(workspace)
        patch.delenv("CRASHBOOK_HOME", raising=False)
        patch.setattr("backtest.cli.terminal.columns", lambda: COLUMNS)
        if "local.toml" in text:
            venues = stack.enter_context(LocalVenues(crash_days()))
            venues.write_config(workspace / "local.toml")
        yield Session(workspace)


def rendered(page: Path, workspace: Path) -> str:
    """Return a page with the real output of every command."""
    text = page.read_text("utf-8")
    with session(text, workspace) as running:
        return BLOCK.sub(lambda match: running.block(match[1]), text)


def masked(text: str) -> str:
    """Return text with all run ids made equal."""
    return RUN_ID.sub("<run>", text)


if __name__ == "__main__":
    os.environ.pop("CRASHBOOK_HOME", None)
    for path in [Path(name).resolve() for name in sys.argv[1:]] or pages():
        with tempfile.TemporaryDirectory() as folder:
            path.write_text(rendered(path, Path(folder)), "utf-8")
