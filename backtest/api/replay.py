"""Replay a crash from Python."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from backtest.api.run import Run
from backtest.run.execute import execute
from backtest.run.prepare import prepare
from backtest.run.resolve import resolve
from backtest.scenario.reading import check_values

if TYPE_CHECKING:
    import polars as pl


def replay(
    event: str = "2025-10-10", *, positions: pl.DataFrame | int | None = None, fresh: bool = False, **fields: Any
) -> Run:
    """Replay a crash and return the run.

    Parameters
    ----------
    event
        Id, date or alias of the catalogue.
    positions
        A book as a polars frame with the columns of an imported file, or the size of the synthetic one.
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
    """
    if isinstance(positions, int):
        fields["positions"], positions = positions, None
    values = check_values({key: value for key, value in fields.items() if value is not None}, "replay()")
    return Run.of(execute(prepare(resolve(event, values), positions), fresh=fresh))
