"""Figures drawn with matplotlib, a file per family; the only importers of matplotlib.

A figure is a function that takes the rows of its queries by name and a width, and returns a ``Drawing``: axes placed
in pixels, in the colours of ``style``. ``svg`` makes it a drawing of the page.
"""

__all__ = [
    "axes", "cascade", "compare", "drawing", "draws", "fund", "liquidation_map", "liquidations", "panels", "points",
    "pools",
    "price", "queue", "style", "svg", "watch",
]  # fmt: skip
