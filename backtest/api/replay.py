"""Replay a crash from Python."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from backtest.api.fields import ScenarioFields
from backtest.api.run import Run
from backtest.catalogue.events import window_of_date
from backtest.catalogue.priors import read_priors
from backtest.errors import UsageError
from backtest.run.execute import execute
from backtest.run.prepare import prepare
from backtest.run.resolve import resolve
from backtest.scenario.amounts import plain_number
from backtest.scenario.reading import check_values
from backtest.studies.draws import BOOK_SIZE, DrawRequest, check_size, started
from backtest.studies.study import STUDIES, StudyRequest

if TYPE_CHECKING:
    import polars as pl


def replay(
    event: str = "2025-10-10",
    *,
    positions: pl.DataFrame | Path | str | int | None = None,
    seeds: int = 0,
    grid: bool = False,
    draws: int = 0,
    draw_positions: int = BOOK_SIZE,
    priors: Path | str | None = None,
    fresh: bool = False,
    **fields: Unpack[ScenarioFields],
) -> Run:
    """Replay a crash and return the run.

    Parameters
    ----------
    event
        Id, date or alias of the catalogue; a date runs the window that holds it.
    positions
        A book as a polars frame with the columns of an imported file, the path of such a file, or the size of the
        synthetic one.
    seeds
        Runs with the seeds from the scenario's own upwards, for bands over seeds; 0: those that are stored stay.
    grid
        Whether to run the event's sensitivity grid: ``run.studies.grid`` has its rows.
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
        For one draw or seed, which has no band, or a study of a book given as a frame.

    Examples
    --------
    >>> run = replay("2025-10-10", coins=("BTC",), step_s=60.0, positions=100, vault_capital_usd="5M")
    >>> run.queries.price_moves().select("symbol", "first_px", "low_px").rows()
    [('BTC/USDC:USDC', 116820.3, 101516.5)]
    >>> sum(run.liquidations["closed_usd"]) == run.summary()["liquidated_usd"]
    True

    With ``draws=16`` it has bands, in ``run.queries.draw_spread()``.
    """
    given: dict[str, Any] = {key: value for key, value in fields.items() if value is not None}
    book: pl.DataFrame | None = None
    if isinstance(positions, str | Path | int):
        size = positions if isinstance(positions, int) else plain_number(str(positions))
        given |= {"positions_file": str(positions)} if size is None else {"positions": size}
    else:
        book = positions
    values = {**window_of_date(event), **check_values(given, "replay()")}
    check_size(draws)
    if seeds == 1:
        raise UsageError("replay(): seeds = 1 has no band; give 2 or more, or 0 for none")
    request = DrawRequest(
        size=draws,
        priors=read_priors(None if priors is None else Path(priors)),
        book_size=draw_positions,
        positions=book,
        fresh=fresh,
    )
    resolved = resolve(event, values)
    wanted = {"seeds": seeds} if seeds else {}
    wanted |= {"grid": 1} if grid else {}
    for name in wanted:
        STUDIES[name].runner().check(resolved)
    if wanted and book is not None:
        raise UsageError("replay(): seeds and grid run a book anew; give it as a file, not as a frame")
    prepared = prepare(resolved, book)
    if draws:
        with started(prepared, values, request) as job:
            run = job.store(execute(prepared, fresh=fresh))
    else:
        run = execute(prepared, fresh=fresh)
    for name, size in wanted.items():
        study = StudyRequest(resolved=resolved, overrides=values, market=prepared.market, first=run, size=size)
        run = STUDIES[name].runner().run(study)
    return Run.of(run)
