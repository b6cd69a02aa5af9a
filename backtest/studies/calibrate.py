"""Calibration: of draws from the priors those are accepted that come closest to the facts, with weights.

Rejection: the share of draws with the smallest distance is accepted, weighted by the kernel of Epanechnikov. Fitted are
numbers that hold for all coins and all events, ten at most; what is drawn by coin stays as it was. How far a fit can be
trusted, facts show that it has not seen: those of a coin or of an event that is left out.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from backtest.catalogue.facts import Comparison, Fact, ends, kind_of
from backtest.catalogue.priors import AcceptedDraw, Prior
from backtest.errors import DataError, UsageError
from backtest.mechanics.exact import Bools, Floats
from backtest.studies.scores import (
    CORE,
    FactScore,
    LowerBounds,
    TwoSided,
    Values,
    fact_scores,
    scores_of,
)

MOST = 10  # numbers that are fitted
CAP = 1.0  # of a fact's share in the distance: a factor of ten
LEAST = 8  # draws that are accepted, fewer give no band
SHARE = 0.2  # of the draws that is accepted
EDGE = 1e-3  # the draw at the edge of acceptance keeps a weight

Value = float | str


@dataclass(frozen=True, slots=True, kw_only=True)
class EventDraws:
    """The draws of an event: its facts, and by fact the figure of each draw; ``values`` what was drawn, by draw."""

    event: str
    venue: str
    facts: tuple[Fact, ...]
    compare: tuple[Comparison, ...]
    compared: Values
    values: tuple[Mapping[str, Value], ...]

    def errors(self) -> dict[Comparison, Floats]:
        """Return by fitted fact how far each draw is off: the absolute decimal logarithm of its ratio, capped.

        Fitted are users' liquidations and ADL by coin, what else was seen when the priors were written, and lower
        bounds, which count where a draw stays below.
        """
        by_id, out = {fact.id: fact for fact in self.facts}, {}
        for entry in self.compare:
            fact = by_id.get(entry.fact)
            if fact is None or entry.fact not in self.compared:
                continue
            kind = kind_of(fact, entry, self.venue)
            if kind == "lower" or (kind == "two_sided" and entry.use == "fitted"):
                published = ends(fact, entry)
                found = [_off(value, min(published), max(published), kind) for value in self.compared[entry.fact]]
                out[entry] = np.array(found)
        return out


def _off(value: float | None, low: float, high: float, kind: str) -> float:
    """Return how far a figure is off a range of one sign.

    Examples
    --------
    >>> _off(20.0, 2.0, 2.0, "two_sided"), _off(None, 2.0, 2.0, "two_sided"), _off(20.0, 2.0, 2.0, "lower")
    (1.0, 1.0, 0.0)
    """
    if value is None:
        return CAP
    nearest = min(max(value, low), math.inf if kind == "lower" else high)
    return min(abs(math.log10(value / nearest)), CAP) if value * nearest > 0 else CAP


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """How well a fit without a coin's or an event's facts meets just these; ``accepted`` draws made it."""

    name: str
    accepted: int
    two_sided: TwoSided
    lower_bounds: LowerBounds


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """Accepted draws: the distance of each draw, its weight (0: rejected), and the names that were fitted."""

    events: tuple[EventDraws, ...]
    distances: Floats
    weights: Floats
    names: tuple[str, ...]
    by_coin: tuple[LeftOut, ...]
    all_coins: TwoSided
    by_event: tuple[LeftOut, ...]

    @property
    def accepted(self) -> int:
        """Return the number of accepted draws."""
        return int(np.count_nonzero(self.weights))

    @property
    def draws(self) -> tuple[AcceptedDraw, ...]:
        """Return the accepted draws with the numbers that were fitted, the closest first."""
        rows = []
        for k in np.argsort(self.distances, kind="stable").tolist():
            if self.weights[k] > 0:
                own = {name: value for one in reversed(self.events) for name, value in one.values[k].items()}
                values = {name: own[name] for name in self.names}
                rows.append(AcceptedDraw(weight=round(float(self.weights[k]), 6), values=values))
        return tuple(rows)


def calibrate(
    events: Sequence[EventDraws], share: float = SHARE, tolerance: float | None = None, priors: Sequence[Prior] = ()
) -> Calibration:
    """Return the draws that come closest to the facts of all events, and the errors of fits that leave facts out.

    Parameters
    ----------
    events
        Their draws; draw k has the same numbers at every event.
    share
        Share of the draws that is accepted.
    tolerance
        Largest distance that is accepted, in place of a share.
    priors
        What was drawn; numbers by coin are not fitted.

    Raises
    ------
    DataError
        An event has no fact to fit, or nothing is accepted.
    UsageError
        The events differ in their draws.
    """
    sizes = {len(one.values) for one in events}
    if len(sizes) != 1:
        raise UsageError("the events differ in the number of their draws; give all the same --draws")
    errors = {one.event: one.errors() for one in events}
    for one in events:
        if not errors[one.event]:
            raise DataError(f"{one.event}: no fact to calibrate on; leave the event out")
        scores_of(fact_scores(one.facts, one.compare, one.compared, one.venue))  # refuses contradictory facts
    distances = _distance([found for each in errors.values() for found in each.values()])
    weights = weights_of(distances, share, tolerance)
    coins = list(dict.fromkeys(coin for each in errors.values() for coin in map(_coin, each) if coin))
    by_coin: list[LeftOut] = []
    rows: list[FactScore] = []
    for coin in coins if len(coins) > 1 else []:
        kept = [found for each in errors.values() for entry, found in each.items() if coin not in entry.coins]
        if kept:
            fit = weights_of(_distance(kept), share, tolerance)
            scored = [row for one in events for row in _core(one, fit, coin)]
            by_coin.append(_left_out(coin, fit, scored))
            rows += [row for row in scored if row.kind == "two_sided"]
    by_event = []
    for out in events if len(events) > 1 else []:
        kept = [found for name, each in errors.items() if name != out.event for found in each.values()]
        fit = weights_of(_distance(kept), share, tolerance)
        by_event.append(_left_out(out.event, fit, _scored(out, fit, tuple(errors[out.event]))))
    return Calibration(
        events=tuple(events),
        distances=distances,
        weights=weights,
        names=_fitted(events, distances, priors),
        by_coin=tuple(by_coin),
        all_coins=TwoSided.of(rows),
        by_event=tuple(by_event),
    )


def _coin(entry: Comparison) -> str:
    """Return the coin of a fact that is of one coin alone, else nothing."""
    return entry.coin if len(entry.coins) == 1 else ""


def _distance(errors: Sequence[Floats]) -> Floats:
    return np.mean(errors, axis=0, dtype=np.float64)  # type: ignore[no-any-return]


def weights_of(distances: Floats, share: float = SHARE, tolerance: float | None = None) -> Floats:
    """Return the weight of each draw, 0 where it is rejected; the largest is 1.

    Raises
    ------
    DataError
        Nothing is accepted.

    Examples
    --------
    >>> weights_of(np.array([0.1, 0.2, 0.9, 0.3]), tolerance=0.4).round(2).tolist()
    [1.0, 0.8, 0.0, 0.47]
    """
    order = np.sort(distances)
    if tolerance is None:
        count = min(max(round(share * len(distances)), LEAST), len(distances))
        edge = float(order[count]) if count < len(order) else float(order[-1])
        inside: Bools = distances <= order[count - 1]
    else:
        edge, inside = tolerance, distances <= tolerance
        if not inside.any():
            raise DataError(
                f"no draw within --tolerance {tolerance:g}; the closest is at {order[0]:.3f}: "
                "raise it, or draw more with --draws"
            )
    weights = np.where(inside, np.maximum(1 - (distances / (edge or 1.0)) ** 2, EDGE), 0.0)
    found: Floats = weights / weights.max()
    return found


def _scored(one: EventDraws, weights: Floats, compare: Sequence[Comparison]) -> list[FactScore]:
    """Return the scores of some facts over accepted draws."""
    return fact_scores(one.facts, compare, one.compared, one.venue, weights.tolist())


def _core(one: EventDraws, weights: Floats, coin: str) -> list[FactScore]:
    """Return the scores of the users' liquidations and the ADL of a coin, and of its lower bounds."""
    return _scored(one, weights, [entry for entry in one.errors() if _coin(entry) == coin and entry.metric in CORE])


