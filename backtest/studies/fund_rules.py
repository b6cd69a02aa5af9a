"""Floor, trigger and stop of a fund: of each the tightest value without ADL at the given size, or why none has it.

A rule is varied in whole steps, from where it protects the fund most to where it leaves it most room; the others stay.
Where the laxest value still has ADL, no value prevents it, and the causes of that ADL say why. Otherwise the tightest
is read off a run that nothing bound, and proven: its value ran without ADL, and the next tighter one had some.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from backtest.engine.records import FUND
from backtest.mechanics.exact import QUANTA_PER_USD
from backtest.run.prepare import Prepared, ruled
from backtest.run.tables.shared import Shared
from backtest.scenario.fields import Scenario
from backtest.studies.fund_runs import Course, course
from backtest.studies.fund_search import falls, profits
from backtest.studies.pool import CAUSES, Pool, adl_by_cause

FLOOR, TRIGGER, STOP, OWN_STOP = (
    "fund_floor_usd", "drawdown_trigger_frac", "drawdown_stop_frac", "inventory_stop_usd",
)  # fmt: skip
RULES = {"floor": (FLOOR,), "trigger": (TRIGGER,), "stop": (STOP, OWN_STOP)}  # fields by the name of the rule
FRAC_STEP = 0.005  # of a trigger and its stop
USD_STEP = 0.01  # of a floor and a fund's own stop, as a share of the smallest fund, rounded down to 1, 2 or 5


@dataclass(frozen=True, slots=True, kw_only=True)
class FundRule:
    """A rule of the fund to vary: the field, its given value, and its values, ``step`` times a whole number.

    A larger number leaves the fund more room: ``step`` is below zero where a lower value does. ``without``: why there
    is nothing to vary, else empty.
    """

    name: str
    field: str = ""
    given: Any = None
    step: float = 1.0
    tightest: int = 0
    laxest: int = 0
    without: str = ""

    def value(self, number: float) -> float:
        """Return the value of a whole number.

        Examples
        --------
        >>> FundRule(name="floor", step=-2e6).value(3), FundRule(name="trigger", step=0.005).value(61)
        (-6000000.0, 0.305)
        """
        return round(number * self.step, 6) + 0.0

    def is_laxer(self, number: int) -> bool:
        """Return whether a value leaves at least as much room as the given one."""
        same = isinstance(self.given, int | float)
        return same and (self.value(number) - self.given) * math.copysign(1, self.step) >= 0

    def changes(self, scenario: Scenario, number: int) -> dict[str, Any]:
        """Return the fields of a scenario that give the rule a value: a stop is never above its trigger."""
        value = self.value(number)
        if self.field != TRIGGER:
            return {self.field: value}
        stop = scenario.drawdown_stop_frac
        highest = max(stop.values()) if isinstance(stop, Mapping) else stop
        return {TRIGGER: value, **({STOP: value} if highest > value else {})}


@dataclass(frozen=True, slots=True)
class RuleDraw:
    """What a draw found of a rule: the tightest number without ADL (infinite: none), ADL in USD at the laxest."""

    tightest: float
    causes: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleAnswer:
    """The value that has no ADL in the wanted share of the draws, None where none has.

    ``remain`` counts the draws with ADL at the laxest value, ``causes`` is that ADL in USD; ``changes`` are the fields
    that replay the value.
    """

    rule: FundRule
    value: float | None
    changes: Mapping[str, Any]
    remain: int
    causes: Mapping[str, float]


def fund_rules(prepared: Prepared, pool: Pool, interest_usd: float) -> tuple[FundRule, ...]:
    """Return floor, trigger and stop of a prepared replay, each with its range or the reason why it has none."""
    rules, scenario = prepared.world.rules, prepared.resolved.scenario
    if pool.owner == "vault":
        where = "the margin that it keeps" if rules.vault and rules.vault.keeps_margin else "zero"
        why = f"a vault has none: below {where} all of its inventory goes to ADL"
        return tuple(FundRule(name=name, without=why) for name in RULES)
    starts = [each.start / QUANTA_PER_USD for each in rules.pools] or [pool.size_usd]
    step = _round_step(USD_STEP * min(each for each in starts if each > 0))
    least, most = -int(max(starts) // step), math.ceil(interest_usd / step)
    in_usd = FundRule(name="floor", field=FLOOR, given=scenario.fund_floor_usd, step=-step, tightest=least, laxest=most)
    found = []
    if rules.fund_takes_over or rules.liquidation_rule == "fillable_price":
        found.append(in_usd)
    else:
        found.append(FundRule(name="floor", without="the fund takes no position over, whatever its floor"))
    if rules.drawdown is None:
        why = "no fall of the fund switches ADL on (drawdown_trigger = none)"
        found.append(FundRule(name="trigger", without=why))
    else:
        whole = round(1 / FRAC_STEP)
        given = scenario.drawdown_trigger_frac
        found.append(FundRule(name="trigger", field=TRIGGER, given=given, step=FRAC_STEP, laxest=whole))
    if rules.drawdown is not None:
        given, top = scenario.drawdown_stop_frac, math.floor(float(min(rules.drawdown.trigger)) / FRAC_STEP + 1e-9)
        found.append(FundRule(name="stop", field=STOP, given=given, step=FRAC_STEP, laxest=top))
    elif rules.inventory_adl == "below_floor":
        found.append(replace(in_usd, name="stop", field=OWN_STOP, given=scenario.inventory_stop_usd))
    else:
        why = "the fund's inventory never enters the queue (inventory_adl = none)"
        found.append(FundRule(name="stop", without=why))
    return tuple(found)


def _round_step(usd: float) -> float:
    """Return the largest 1, 2 or 5 times a power of ten that an amount reaches.

    Examples
    --------
    >>> _round_step(1_000_000), _round_step(4_999_999), _round_step(12.3)
    (1000000.0, 2000000.0, 10.0)
    """
    power = 10.0 ** math.floor(math.log10(usd) + 1e-9)
    return max(each * power for each in (1.0, 2.0, 5.0) if each * power <= usd * (1 + 1e-9))


def tightest(rule: FundRule, prepared: Prepared, given: Course) -> RuleDraw:
    """Return the tightest value of a rule without ADL in a draw, or its ADL at the laxest.

    Parameters
    ----------
    prepared
        The draw with the given rules.
    given
        Its run.
    """
    if rule.without:
        return RuleDraw(math.inf)
    scenario = prepared.resolved.scenario
    courses: dict[int, Course] = {}

    def at(number: int, *, whole: bool = False) -> Course:
        changed = ruled(prepared, scenario.with_(**rule.changes(scenario, number)))
        tighter = [each for each in courses if each <= number and courses[each].before is not None]
        before = courses[max(tighter)].before if tighter else given.before if rule.is_laxer(number) else None
        courses[number] = course(changed, before, until=None if whole else lambda _: True)
        return courses[number]

    free = given.free and (rule.is_laxer(rule.laxest) or not given.adl)
    laxest = given if free else at(rule.laxest, whole=True)
    assert laxest.s is not None
    if laxest.adl:
        return RuleDraw(math.inf, adl_by_cause(laxest.s))
    first = math.ceil(reached(rule, laxest.s) / rule.step)
    return RuleDraw(float(first_without(first, rule.tightest, rule.laxest, lambda number: not at(number).adl)))


def reached(rule: FundRule, s: Shared) -> float:
    """Return how far a run that its fund did not bind came towards a rule: lowest equity, deepest fall; by its steps.

    A stop of a trigger that was not reached is reached nowhere: 0.
    """
    if rule.field == STOP:
        return 0.0
    lowest, deepest = math.inf, 0.0
    starts = [each.start for each in s.world.rules.pools] or [s.world.rules.fund_start]
    for number, start in enumerate(starts):
        profit = profits(s, FUND, number)
        lowest = min(lowest, start + min(float(profit.sum(axis=0).min()), 0.0))
        if start > 0 and (trigger := s.world.rules.drawdown):
            peak, fall = falls(profit, trigger.kind)
            deepest = max(deepest, float((fall / (start + peak)).max()))
    return deepest if rule.field == TRIGGER else lowest / QUANTA_PER_USD


def first_without(first: int, tightest: int, laxest: int, ok: Callable[[int], bool]) -> int:
    """Return a number that is ok whose predecessor is not, or ``tightest`` if that is ok.

    Parameters
    ----------
    first
        Where to begin.
    tightest, laxest
        The ends of the range; ``laxest`` is known to be ok.

    Examples
    --------
    Begun at the truth it takes two tries.

    >>> asked = []
    >>> def ok(number):
    ...     asked.append(number)
    ...     return number >= 61
    >>> first_without(61, 0, 200, ok), asked
    (61, [61, 60])
    >>> first_without(40, 0, 200, ok), first_without(190, 0, 200, ok), first_without(70, 65, 200, ok)
    (61, 61, 65)
    """
    high, stride = min(max(first, tightest), laxest), 1
    if high < laxest and not ok(high):
        low = high
        while (high := min(low + stride, laxest)) < laxest and not ok(high):
            low, stride = high, 2 * stride
    else:
        while high > tightest and ok(low := max(high - stride, tightest)):
            high, stride = low, 2 * stride
        if high == tightest:
            return high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if ok(middle) else (middle, high)
    return high


def answers(
    rules: Sequence[FundRule],
    draws: Sequence[Sequence[RuleDraw]],
    scenario: Scenario,
    wanted: Callable[[list[float]], float],
) -> list[RuleAnswer]:
    """Return of each rule the value for all draws; ``wanted`` chooses among those of the draws."""
    out = []
    for k, rule in enumerate(rules):
        found = [draw[k] for draw in draws]
        number = wanted([each.tightest for each in found])
        known = not rule.without and math.isfinite(number)
        causes = {cause: sum(each.causes.get(cause, 0.0) for each in found) for cause in CAUSES}
        out.append(
            RuleAnswer(
                rule=rule,
                value=rule.value(number) if known else None,
                changes=rule.changes(scenario, int(number)) if known else {},
                remain=sum(bool(each.causes) for each in found),
                causes={cause: usd for cause, usd in causes.items() if usd},
            )
        )
    return out
