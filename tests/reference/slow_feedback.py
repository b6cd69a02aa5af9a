"""Section 8 of the mechanism: prices displaced by what a run's flow adds to that of a baseline run on the tape."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

from .slow_impact import impact_shift
from .slow_ledger import E9
from .slow_path import Prices, Step, age_on_segment, between

E6 = 10**6
Flow = dict[str, int]  # signed lots by symbol: bought +, sold -


@dataclass
class Flows:
    """What forced orders and unwinding moved through the book: of the step in progress, and of every step before."""

    book: Flow = field(default_factory=dict)
    whole: Flow = field(default_factory=dict)
    by_step: dict[int, tuple[Flow, Flow]] = field(default_factory=dict)

    def begin(self, number: int) -> None:
        """Begin a step."""
        self.book, self.whole = {}, {}
        self.by_step[number] = self.book, self.whole

    def add(self, symbol: str, signed_lots: int, forced: bool) -> None:
        """Count lots bought or sold, by a forced order or by unwinding."""
        self.whole[symbol] = self.whole.get(symbol, 0) + signed_lots
        if forced:
            self.book[symbol] = self.book.get(symbol, 0) + signed_lots


class Tape:
    """The path as it is: nothing moves the prices. `rounds` and `capped` are those of the step in progress."""

    def __init__(self) -> None:
        self.rounds = 1
        self.capped = False

    def begin(self, step: Step) -> Step:
        """Return the step as it is walked first."""
        return step

    def again(self, flow: Flow) -> Step | None:
        """Return the segment of the next round; none on the tape."""
        return None

    def end(self, flow: Flow) -> None:
        """Take note of all that was traded in the step."""


class Feedback(Tape):
    """Displaced prices. `displacement` is in 1e-6 mark quanta."""

    def __init__(self, world: dict[str, Any], baseline: dict[str, Any], flows: dict[int, tuple[Flow, Flow]]) -> None:
        super().__init__()
        self.world, self.baseline, self.flows = world, baseline, flows
        self.displacement = dict.fromkeys(world["symbols"], 0)
        self.tape: Step | None = None  # the step as the tape has it
        self.walked: Step | None = None  # the segment walked last

    def begin(self, step: Step) -> Step:
        """Let the displacement decay and lead from where the last step ended to the displaced prices."""
        # Seconds pass within a bar, and to the only price of a bar.
        segments = 3 if step.prices_per_bar == 1 else int(step.price > 0)
        for symbol, displacement in self.displacement.items():
            size = abs(displacement)
            for _ in range(segments):
                size = size * self.world["feedback"]["decay_e9"] // E9
            self.displacement[symbol] = size if displacement > 0 else -size
        last, self.tape, self.rounds, self.capped = self.walked, step, 1, False
        mark, trade = self.prices(self.displacement)
        # The path starts a bar where it arrives: at its first price there is no segment.
        jump = step.price == 0
        start_mark, start_trade = (mark, trade) if jump or last is None else (last.mark, last.trade)
        age = age_on_segment(self.world)
        if jump:
            previous = last.mark if last else mark
        else:
            previous = {symbol: between(start_mark[symbol], mark[symbol], age) for symbol in mark}
        moved = {symbol: trade[symbol] - step.trade[symbol] for symbol in mark}
        moved_start = moved if jump else {symbol: start_trade[symbol] - step.start_trade[symbol] for symbol in mark}
        self.walked = replace(
            step, start_mark=start_mark, mark=mark, start_trade=start_trade, trade=trade, previous_mark=previous,
            moved=(moved_start, moved),
        )  # fmt: skip
        return self.walked

    def again(self, flow: Flow) -> Step | None:
        """Return the segment of the next round, if this step's forced orders move a mark and the cap allows it."""
        assert self.tape is not None
        assert self.walked is not None
        mark, trade = self.prices(self.after(flow, 0))
        if mark == self.walked.mark:
            return None
        if self.rounds == self.world["feedback"]["max_rounds"]:
            self.capped = True
            return None
        self.rounds += 1
        old, tape = self.walked, self.tape
        moved = [{symbol: each[symbol] - tape.trade[symbol] for symbol in mark} for each in (old.trade, trade)]
        self.walked = replace(
            old, start_mark=old.mark, mark=mark, start_trade=old.trade, trade=trade, moved=(moved[0], moved[1])
        )
        return self.walked

    def end(self, flow: Flow) -> None:
        """Displace by all that was traded in the step; what is not walked yet shows at the next price."""
        self.displacement = self.after(flow, 1)

    def after(self, flow: Flow, which: int) -> dict[str, int]:
        """Return the displacement as the step began, plus impact of a flow, less that of the baseline's."""
        assert self.tape is not None
        theirs = self.flows[self.tape.number][which]
        out = {}
        for symbol, displacement in self.displacement.items():
            if not flow.get(symbol) and not theirs.get(symbol):
                out[symbol] = displacement
                continue
            added = self.impact(self.world, symbol, flow) - self.impact(self.baseline, symbol, theirs)
            most = self.tape.mark[symbol] * E6
            out[symbol] = min(max(displacement + added, -most), most)
        return out

    def impact(self, world: dict[str, Any], symbol: str, flow: Flow) -> int:
        """Return the signed impact of a step's flow in 1e-6 mark quanta, by the formula of the world it happened in."""
        assert self.tape is not None
        lots = flow.get(symbol, 0)
        shift = impact_shift(world, self.tape.bar, symbol, self.tape.mark[symbol] * E6, abs(lots), lots < 0)
        return (shift or 0) if lots > 0 else -(shift or 0)

    def prices(self, displacement: dict[str, int]) -> tuple[Prices, Prices]:
        """Return the displaced marks and trade prices of the step."""
        assert self.tape is not None
        per_tick = {symbol: rules.get("mark_per_tick", 1) for symbol, rules in self.world["symbols"].items()}
        mark = {symbol: displaced(px, Fraction(displacement[symbol], E6)) for symbol, px in self.tape.mark.items()}
        trade = {
            symbol: displaced(px, Fraction(displacement[symbol], E6 * per_tick[symbol]))
            for symbol, px in self.tape.trade.items()
        }
        return mark, trade


def displaced(px: int, by: Fraction) -> int:
    """Return a price moved by the whole part of `by`, between a tenth (rounded up) and twice of itself.

    >>> displaced(100, Fraction(-5, 2)), displaced(95, Fraction(-94)), displaced(95, Fraction(200))
    (98, 10, 190)
    """
    return min(max(px + int(by), -(-px // 10)), 2 * px)


def path_of(world: dict[str, Any], run: Callable[[dict[str, Any]], Flows]) -> Tape:
    """Return the path of a world; on the feedback path its baseline is run first.

    Parameters
    ----------
    world : dict
        With `feedback`: `decay_e9` per piece of a bar, `max_rounds`, and `baseline`, the parts of the world (such as
        `liquidity`, `profile`, `accounts`) that were otherwise in the baseline.
    run : callable
        Runs a world and returns its flows.
    """
    if "feedback" not in world:
        return Tape()
    baseline = {name: part for name, part in {**world, **world["feedback"]["baseline"]}.items() if name != "feedback"}
    return Feedback(world, baseline, run(baseline).by_step)