def _left_out(name: str, weights: Floats, rows: Sequence[FactScore]) -> LeftOut:
    return LeftOut(
        name=name,
        accepted=int(np.count_nonzero(weights)),
        two_sided=TwoSided.of([row for row in rows if row.kind == "two_sided"]),
        lower_bounds=LowerBounds.of([row for row in rows if row.kind == "lower"]),
    )


def _fitted(events: Sequence[EventDraws], distances: Floats, priors: Sequence[Prior]) -> tuple[str, ...]:
    """Return the numbers that are fitted: drawn once for all coins, and where there are too many, those of most use.

    Of most use are those whose rank correlation with the distance is largest.
    """
    by_coin = {prior.id for prior in priors if prior.each_coin}
    names = list(dict.fromkeys(name for one in events for name in one.values[0]))
    names = [name for name in names if name.split(".", 1)[0] not in by_coin]
    if len(names) <= MOST:
        return tuple(names)
    use = {name: abs(_rank_correlation(_column(events, name), distances)) for name in names}
    most = sorted(names, key=lambda name: -use[name])[:MOST]
    return tuple(name for name in names if name in most)


def _column(events: Sequence[EventDraws], name: str) -> Floats:
    one = next(one for one in events if name in one.values[0])
    values = [row[name] for row in one.values]
    texts = sorted({value for value in values if isinstance(value, str)})
    return np.array([texts.index(value) if isinstance(value, str) else value for value in values], dtype=np.float64)


