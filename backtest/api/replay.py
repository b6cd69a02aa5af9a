"""Replay a crash from Python."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from backtest.api.run import Run
from backtest.catalogue.priors import read_priors
from backtest.run.execute import execute
from backtest.run.prepare import prepare
from backtest.run.resolve import resolve
from backtest.scenario.reading import check_values
from backtest.studies.draws import BOOK_SIZE, DrawRequest, check_size, started

if TYPE_CHECKING:
    import polars as pl


def replay(
    event: str = "2025-10-10",
    *,
    positions: pl.DataFrame | int | None = None,
    draws: int = 0,
    draw_positions: int = BOOK_SIZE,
    priors: Path | str | None = None,
    fresh: bool = False,
    **fields: Any,
) -> Run:
    """Replay a crash and return the run.

    Parameters
    ----------
    event
        Id, date or alias of the catalogue.
    positions
        A book as a polars frame with the columns of an imported file, or the size of the synthetic one.
    draws
        How often to draw what is not known, for bands: ``run.draws`` has a row for each; 0: draws that are stored stay.
    draw_positions
        Size of the book of a draw.
    priors
        A file of priors other than those of ``data/priors.toml``.
    fresh
        Simulate even if an identical run is on disk.
    **fields
        Scenario fields, see ``crashbook params``.

    Raises
    ------
    UnknownNameError
        For an unknown event, venue or coin.
    ConfigError
        For an unknown field, or a value out of range.
    UsageError
        For one draw, which has no band.
    """
    if isinstance(positions, int):
        fields["positions"], positions = positions, None
    values = check_values({key: value for key, value in fields.items() if value is not None}, "replay()")
    check_size(draws)
    request = DrawRequest(
        size=draws,
        priors=read_priors(None if priors is None else Path(priors)),
        book_size=draw_positions,
        positions=positions,
        fresh=fresh,
    )
    prepared = prepare(resolve(event, values), positions)
    if not draws:
        return Run.of(execute(prepared, fresh=fresh))
    with started(prepared, values, request) as job:
        return Run.of(job.store(execute(prepared, fresh=fresh)))
