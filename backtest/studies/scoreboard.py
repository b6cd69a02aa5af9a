"""The scoreboard: draws of an event's run against its published facts, with rows and scores as JSON takes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from backtest.errors import UsageError
from backtest.run.run import StoredRun
from backtest.studies.scores import FactScore, Scores, fact_scores, row_of, scores_of

OF_FEEDBACK = ("branching_ratio_x",)  # metrics of prices that forced sales move
PUBLISHED = ("two_sided_core", "two_sided", "lower_bounds", "held_out")  # scores of the JSON answer


@dataclass(frozen=True, slots=True)
class Verified:
    """An event with its facts and scores; without them ``reason`` says why.

    ``not_modelled`` are sentences on published facts that no run of this scenario has a figure of.
    """

    event: str
    rows: tuple[FactScore, ...] = ()
    scores: Scores | None = None
    draws: int = 0
    run_id: str = ""
    venue: str = ""
    reason: str = ""
    not_modelled: tuple[str, ...] = ()


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
    return Verified(
        event=meta.event.id,
        rows=tuple(rows),
        scores=scores_of(rows),
        draws=len(draws),
        run_id=run.run_id,
        venue=meta.venue.id,
        not_modelled=_not_modelled(run),
    )


def _not_modelled(run: StoredRun) -> tuple[str, ...]:
    """Return a sentence on the facts of displaced prices where the draws displaced none."""
    draws, meta = run.studies.draws, run.meta
    assert draws is not None
    facts = [row.fact for row in meta.event.compare if row.metric in OF_FEEDBACK and row.fact not in draws.compared]
    if not facts:
        return ()
    why = (
        "on the tape a forced sale moves no price (--set path=feedback lets it)"
        if meta.scenario.path == "tape"
        else "no draw displaced a price"
    )
    return (f"{', '.join(facts)}: {why}",)


def plain(one: Verified) -> dict[str, Any]:
    """Return an event's facts and scores as JSON takes them."""
    if one.scores is None:
        return {"event": one.event, "facts": [], "scores": None, "reason": one.reason}
    scores = {name: asdict(getattr(one.scores, name)) for name in PUBLISHED}
    return {"event": one.event, "facts": [row_of(row) for row in one.rows], "scores": scores}
