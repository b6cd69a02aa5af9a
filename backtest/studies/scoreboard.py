"""The scoreboard: draws of an event's run against its published facts, with rows and scores as JSON takes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from backtest.errors import UsageError
from backtest.run.run import StoredRun
from backtest.studies.scores import FactScore, Scores, fact_scores, row_of, scores_of

PUBLISHED = ("two_sided_core", "two_sided", "lower_bounds", "held_out")  # scores of the JSON answer


@dataclass(frozen=True, slots=True)
class Verified:
    """An event with its facts and scores; without them ``reason`` says why."""

    event: str
    rows: tuple[FactScore, ...] = ()
    scores: Scores | None = None
    draws: int = 0
    run_id: str = ""
    venue: str = ""
    reason: str = ""


def verified(run: StoredRun, weights: Sequence[float] | None = None) -> Verified:
    """Return the scores of a run by the draws stored beside it.

    Raises
    ------
    UsageError
        There are no draws.
    """
    draws, meta = run.studies.draws, run.meta
    if draws is None:
        raise UsageError(f"run {run.run_id} has no draws; make some with crashbook verify {meta.event.id}")
    rows = fact_scores(meta.event.facts, meta.event.compare, draws.compared, meta.venue.id, weights)
    return Verified(meta.event.id, tuple(rows), scores_of(rows), len(draws), run.run_id, meta.venue.id)


def plain(one: Verified) -> dict[str, Any]:
    """Return an event's facts and scores as JSON takes them."""
    if one.scores is None:
        return {"event": one.event, "facts": [], "scores": None, "reason": one.reason}
    scores = {name: asdict(getattr(one.scores, name)) for name in PUBLISHED}
    return {"event": one.event, "facts": [row_of(row) for row in one.rows], "scores": scores}
