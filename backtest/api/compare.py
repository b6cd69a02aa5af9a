"""Compare alternatives of a crash draw by draw, from Python."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from backtest.api.fields import ComparedFields
from backtest.catalogue.priors import read_priors
from backtest.errors import UsageError
from backtest.scenario.reading import check_values
from backtest.studies.alternatives import Alternative, named, policies, venues
from backtest.studies.compared import COLUMNS, Compared, compared
from backtest.studies.draws import BOOK_SIZE
from backtest.studies.paired import DRAWS, Paired, PairedRequest
from backtest.studies.paired import compare as run_pairs

if TYPE_CHECKING:
    import polars as pl

__all__ = ["Comparison", "compare"]


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """Alternatives compared draw by draw; the first of ``alternatives`` is the base.

    ``rows`` has a row for each metric, class of accounts and alternative: the spread over draws, the difference from
    the base within each draw and the share of draws in which it is lower and higher. ``draws`` has a row for each
    alternative and draw with all metrics, null where one has no value. Both come from ``answer`` and ``paired``.
    """

    alternatives: tuple[str, ...]
    rows: pl.DataFrame
    draws: pl.DataFrame
    answer: Compared = field(repr=False)
    paired: Paired = field(repr=False)

    def report(self, path: Path | str | None = None) -> Path:
        """Write the page of the comparison and return its path, by default in the reports folder of the workspace."""
        from backtest.report.compare import Page
        from backtest.report.index import beside

        return beside(Page.of_draws(self.answer, self.paired).write(None if path is None else Path(path)))

    def _repr_html_(self) -> str:
        from backtest.report.cell import alone
        from backtest.report.compare import differences

        draw = differences(self.answer)
        return alone(draw) if draw else "<p>no alternative differs from the base in any draw</p>"

    def figure(self, metric: str) -> pl.DataFrame:
        """Return the rows of a metric over all accounts, one for each alternative."""
        return self.rows.filter(metric=metric, kind="")


def compare(
    event: str = "2025-10-10",
    *,
    policy: Sequence[str] = (),
    venue: Sequence[str] = (),
    alternatives: Mapping[str, Mapping[str, Any]] | None = None,
    draws: int = DRAWS,
    draw_positions: int = BOOK_SIZE,
    positions: pl.DataFrame | int | None = None,
    priors: Path | str | None = None,
    workers: int | None = None,
    **fields: Unpack[ComparedFields],
) -> Comparison:
    """Compare policies, venues or settings of a crash on the same draws.

    Parameters
    ----------
    event
        Id, date or alias of the catalogue.
    policy
        Names of ADL policies: allocations, or rankings whose queue is closed from its front.
    venue
        Venues whose rules and pools run on the book of the first.
    alternatives
        Fields by the name of each alternative; the first is the base.
    draws
        How often to draw what is not known, the same under all; 0: the scenario as it is, once.
    draw_positions
        Size of the book of a draw.
    positions
        A book as a polars frame, or the size of the synthetic one where there are no draws.
    priors
        A file of priors other than those of ``data/priors.toml``.
    workers
        Processes; None: one a processor.
    **fields
        Scenario fields of all alternatives, see ``crashbook params``.

    Raises
    ------
    UsageError
        Not exactly one of ``policy``, ``venue`` and ``alternatives`` is given, or one draw, which has no band.
    UnknownNameError
        For an unknown event, policy, venue or coin.
    CrashbookError
        An alternative cannot run; the message names it.

    Examples
    --------
    >>> small = {"coins": ("BTC",), "step_s": 60.0, "positions": 100, "draws": 0}
    >>> found = compare("2025-10-10", policy=["queue", "pro_rata"], **small)
    >>> found.alternatives, found.figure("out_of_turn_usd")["median"].to_list()[0]
    (('queue', 'pro_rata'), 0.0)
    """
    values = {key: value for key, value in fields.items() if value is not None}
    if isinstance(positions, int):
        values["positions"], positions = positions, None
    given = check_values(values, "compare()")
    request = PairedRequest(
        event=event,
        given=given,
        alternatives=_alternatives(policy, venue, alternatives, given),
        priors=read_priors(None if priors is None else Path(priors)),
        draws=draws,
        book_size=draw_positions,
        workers=workers,
        positions=positions,
    )
    return _answer(run_pairs(request))


def _alternatives(
    policy: Sequence[str],
    venue: Sequence[str],
    alternatives: Mapping[str, Mapping[str, Any]] | None,
    given: Mapping[str, Any],
) -> tuple[Alternative, ...]:
    if sum(map(bool, (policy, venue, alternatives))) != 1:
        raise UsageError("compare(): give one of policy, venue and alternatives")
    if policy:
        return policies(policy)
    return venues(venue, given) if venue else named(alternatives or {})


def _answer(paired: Paired) -> Comparison:
    import polars as pl

    answer = compared(paired)
    rows = pl.DataFrame([row.plain() for row in answer.rows], infer_schema_length=None).select(COLUMNS)
    draws = [
        {"alternative": name, "draw": at + 1, "seed": seed}
        | {metric: values[k, at].item() for metric, values in paired.metrics.items()}
        for k, name in enumerate(paired.alternatives)
        for at, seed in enumerate(paired.seeds)
    ]
    return Comparison(paired.alternatives, rows, pl.DataFrame(draws).fill_nan(None), answer, paired)
