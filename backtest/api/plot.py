"""The figures of the report, each by its name: shown by a notebook, written as SVG."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from markupsafe import Markup

    from backtest.report.findings import Findings
    from backtest.run.run import StoredRun

_DRAWING = re.compile(r'<div class="drawing(?: wide)?">(<svg.*?</svg>)', re.DOTALL)
_ROLE = re.compile(r"var\(--([a-z-]+)\)")


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure as SVG, one text for each of its drawings; empty where the run has nothing to draw."""

    name: str
    drawings: tuple[str, ...]

    def save(self, path: Path | str) -> Path:
        """Write the first drawing as an SVG file, whole or not at all.

        Raises
        ------
        UsageError
            The run has nothing to draw.
        """
        from backtest.durable import write_file
        from backtest.errors import UsageError

        if not self.drawings:
            raise UsageError(f"{self.name}: the run has nothing to draw")
        write_file(Path(path), self.drawings[0].encode())
        return Path(path)

    def __repr__(self) -> str:
        return f"<figure {self.name}: {len(self.drawings)} drawings; a notebook shows it, save() writes SVG>"

    def _repr_html_(self) -> str:
        if not self.drawings:
            return f"<p>{self.name}: nothing to draw in this run</p>"
        shown = "".join(f'<div style="max-width:960px">{drawing}</div>' for drawing in self.drawings)
        return f'<div style="background:#ffffff">{shown}</div>'


class Plots:
    """The figures of a run's report, on the queries that the report shows.

    Examples
    --------
    ``run.plot.price()`` in a notebook shows prices and liquidations; ``run.plot.price().save("price.svg")`` writes it.
    """

    def __init__(self, run: StoredRun) -> None:
        self._run = run

    def price(self) -> Figure:
        """Return traded and mark prices of every coin with its liquidations."""
        from backtest.report.sections import price

        return self._drawn("price", price.figure)

    def liquidations(self) -> Figure:
        """Return liquidations of longs and shorts over time, and their sum."""
        from backtest.report.sections import liquidated

        return self._drawn("liquidations", liquidated.figure)

    def liquidation_map(self) -> Figure:
        """Return the notional of the book by liquidation price, and how far the marks went."""
        from backtest.report.sections import book_map

        return self._drawn("liquidation_map", book_map.figure)

    def pressure(self) -> Figure:
        """Return what was ordered over what the market could take, minute by minute."""
        from backtest.report.sections import cascade

        return self._drawn("pressure", cascade.pressure_figure)

    def potential(self) -> Figure:
        """Return how far liquidations fed on themselves, minute by minute."""
        from backtest.report.sections import cascade

        return self._drawn("potential", cascade.potential_figure)

    def pools(self) -> Figure:
        """Return the equity of funds and vaults over time, a drawing each."""
        from backtest.report.sections import paid

        return self._drawn("pools", paid.balance_figures)

    def queue(self) -> Figure:
        """Return the haircut of the winners by rank, and how unevenly ADL fell."""
        from backtest.report.sections import queue

        return self._drawn("queue", queue.haircut_and_lorenz)

    def positions(self) -> Figure:
        """Return the place in the queue of each watched position, a drawing each."""
        from backtest.report.sections import mine

        return self._drawn("positions", mine.figures)

    def adl_by_capital(self) -> Figure:
        """Return how ADL follows the capital of a vault over draws."""
        from backtest.report.sections import unknown

        return self._drawn("adl_by_capital", unknown.capital_figure)

    def adl_minutes(self) -> Figure:
        """Return in which minutes draws close winners."""
        from backtest.report.sections import unknown

        return self._drawn("adl_minutes", unknown.minutes_figure)

    def _drawn(self, name: str, make: Callable[[Findings], Markup]) -> Figure:
        from backtest.report.figures.style import COLOURS
        from backtest.report.findings import Findings

        found = _DRAWING.findall(str(make(Findings(self._run))))
        return Figure(name, tuple(_ROLE.sub(lambda role: COLOURS[role[1]], drawing) for drawing in found))
