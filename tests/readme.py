"""The commands of README.md: read, run in a fresh workspace, compared with what stands there.

``python -m tests.readme`` writes the real output into the file.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.server.app import LocalVenues
from tests.server.market import crash_days

README = Path(__file__).parents[1] / "README.md"
BLOCK = re.compile(r"```console\n(.*?)```", re.DOTALL)
RUN_ID = re.compile(r"\b[0-9a-f]{12}\b")
TOML = re.compile(r"```toml\n# (\S+)\n(.*?)```", re.DOTALL)


def commands(block: str) -> list[str]:
    """Return the commands of a console block."""
    return [line[2:] for line in block.splitlines() if line.startswith("$ ")]


def run(command: str, workspace: Path) -> str:
    """Run one command in the workspace with the project's own scripts first on the path; return its stdout."""
    scripts = str(Path(sys.executable).parent)
    environment = {**os.environ, "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}", "COLUMNS": "200"}
    environment.pop("CRASHBOOK_HOME", None)
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        cwd=workspace,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode not in {0, 141}:  # 141: head closed the pipe
        raise AssertionError(f"{command}: exit {done.returncode}: {done.stderr}")
    return done.stdout


def prepare(text: str, workspace: Path) -> None:
    """Write the scenario files that the README shows."""
    for name, body in TOML.findall(text):
        (workspace / name).write_text(body)


def rendered(text: str, workspace: Path) -> str:
    """Return the README with every console block holding the real output of its commands.

    The venues it asks are local ones, and ``local.toml`` leads to them.
    """
    prepare(text, workspace)
    with LocalVenues(crash_days()) as venues:
        venues.write_config(workspace / "local.toml")
        return _rendered(text, workspace)


def _rendered(text: str, workspace: Path) -> str:

    def fill(match: re.Match[str]) -> str:
        parts = [f"$ {command}\n{run(command, workspace).rstrip()}\n" for command in commands(match.group(1))]
        return "```console\n" + "".join(parts) + "```"

    return BLOCK.sub(fill, text)


def same(text: str) -> str:
    """Return text with run ids made equal: they change with the code."""
    return RUN_ID.sub("<run>", text)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        README.write_text(rendered(README.read_text("utf-8"), Path(folder)), "utf-8")
