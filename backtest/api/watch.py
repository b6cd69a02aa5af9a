"""Watch positions of mine in the crowd, from Python."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Unpack

from backtest.api.fields import ScenarioFields
from backtest.catalogue.priors import read_priors
from backtest.run.resolve import resolve
from backtest.scenario.position_text import read_position
from backtest.scenario.reading import check_values
from backtest.studies.draws import BOOK_SIZE
from backtest.studies.watch import DRAWS, Watched, WatchRequest
from backtest.studies.watch import watch as watched

__all__ = ["Watched", "watch"]


def watch(
    event: str,
    positions: str | Sequence[str] = (),
    *,
    file: Path | str | None = None,
    hedged: bool = False,
    draws: int = DRAWS,
    leverages: Sequence[float] | None = None,
    apart: bool = False,
    draw_positions: int = BOOK_SIZE,
    priors: Path | str | None = None,
    workers: int | None = None,
    **fields: Unpack[ScenarioFields],
) -> Watched:
    """Watch positions of mine in the crowd of a crash, over draws and over leverage.

    ``summary`` of the answer is a polars frame with a row for each position and leverage, ``by_draw`` has a row for
    each draw of these, ``waves`` a row for each wave of each draw.

    Parameters
    ----------
    event
        Id, date or alias of the catalogue.
    positions
        One position or several, such as ``short 20000 SOL @ 221.5, 12x``.
    file
        My positions as CSV or Parquet, in the columns of a book.
    hedged
        Whether the other leg of each is elsewhere and stays.
    draws
        How often to draw what is not known.
    leverages
        Those of the table, times; None: those of a dozen from 1 to 50 that the coin allows.
    apart
        Run each leverage apart and in full, instead of small copies together.
    draw_positions
        Size of the crowd of a draw.
    priors
        A file of priors other than those of ``data/priors.toml``.
    workers
        Processes; None: one a processor.
    **fields
        Scenario fields, see ``crashbook params``.

    Raises
    ------
    UnknownNameError
        For an unknown event, venue or coin.
    ConfigError
        For a position that cannot be read, held, or is too large; for an unknown field or a value out of range.
    UsageError
        For fewer than two draws, or wrong leverages.

    Examples
    --------
    >>> small = {"coins": ("BTC",), "step_s": 60.0, "draw_positions": 100, "draws": 2, "workers": 1}
    >>> found = watch("2025-10-10", "short 10 BTC @ 121000, 12x", leverages=(3.0,), **small)
    >>> found.summary.select("leverage", "draws", "liquidated_draws", "adl_draws").rows()
    [(12.0, 2, 0, 2), (3.0, 2, 0, 1)]
    """
    texts = (positions,) if isinstance(positions, str) else tuple(positions)
    values = check_values({key: value for key, value in fields.items() if value is not None}, "watch()")
    request = WatchRequest(
        positions=tuple(read_position(text, hedged=hedged) for text in texts),
        priors=read_priors(None if priors is None else Path(priors)),
        file=None if file is None else Path(file),
        hedged=hedged,
        size=draws,
        leverages=None if leverages is None else tuple(leverages),
        apart=apart,
        book_size=draw_positions,
        workers=workers,
    )
    return watched(resolve(event, values), values, request)
