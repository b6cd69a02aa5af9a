"""Make each mutant and run the tests that must kill it: ``python -m tests.mutants [NAME ...] [--jobs N]``.

Every mutant runs in a copy of the project; the checkout is not touched. The exit code is 1 if one survives.
"""

from __future__ import annotations

import argparse
import os
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

PASSED, FAILED = 0, 1  # exit codes of pytest
LIMIT_S = 900  # a mutant that hangs is killed by the clock
COPIED = ("backtest", "data", "queries", "reports", "tests")  # and the files beside them
KEPT_OUT = shutil.ignore_patterns("__pycache__", ".*_cache")


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the tests noticed one mutant."""

    mutant: Mutant
    killed: bool
    seconds: float
    noticed_by: str


def copied(to: Path) -> Path:
    """Copy the project without environment, history and results."""
    to.mkdir(parents=True)
    for name in COPIED:
        shutil.copytree(ROOT / name, to / name, ignore=KEPT_OUT)
    shutil.rmtree(to / "data" / "lake", ignore_errors=True)
    for file in ROOT.iterdir():
        if file.is_file():
            shutil.copy2(file, to)
    return to


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


def run(copy: Path, tests: Sequence[str], workers: int = 0) -> tuple[int, str]:
    """Return exit code of the tests in a copy and the line of the first failure; a run over the limit counts as failed.

    The path puts the copy before an installed checkout, also in processes that tests start in other folders.
    """
    command = [sys.executable, "-m", "pytest", "-x", "-n", str(workers), "-p", "no:cacheprovider", *tests]
    environment = os.environ | {"PYTHONPATH": str(copy)}
    try:
        done = subprocess.run(
            command, cwd=copy, env=environment, capture_output=True, text=True, check=False, timeout=LIMIT_S
        )
    except subprocess.TimeoutExpired:
        return FAILED, f"over {LIMIT_S} s"
    lines = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    return done.returncode, lines[0].split(" - ")[0] if lines else f"exit code {done.returncode} of pytest"


def check_unchanged(copy: Path, mutants: Sequence[Mutant], workers: int) -> None:
    """Stop unless the tests pass in a copy without a mutant, since then a failure says nothing about a mutant."""
    code, line = run(copy, sorted({test for mutant in mutants for test in mutant.tests}), workers)
    if code:
        raise SystemExit(f"the tests do not pass on the unchanged code: {line}; mend them first")


def verdict_on(mutant: Mutant, copies: SimpleQueue[Path]) -> Verdict:
    """Return whether the named tests fail on a mutant; any other fault than a failed test stops all."""
    copy = copies.get()
    start = time.perf_counter()
    try:
        with mutated(copy, mutant):
            code, line = run(copy, mutant.tests)
    finally:
        copies.put(copy)
    if code not in {PASSED, FAILED}:
        raise SystemExit(f"{mutant.name}: the tests could not run: {line}")
    return Verdict(mutant, code == FAILED, time.perf_counter() - start, line)


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
            copies.put(copied(Path(folder) / str(number) / "crashbook"))
        check_unchanged(Path(folder) / "0" / "crashbook", mutants, asked.jobs)
        for verdict in pool.map(lambda mutant: verdict_on(mutant, copies), mutants):
            survivors += not verdict.killed
            word = "killed  " if verdict.killed else "SURVIVED"
            print(f"{word}  {verdict.seconds:6.1f} s  {verdict.mutant.name:<44}  {verdict.noticed_by}", flush=True)
    print(f"{len(mutants) - survivors} of {len(mutants)} mutants killed")
    return int(survivors > 0)


if __name__ == "__main__":
    raise SystemExit(main())
