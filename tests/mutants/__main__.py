"""Make each mutant and run the tests that must kill it: ``python -m tests.mutants [NAME ...] [--jobs N]``.

Every mutant runs in a copy of the project; the checkout is not touched. The exit code is 1 if one survives.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

from tests.mutants.catalogue import ROOT, Mutant, load

LIMIT_S = 900  # a mutant that hangs is killed by the clock
KEPT_OUT = shutil.ignore_patterns(".git", ".venv", "runs", "__pycache__", ".*_cache", ".hypothesis", "lake")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the tests said of one mutant."""

    mutant: Mutant
    killed: bool
    seconds: float
    last_line: str


@contextmanager
def mutated(copy: Path, mutant: Mutant) -> Iterator[None]:
    """Change one place of a copy of the project, and change it back."""
    path = copy / mutant.file
    text = path.read_text("utf-8")
    path.write_text(mutant.applied(text), "utf-8")
    try:
        yield
    finally:
        path.write_text(text, "utf-8")


def run(copy: Path, tests: Sequence[str]) -> tuple[int, str]:
    """Return exit code and last line of the tests in a copy; a run over the limit counts as failed."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-n", "0", "-p", "no:cacheprovider", *tests]
    try:
        done = subprocess.run(command, cwd=copy, capture_output=True, text=True, check=False, timeout=LIMIT_S)
    except subprocess.TimeoutExpired:
        return 1, f"over {LIMIT_S} s"
    lines = [line for line in done.stdout.splitlines() if line.strip()]
    return done.returncode, lines[-1] if lines else done.stderr[-200:]


def judge(mutant: Mutant, copies: SimpleQueue[Path]) -> Verdict:
    """Return whether the named tests fail on a mutant; pytest's exit code 1 means that a test failed."""
    copy = copies.get()
    start = time.perf_counter()
    try:
        with mutated(copy, mutant):
            code, line = run(copy, mutant.tests)
    finally:
        copies.put(copy)
    if code not in {0, 1}:
        raise SystemExit(f"{mutant.name}: the tests could not run: {line}")
    return Verdict(mutant, code == 1, time.perf_counter() - start, line)


def main() -> int:
    """Run the mutants named, or all of them."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("names", nargs="*", help="mutants to run; all without a name")
    parser.add_argument("--jobs", type=int, default=2, help="mutants at once")
    asked = parser.parse_args()
    mutants = [mutant for mutant in load() if not asked.names or mutant.name in asked.names]
    if not mutants:
        raise SystemExit(f"no mutant of that name; known: {', '.join(mutant.name for mutant in load())}")
    survivors = 0
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(asked.jobs) as pool:
        copies: SimpleQueue[Path] = SimpleQueue()
        for number in range(asked.jobs):
            copy = Path(folder) / str(number) / "crashbook"
            shutil.copytree(ROOT, copy, ignore=KEPT_OUT)
            copies.put(copy)
        for verdict in pool.map(lambda mutant: judge(mutant, copies), mutants):
            survivors += not verdict.killed
            word = "killed  " if verdict.killed else "SURVIVED"
            print(f"{word}  {verdict.seconds:6.1f} s  {verdict.mutant.name:<44}  {verdict.last_line}", flush=True)
    print(f"{len(mutants) - survivors} of {len(mutants)} mutants killed")
    return int(survivors > 0)


if __name__ == "__main__":
    raise SystemExit(main())
