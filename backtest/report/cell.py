"""A figure on its own, for the cell of a notebook: it brings the colours that a page would give it."""

from __future__ import annotations

from collections.abc import Callable

from backtest.report.figures.drawing import Drawing, styled
from backtest.report.figures.style import COLOURS, WIDE, Width


def alone(draw: Callable[[Width], Drawing]) -> str:
    """Return a figure as HTML that stands outside a page, on white."""
    colours = ";".join(f"--{name}:{value}" for name, value in COLOURS.items())
    with styled():
        return f'<div style="{colours};background:#fff;max-width:{WIDE.px}px">{draw(WIDE).svg()}</div>'
