"""How all figures look: one table of colours, the widths a figure is drawn for, the settings of matplotlib.

A figure is drawn in the light palette. Each colour of the table stands for one role and no two roles share a value, so
the page replaces each by the CSS variable of its role and needs no second picture in dark mode.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# Okabe-Ito: bluish green, vermillion, blue, reddish purple, orange; the "text" shades are darker to be readable.
COLOURS: Mapping[str, str] = {
    "paper": "#ffffff",
    "ink": "#1b2127",
    "grey": "#66707a",
    "line": "#e3e7ea",
    "context": "#eff2f4",
    "price": "#1c2228",
    "mark": "#e69f00",
    "mark-text": "#8a5f00",
    "long": "#009e73",
    "long-text": "#00714f",
    "short": "#d55e00",
    "short-text": "#b34e00",
    "pool": "#0072b2",
    "pool-text": "#00629a",
    "adl": "#cc79a7",
    "adl-text": "#a1447a",
}
FONT_FAMILY = "-apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', 'Liberation Sans', Arial, system-ui, sans-serif"
SIZE = 12  # of letters, in pixels; ticks and notes are smaller, headings larger
SMALL, HEADING = 11, 13


@dataclass(frozen=True, slots=True)
class Width:
    """A width that figures are drawn for: pixels, margins left and right of the axes, how much fits next to another."""

    name: str
    px: int
    left: int
    right: int
    times: int  # most labels of a time axis
    columns: int  # small multiples in a row

    @property
    def narrow(self) -> bool:
        """Return whether the figure is meant for a phone."""
        return self.name == "phone"


WIDE = Width("wide", 960, left=64, right=76, times=9, columns=4)
PHONE = Width("phone", 380, left=52, right=12, times=4, columns=2)
HALF = Width("half", 420, left=44, right=12, times=4, columns=1)

SETTINGS: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "crashbook",
    "hatch.linewidth": 0.7,
    "text.parse_math": False,
    "path.simplify_threshold": 0.4,  # pixels
    "lines.solid_capstyle": "butt",
    "lines.solid_joinstyle": "round",
}  # fmt: skip
