"""Seven policies on one crash beside one replay of it: ``python -m tests.bench.policies [POSITIONS]``.

Twice: the commands, each in a process of its own, without report; and the engine alone in one process, where records
are compared with nothing. The replay writes its run folder, which a comparison does not.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable

EVENT = "2025-10-10"
POLICIES = ("queue", "bitmex", "random", "pro_rata", "pro_rata_equity", "min_max", "water_filling")
TIMES = 3  # of which the least counts
ONE_PROCESSOR = """
import os, runpy, sys
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
runpy.run_module("backtest", run_name="__main__")
"""


def command(words: list[str], home: str, *, one: bool) -> tuple[float, float]:
    """Run a command, on one processor if asked; return its seconds and the user CPU of it and its workers."""
    python = [sys.executable, "-c", ONE_PROCESSOR] if one else [sys.executable, "-m", "backtest"]
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime, time.perf_counter()
    subprocess.run([*python, *words], stdout=subprocess.DEVNULL, check=True, env={**os.environ, "CRASHBOOK_HOME": home})
    return time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before


def commands(positions: int) -> None:
    """Time ``crashbook compare`` of all policies against ``crashbook replay``, in turns."""
    size = ["--set", f"positions={positions}", "--quiet"]
    replay = ["replay", EVENT, "--fresh", *size]
    compare = ["compare", EVENT, "--policy", ",".join(POLICIES), "--draws", "0", *size]
    spans: dict[str, list[tuple[float, float]]] = {"replay": [], "one": [], "all": []}
    with tempfile.TemporaryDirectory() as home:
        for _ in range(TIMES):
            spans["replay"].append(command(replay, home, one=False))
            spans["one"].append(command(compare, home, one=True))
            spans["all"].append(command(compare, home, one=False))
    wall, user = ({name: min(span[k] for span in mine) for name, mine in spans.items()} for k in (0, 1))
    print(f"{len(POLICIES)} policies, {positions:,} positions, without report")
    print(f"  one replay                          {user['replay']:6.2f} s of CPU, {wall['replay']:.2f} s of time")
    print(f"  a comparison on one processor       {user['one']:6.2f} s of CPU   "
          f"ratio {user['one'] / user['replay']:.2f} (limit 1.6)")  # fmt: skip
    print(f"  a comparison on all processors      {wall['all']:6.2f} s of time   "
          f"ratio {wall['all'] / wall['replay']:.2f} (limit 1.6)   {user['all']:.2f} s of CPU")  # fmt: skip


def engine(positions: int) -> None:
    """Time the engine alone: a run, then what each policy adds from the first wave on."""
    from backtest.engine.branches import Trunk
    from backtest.engine.run import simulate
    from backtest.run.prepare import prepare, ruled
    from backtest.run.resolve import resolve
    from backtest.studies.alternatives import policies

    base = prepare(resolve(EVENT, {"positions": positions}))
    scenarios = [base.resolved.scenario.with_(**each.fields) for each in policies(POLICIES)]
    worlds = [ruled(base, scenario).world for scenario in scenarios]
    one = _least(lambda: simulate(base.world, ahead=False))
    trunk = Trunk(worlds[0])
    trunk.outcome(worlds[0])
    spans = [_least(lambda world=world: trunk.outcome(world)) for world in worlds]  # type: ignore[misc]
    path = max(one - spans[0], 0.0)
    print(f"  engine alone, one run               {one:6.2f} s of CPU, {path:.2f} until the first wave")
    for name, span in zip(POLICIES, spans, strict=True):
        print(f"    {name:16} from there           {span:6.2f} s")
    print(f"  engine alone, all policies          {path + sum(spans):6.2f} s   ratio {(path + sum(spans)) / one:.2f}")


def _least(run: Callable[[], object]) -> float:
    spans = []
    for _ in range(TIMES):
        start = time.process_time()
        run()
        spans.append(time.process_time() - start)
    return min(spans)


if __name__ == "__main__":
    size = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    commands(size)
    engine(size)
