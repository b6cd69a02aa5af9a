"""Find the fund or vault that prevents ADL, and its floor, trigger and stop, from Python."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from backtest.api.fields import FundFields
from backtest.catalogue.priors import read_priors
from backtest.scenario.reading import check_values
from backtest.studies.draws import BOOK_SIZE
from backtest.studies.fund_rows import curve, draw_rows, finite, rule_rows
from backtest.studies.fund_size import SHARE, FundRequest, FundSize, fund_size
from backtest.studies.paired import DRAWS
from backtest.studies.pool import CAUSES

if TYPE_CHECKING:
    import polars as pl

__all__ = ["FundAnswer", "fund"]


@dataclass(frozen=True, slots=True, eq=False)
class FundAnswer:
    """How large a fund or vault (``pool``) would have to be, in USD.

    ``needed_usd`` is the smallest size without ADL in the wanted share of the draws, ``sufficient_usd`` the one from
    which what remains is ADL that no size prevents; None if no size tried is. ``rules`` has a row for floor, trigger
    and stop: the field, its given value, the tightest value without ADL at the given size, the fields that replay it,
    and why there is none. ``curve`` has a row for each size, ``draws`` one for each draw, ``causes`` one for each cause
    of ADL; ``found`` is what they come from.
    """

    pool: str
    given_usd: float
    needed_usd: float | None
    sufficient_usd: float | None
    rules: pl.DataFrame
    curve: pl.DataFrame
    draws: pl.DataFrame
    causes: pl.DataFrame
    found: FundSize = field(repr=False)

    def report(self, path: Path | str | None = None) -> Path:
        """Write the page of the study and return its path, by default in the reports folder of the workspace."""
        from backtest.report.fund import write
        from backtest.report.index import beside

        return beside(write(self.found, None if path is None else Path(path)))

    def _repr_html_(self) -> str:
        from backtest.report.cell import alone
        from backtest.report.fund import curve_of

        return alone(lambda width: curve_of(self.found, width))


def fund(
    event: str = "2025-10-10",
    *,
    no_adl: float = SHARE,
    shock: bool = False,
    draws: int = DRAWS,
    draw_positions: int = BOOK_SIZE,
    positions: pl.DataFrame | int | None = None,
    priors: Path | str | None = None,
    workers: int | None = None,
    **fields: Unpack[FundFields],
) -> FundAnswer:
    """Find the smallest fund or vault of a crash without ADL in a share of the draws, and floor, trigger and stop.

    Parameters
    ----------
    event
        Id, date or alias of the catalogue.
    no_adl
        Share of the draws that shall have no ADL, between 0 and 1.
    shock
        Whether to find the factor on the fall that exhausts the given size, too: the column ``shock`` of ``draws``.
    draws
        How often to draw what is not known, the same at every size; 0: the scenario as it is, once.
    draw_positions
        Size of the book of a draw.
    positions
        A book as a polars frame, or the size of the synthetic one where there are no draws.
    priors
        A file of priors other than those of ``data/priors.toml``.
    workers
        Processes; None: one a processor.
    **fields
        Scenario fields, see ``crashbook params``; the field ``shock`` is that of the path, set it in a scenario file.

    Raises
    ------
    UsageError
        The share is out of range, or the venue has no ADL, no fund and no vault.

    Examples
    --------
    >>> found = fund("2025-10-10", venue="okx", coins=("BTC",), step_s=60.0, positions=100, draws=0)
    >>> found.pool, found.given_usd
    ('fund', 100000000.0)
    >>> found.needed_usd < found.given_usd
    True
    """
    import polars as pl

    values = {key: value for key, value in fields.items() if value is not None}
    if isinstance(positions, int):
        values["positions"], positions = positions, None
    given = check_values(values, "fund()")
    found = fund_size(
        FundRequest(
            event=event,
            given=given,
            priors=read_priors(None if priors is None else Path(priors)),
            no_adl=no_adl,
            draws=draws,
            book_size=draw_positions,
            shock=shock,
            workers=workers,
            positions=positions,
        )
    )
    at_given, at_largest = found.causes(), found.causes(-1)
    causes = [
        {
            "cause": name,
            "meaning": CAUSES[name].text,
            "given_usd": at_given.get(name, 0.0),
            "largest_usd": at_largest.get(name, 0.0),
            "preventable": CAUSES[name].of_size,
        }
        for name in CAUSES
        if name in at_given or name in at_largest
    ]
    kinds = {"cause": pl.String, "meaning": pl.String, "given_usd": pl.Float64, "largest_usd": pl.Float64,
             "preventable": pl.Boolean}  # fmt: skip
    return FundAnswer(
        pool=found.pool.owner,
        given_usd=found.pool.size_usd,
        needed_usd=finite(found.needed_usd),
        sufficient_usd=finite(found.sufficient_usd),
        rules=_rules(found),
        curve=pl.DataFrame(curve(found)),
        draws=pl.DataFrame(draw_rows(found)),
        causes=pl.DataFrame(causes, schema=kinds),
        found=found,
    )


def _rules(found: FundSize) -> pl.DataFrame:
    """Return floor, trigger and stop as a frame; given values by coin and the fields to set are texts."""
    import polars as pl

    rows = [
        {**row, "given": None if row["given"] is None else json.dumps(row["given"]), "set": " ".join(row["set"])}
        for row in rule_rows(found)
    ]
    kinds = {"rule": pl.String, "field": pl.String, "given": pl.String, "value": pl.Float64, "set": pl.String,
             "remain": pl.Int64, "why": pl.String}  # fmt: skip
    return pl.DataFrame([{name: row[name] for name in kinds} for row in rows], schema=kinds)
