"""Print speed and memory, as ratios measured in one run: ``python -m tests.bench [--help]``."""

from __future__ import annotations

import argparse
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np

BASELINE = """
import click, duckdb, jinja2, numpy, orjson, polars, pyarrow, pyarrow.parquet, pyarrow.dataset, rich.progress
import matplotlib
matplotlib.use("svg")
from matplotlib.figure import Figure
import io
for _ in range({figures}):
    figure = Figure(figsize=(11, 4))
    figure.subplots()
    figure.savefig(io.StringIO(), format="svg")
"""


MEASURED = """
import resource, subprocess, sys
code = subprocess.call(sys.argv[1:])
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr)
sys.exit(code)
"""


LIMIT = re.compile(r"([\d.,]+)[a-zA-Z ]*\((limit|at least) ([\d.,]+)\)")


def best(run: Callable[[], object], times: int = 3) -> float:
    """Return the shortest of a few runs in seconds."""
    spans = []
    for _ in range(times):
        start = time.perf_counter()
        run()
        spans.append(time.perf_counter() - start)
    return min(spans)


def child(arguments: list[str], home: str) -> tuple[float, float, str]:
    """Run a process as on a user's machine, from compiled modules; return seconds, peak memory in MB and its output."""
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, *arguments], capture_output=True, text=True, check=True,
        env={**env, "CRASHBOOK_HOME": home},
    )  # fmt: skip
    return time.perf_counter() - start, int(done.stderr.split()[-1]) / 1024, done.stdout


def command_line() -> None:
    """Time ``crashbook --help`` and the README's replay against bare imports and empty figures."""
    script = [sys.executable, "-m", "backtest"]
    with tempfile.TemporaryDirectory() as home:
        helped = min(child([*script, "--help"], home)[0] for _ in range(3))
        spans, memory, figures = [], 0.0, 0
        for _ in range(2):
            arguments = [*script, "replay", "2025-10-10", "--report", "--fresh"]
            seconds, memory, out = child(arguments, home)
            spans.append(seconds)
            report = re.search(r"^report\s+(\S+)", out, re.MULTILINE)
            figures = Path(report.group(1)).read_text("utf-8").count("<svg") if report else 0
        base = min(child([sys.executable, "-c", BASELINE.format(figures=figures)], home)[0] for _ in range(2))
    print(f"crashbook --help                      {helped:6.2f} s")
    print(
        f"README replay, process to HTML        {min(spans):6.2f} s   (limit 6)   peak {memory:,.0f} MB (limit 1,000)"
    )
    print(f"bare imports and {figures:2d} empty figures     {base:6.2f} s   ratio {min(spans) / base:.2f} (limit 2)")


def engine(positions: int) -> float:
    """Time the engine against a stable argsort and a vectorised rescan in the same process; return its seconds."""
    from backtest.engine.run import Outcome, simulate
    from backtest.mechanics.margin import in_breach
    from tests.bench.engine_world import engine_world

    world = engine_world(positions)
    outcomes: list[Outcome] = []
    floats = np.random.default_rng(0).random(1_000_000)
    sort = best(lambda: np.argsort(floats, kind="stable"))

    def run() -> None:
        outcomes[:] = []  # one outcome at a time
        outcomes.append(simulate(world))

    seconds = best(run, 1 if positions > 2_000_000 else 3)
    outcome = outcomes[0]
    sort = min(sort, best(lambda: np.argsort(floats, kind="stable")))
    book = world.book
    cash, signed = book.collateral - book.side * book.entry_value, book.side * book.lots

    def rescan() -> None:
        for mark in world.walk.mark[0, :8]:
            in_breach(cash, signed, np.full(1, mark), world.contracts[0], world.tiers[0], True)

    per_price = best(rescan, 2) / 8
    breaches = len(outcome.record.breaches)
    slices = len(outcome.record.slices)
    print(f"engine, {positions:,} positions, {world.steps:,} steps, {breaches:,} breaches, "
          f"{len(outcome.record.waves)} waves, {slices:,} slices")  # fmt: skip
    print(f"  engine                              {seconds:6.2f} s")
    print(f"  stable argsort of 1,000,000         {sort:6.3f} s   ratio {seconds / sort:.1f} (limit 7)")
    bars = world.steps // 4
    print(f"  rescan, once per bar                {per_price * bars:6.2f} s   ratio {per_price * bars / seconds:.1f}")
    print(f"  rescan, at each of the four prices  {per_price * world.steps:6.2f} s   "
          f"ratio {per_price * world.steps / seconds:.1f} (limit 25 for a rescan per bar)")  # fmt: skip
    print(f"  peak memory of the process          {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:6.2f} GB")
    return seconds