def _rank_correlation(one: Floats, other: Floats) -> float:
    ranks = [np.argsort(np.argsort(values, kind="stable"), kind="stable") for values in (one, other)]
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1]) if np.ptp(one) and np.ptp(other) else 0.0


def priors_toml(priors: Sequence[Prior], found: Calibration) -> str:
    """Return a file of priors with the accepted draws, to be read with ``--priors``."""
    names = ", ".join(one.event for one in found.events)
    near, far = np.min(found.distances), np.max(found.distances[found.weights > 0])
    of = f"{found.accepted} of {len(found.distances)} draws accepted, distance {near:.3f} to {far:.3f}"
    lines = [
        f"# Priors calibrated on {names}: {of}.",
        "# Names under [[accepted]] are drawn together from these rows, by weight; all others from their prior.",
    ]
    for prior in priors:
        lines += ["", "[[prior]]"]
        lines += [f"{key} = {_toml(value)}" for key, value in msgspec.to_builtins(prior).items() if value is not None]
    for draw in found.draws:
        lines += ["", "[[accepted]]", f"weight = {draw.weight!r}", f"values = {_toml(draw.values)}"]
    return "\n".join(lines) + "\n"


def _toml(value: Any) -> str:
    """Return a value as TOML has it.

    Examples
    --------
    >>> _toml([{"from": 0.0, "low": None}, "a"]), _toml(True)
    ('[{ "from" = 0.0 }, "a"]', 'true')
    """
    if isinstance(value, Mapping):
        parts = (f"{json.dumps(key)} = {_toml(part)}" for key, part in value.items() if part is not None)
        return "{ " + ", ".join(parts) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return repr(value) if isinstance(value, float) else json.dumps(value, ensure_ascii=False)
