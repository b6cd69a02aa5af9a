"""Of many drawn worlds those that take a way through the engines which the others do not.

A way is a step from one line to another of a function of either engine, a rare path, a rule that was in force when
something happened, or several such rules that act on each other. Steps and paths are kept twice, if met so often, and
what few worlds meet as often as ``OFTEN`` says.
"""

from __future__ import annotations

import heapq
import sys
from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Mapping
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, NamedTuple, TypeVar

from backtest.engine.records import CAUSES
from backtest.engine.run import Outcome, simulate
from tests.engine.paths import paths
from tests.reference.adapter import build, shape
from tests.reference.slow_engine import replay

World = dict[str, Any]


class Step(NamedTuple):
    """From one line to another of a function; 0 is outside of it."""

    function: str
    start: int
    end: int


Ways = set[Hashable]
Key = TypeVar("Key", bound=Hashable)
ROOT = Path(__file__).parents[2]
FOLDERS = tuple(str(ROOT / each) for each in ("backtest/engine/", "backtest/mechanics/", "tests/reference/"))
EXIT = CAUSES.index("exit")
OFTEN = {"exit": 8}  # a holder leaves of his own will


class Steps:
    """Counts the steps from line to line in functions of some folders while ``run`` runs."""

    def __init__(self) -> None:
        self.met: Counter[Hashable] = Counter()
        self._names: dict[CodeType, str] = {}

    def run(self, work: Callable[[], Any]) -> Any:
        """Return what some work returns, its steps counted."""
        before = sys.gettrace()
        sys.settrace(self._enter)
        try:
            return work()
        finally:
            sys.settrace(before)

    def _enter(self, frame: FrameType, event: str, argument: object) -> Any:
        code = frame.f_code
        name = self._names.get(code)
        if name is None:
            inside = code.co_filename.startswith(FOLDERS)
            name = f"{Path(code.co_filename).name}:{code.co_qualname}:{code.co_firstlineno}" if inside else ""
            self._names[code] = name
        if not name:
            return None
        last = 0

        def follow(frame: FrameType, event: str, argument: object) -> Any:
            nonlocal last
            if event == "line":
                self.met[Step(name, last, frame.f_lineno)] += 1
                last = frame.f_lineno
            elif event == "return":
                self.met[Step(name, last, 0)] += 1
            return follow

        return follow


def ways_of(world: World) -> tuple[Ways, int]:
    """Return the ways that a world takes through both engines, and how many steps from line to line they took."""
    steps = Steps()
    outcome = steps.run(lambda: simulate(build(world)))
    steps.run(lambda: replay(world))
    ways: Ways = {*steps.met, *paths(world, outcome, shape(outcome, world)), *rules(world, outcome)}
    return ways, sum(steps.met.values())


def rules(world: World, outcome: Outcome) -> Iterator[Hashable]:
    """Yield the rules in force, some with another that they act with, where there was a breach or a wave."""
    profile, fund = world["profile"], world["profile"]["fund"]
    crossed = any(row.get("cross") for row in world["accounts"])
    inverse = any(each.get("inverse") for each in world["symbols"].values())
    if "venue" in world:
        yield "venue", world["venue"], crossed
    if EXIT in outcome.record.transfers.columns()["cause"]:
        yield "exit", crossed, "feedback" in world
    if not len(outcome.record.breaches):
        return
    names = ("threshold", "residual_owner", "fee_owner", "cross_order", "inventory_adl", "on_exhausted")
    yield from (("breach", name, profile.get(name)) for name in names)
    liquidation, allocation = profile.get("liquidation_rule"), profile.get("cross_allocation")
    yield "breach", liquidation, allocation, crossed, inverse
    yield "breach", world["intrabar"], world["liquidity"]["impact"], world.get("pieces")
    yield "breach", fund["shortfall"], fund["takeover"], fund["inventory_limit"] is None, bool(profile.get("vault"))
    yield "breach", tuple(sorted({bool(each.get("on_entry")) for each in world["symbols"].values()}))
    for wave in outcome.record.waves:
        if wave.closed_lots:
            payers = profile.get("adl_allocation"), profile["ranking"], profile.get("hl_literal")
            yield "wave", payers, profile["losers"]
            yield "wave", wave.source, wave.side, profile["close_price"]
            yield "wave", profile["on_exhausted"], profile.get("max_candidates", 0) > 0, wave.unmatched_lots > 0


def times(way: Hashable) -> int:
    """Return how many of the worlds shall take a way."""
    if isinstance(way, Step | str):
        return 2
    return OFTEN.get(way[0], 1) if isinstance(way, tuple) else 1


def chosen(ways: Mapping[Key, tuple[Ways, int]]) -> list[Key]:
    """Return the keys of worlds that take every way as often as ``times`` says or all of them do, by greedy choice.

    Examples
    --------
    >>> chosen({"a": ({1, 2}, 1), "b": ({2}, 1), "c": ({1, 2, 3}, 2), "d": ({3}, 1)})
    ['a', 'd']
    >>> chosen({"a": ({"net"}, 1), "b": ({"net"}, 2), "c": ({"net"}, 3)})
    ['a', 'b']
    """
    met = Counter(way for each, _ in ways.values() for way in each)
    wanted = {way: min(times(way), count) for way, count in met.items()}

    def worth(key: Key) -> float:
        return -sum(way in wanted for way in ways[key][0]) / ways[key][1]

    waiting = [(worth(key), number, key) for number, key in enumerate(ways)]
    heapq.heapify(waiting)
    out = set()
    while wanted:
        last, number, key = heapq.heappop(waiting)
        if (now := worth(key)) > last:  # others have been chosen since, and it is worth less
            heapq.heappush(waiting, (now, number, key))
            continue
        out.add(key)
        for way in ways[key][0] & wanted.keys():
            wanted[way] -= 1
            if not wanted[way]:
                del wanted[way]
    return [key for key in ways if key in out]