def feedback(positions: int) -> None:
    """Time the feedback path, its baseline included, against the tape: the same world with half the liquidity."""
    from backtest.engine.prices import flow_of
    from backtest.engine.run import simulate
    from backtest.mechanics.feedback import Feedback, decay_e9
    from tests.bench.engine_world import engine_world

    whole = engine_world(positions)
    half = replace(whole, rules=replace(whole.rules, scale=(Fraction(1, 2),)))

    def displaced() -> None:
        flow = flow_of(simulate(whole).record, 1, whole.steps)
        left, rules = decay_e9(300, whole.bar_s, whole.walk.segments), whole.rules
        simulate(
            replace(
                half, feedback=Feedback(left, 10, flow.forced, flow.total, rules.impact, rules.strength, rules.scale)
            )
        )

    tape = best(lambda: simulate(half), 2)
    both = best(displaced, 2)
    print(f"feedback, its baseline included       {both:6.2f} s   ratio to the tape {both / tape:.2f} (limit 3)")


def everything(positions: int) -> None:
    """Time a run with partial steps, funds that drop and a vault beside the same book under simple rules."""
    from backtest.engine.run import simulate
    from tests.bench.engine_world import engine_world, with_everything

    world = engine_world(positions)
    simple = best(lambda: simulate(world), 2)
    for name, more in with_everything(world).items():
        seconds = best(lambda more=more: simulate(more), 2)  # type: ignore[misc]
        print(f"  {name:35} {seconds:6.2f} s   ratio {seconds / simple:.2f} (limit 2.5)")


def fetch() -> None:
    """Run what fills and reads the lake, each in processes of its own."""
    with tempfile.TemporaryDirectory() as folder:
        for arguments, unsaid in (
            (["fetching"], ""),
            (["archives"], ""),
            (["true_book"], ""),
            (["hyperliquid", "fills", folder], ""),
            (["hyperliquid", "snapshot", folder], " (limit 1,000)"),
        ):
            module, *rest = arguments
            command = [sys.executable, "-m", f"tests.bench.{module}", *rest]
            out = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
            for line in out.splitlines():
                print(f"{line}{unsaid}   {verdict(line + unsaid)}", flush=True)


def verdict(line: str) -> str:
    """Return whether every limit that a line names holds.

    >>> verdict("a  1.20 s   (limit 1.25)   3,000 rows a second (at least 2,500)")
    'holds'
    >>> verdict("a  1.20 s   (limit 1)")
    'MISSED'
    """
    said = [(_number(value), kind, _number(limit)) for value, kind, limit in LIMIT.findall(line)]
    kept = [value >= limit if kind == "at least" else value <= limit for value, kind, limit in said]
    return "holds" if all(kept) else "MISSED"


def _number(text: str) -> float:
    return float(text.replace(",", ""))


def arguments() -> argparse.Namespace:
    """Return what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=(__doc__ or "").partition(":")[0] + ".")
    parser.add_argument("--engine-only", action="store_true", help="leave out the command line and the README's replay")
    parser.add_argument("--large", action="store_true", help="time 10,000,000 positions too")
    parser.add_argument("--fetch", action="store_true", help="time what fills and reads the lake, and nothing else")
    return parser.parse_args()


if __name__ == "__main__":
    asked = arguments()
    if asked.fetch:
        fetch()
        sys.exit()
    if not asked.engine_only:
        command_line()
    feedback(1_000_000)
    million = engine(1_000_000)
    if asked.large:
        print(f"  ratio to 1,000,000 positions        {engine(10_000_000) / million:6.2f}   (limit 12)")
    everything(1_000_000)
    for module in ("accounts", "policies"):
        subprocess.run([sys.executable, "-m", f"tests.bench.{module}"], check=True)  # memory of its own
