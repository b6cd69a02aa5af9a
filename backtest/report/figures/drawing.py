"""A figure in the making: matplotlib axes placed in pixels, ticks, labels, bars and hover texts."""

from __future__ import annotations

import io
import math
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import matplotlib as mpl
import numpy as np
import polars as pl
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import PathPatch
from matplotlib.path import Path
from matplotlib.text import Text
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import Affine2D, Bbox, Transform

from backtest.formatting import tick_labels
from backtest.report.figures.axes import Axes, Box, Range
from backtest.report.figures.style import COLOURS, HEADING, SETTINGS, SIZE, SMALL, WIDE, Width
from backtest.report.figures.svg import Hover, clean, themed

Array = np.ndarray[Any, np.dtype[Any]]
_TIME_STEPS_S = (60, 120, 300, 600, 900, 1200, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800)


@contextmanager
def styled() -> Iterator[None]:
    """Draw in the style of the report for as long as the context lasts."""
    with mpl.rc_context(SETTINGS):
        yield


@dataclass(slots=True)
class Drawing:
    """A figure of one width; ``label`` says what it shows."""

    label: str
    height: int
    width: Width = WIDE
    figure: Figure = field(init=False)
    all_axes: list[Axes] = field(init=False, default_factory=list)
    hovers: list[Hover] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        self.figure = Figure(figsize=(self.width.px / 72, self.height / 72), dpi=72)
        self.figure.patch.set_visible(False)

    def axes(self, box: Box, x: Range, y: Range, *, timed: bool = False) -> Axes:
        """Return axes without frame or ticks for the ranges ``x`` and ``y``; ``timed``: x is time."""
        place = Bbox([[box.left, self.height - box.bottom], [box.right, self.height - box.top]])
        clock = len(self.all_axes) if timed else None
        self.all_axes.append(Axes(self.figure, place, _widened(x), _widened(y), clock))
        return self.all_axes[-1]

    def hover(
        self, axes: Axes, x0: Any, x1: Any, titles: Sequence[str], *,
        y0: float | None = None, y1: float | None = None, down_to: Axes | None = None,
    ) -> None:  # fmt: skip
        """Show each title where the pointer is between ``x0`` and ``x1``, over the axes' full height or part of it."""
        top, bottom = axes.bbox.y1, (down_to or axes).bbox.y0
        if y0 is not None and y1 is not None:
            bottom, top = sorted(axes.data.transform([(0, y0), (0, y1)])[:, 1])
        low, high = sorted((axes.bbox.x0, axes.bbox.x1)) if axes.clock is not None else (-np.inf, np.inf)
        ends = (axes.data.transform(np.column_stack([x, np.zeros(len(titles))]))[:, 0] for x in (x0, x1))
        number = self.all_axes.index(axes)
        for left, right, title in zip(*(np.clip(end, low, high) for end in ends), titles, strict=True):
            if right > left or not np.isfinite(low):
                place = {"left": float(left), "width": float(right - left)}
                self.hovers.append(Hover(number, top=self.height - top, height=top - bottom, title=title, **place))

    def svg(self) -> str:
        """Return the drawing as one ``<svg>`` element that stands on its own."""
        out = io.StringIO()
        self.figure.savefig(out, format="svg", metadata={"Date": None})
        clocks = {n: self._clock(axes) for n, axes in enumerate(self.all_axes) if axes.clock is not None}
        prefix = f"f{zlib.crc32(f'{self.width.name} {self.label} {clocks}'.encode()):08x}"
        size = {"width": self.width.px, "height": self.height}
        # On a phone nothing points; a tap reads a time axis, by the script.
        hovers = [hover for hover in self.hovers if hover.axes in clocks or not self.width.narrow]
        return themed(out.getvalue(), **size, label=self.label, prefix=prefix, hovers=hovers, clocks=clocks)

    def _clock(self, axes: Axes) -> str:
        """Return where the time axis of axes stands, for the script: pixels left and right, seconds, pixels of y."""
        box = axes.bbox
        ends = (box.x0, box.x1, *axes.x, self.height - box.y1, self.height - box.y0)
        return " ".join(f"{end:.12g}" for end in ends)


def _widened(ends: Range) -> Range:
    """Return a range that is not empty."""
    low, high = float(ends[0]), float(ends[1])
    return (low, high) if high != low else (low, low + 1)


class Words(Text):
    """One line of text with its base line at a point; the reader's font lays it out, so nothing is measured here.

    To measure it, as matplotlib's text does, took two thirds of the time of a figure.
    """

    def draw(self, renderer: Any) -> None:
        """Write the words as SVG text that is anchored at the point."""
        x, y = self.get_transform().transform(self.get_unitless_position())
        gc = renderer.new_gc()
        gc.set_foreground(self.get_color())
        renderer.open_group("text", self.get_gid())
        renderer.draw_text(gc, x, renderer.height - y, self.get_text(), self.get_fontproperties(), 0.0, mtext=self)
        renderer.close_group("text")


# --- artists -------------------------------------------------------------------------------------------------


def line(axes: Axes, x: Any, y: Any, colour: str, width: float = 1.5, **style: Any) -> None:
    """Draw a line through points; ``style`` as matplotlib's Line2D takes it."""
    axes.add(Line2D(np.atleast_1d(x), np.atleast_1d(y), color=COLOURS[colour], lw=width, **style))


def level(axes: Axes, y: float = 0.0, colour: str = "ink", width: float = 1.0, **style: Any) -> None:
    """Draw a horizontal through the axes, the zero line for example."""
    line(axes, axes.x, [y, y], colour, width, **style)


def vertical(axes: Axes, x: float, colour: str, width: float = 1.0) -> None:
    """Draw a vertical through the axes."""
    line(axes, [x, x], axes.y, colour, width)


def bars(
    axes: Axes, x0: Any, x1: Any, y0: Any, y1: Any, colour: str, *,
    alpha: float = 1.0, hatch: str = "", within: Transform | None = None, clip: bool = False, gap_px: float = 0.0,
) -> None:  # fmt: skip
    """Draw rectangles as one artist: filled, or hatched with ``hatch``.

    Parameters
    ----------
    x0, x1, y0, y1
        Edges, in data coordinates or those of ``within``; ``x1`` gives way by ``gap_px``, but leaves one pixel.
    """
    a, b, c, d = (
        np.atleast_1d(v) for v in np.broadcast_arrays(*(np.asarray(v, dtype=float) for v in (x0, x1, y0, y1)))
    )
    if not len(a):
        return
    px = abs(np.diff(axes.x)[0]) / axes.bbox.width
    b = np.maximum(b - gap_px * px, a + px) if gap_px else b
    corners = np.stack([np.column_stack(pair) for pair in ((a, c), (b, c), (b, d), (a, d), (a, c))], axis=1)
    codes = np.array([Path.MOVETO, Path.LINETO, Path.LINETO, Path.LINETO, Path.CLOSEPOLY] * len(a), dtype=np.uint8)
    fill: dict[str, Any] = {"facecolor": COLOURS[colour], "edgecolor": "none"}
    lines: dict[str, Any] = {"facecolor": "none", "edgecolor": COLOURS[colour], "hatch": hatch}
    shape = PathPatch(Path(corners.reshape(-1, 2), codes), lw=0, alpha=alpha, **(lines if hatch else fill))
    shape.set_transform(within or axes.data)
    axes.add(shape, clip=clip)


def dots(axes: Axes, x: Any, y: Any, colour: str, radius: float = 3.0) -> None:
    """Draw filled circles, which are lines of no length with round ends; ``radius`` in pixels."""
    xs, ys = (np.repeat(np.atleast_1d(np.asarray(v, dtype=float)), 2) for v in (x, y))
    if not len(xs):
        return
    made = Path(np.column_stack([xs, ys]), np.tile(np.array([Path.MOVETO, Path.LINETO], dtype=np.uint8), len(xs) // 2))
    made.should_simplify = False
    look: dict[str, Any] = {"facecolor": "none", "edgecolor": COLOURS[colour], "lw": 2 * radius, "capstyle": "round"}
    axes.add(PathPatch(made, **look))


def area(axes: Axes, x: Array, y: Array, colour: str) -> None:
    """Fill what lies between a line and zero; of points closer than a third of a pixel the line keeps the ends."""
    px = axes.data.transform(np.column_stack([x, y]))
    far = np.max(np.abs(np.diff(px, axis=0)), axis=1, initial=0.0) > 0
    column = np.floor(px[:, 0] * 3)
    inner = np.concatenate([[False], (column[1:-1] == column[:-2]) & (column[1:-1] == column[2:]), [False]])
    kept = ~inner & np.concatenate([[True], far]) if len(x) > 2 else np.ones(len(x), dtype=bool)
    xs, ys = x[kept], y[kept]
    corners = np.column_stack([np.concatenate([xs[:1], xs, xs[-1:]]), np.concatenate([[0.0], ys, [0.0]])])
    shape = PathPatch(Path(corners, closed=False), lw=0, facecolor=COLOURS[colour], edgecolor="none")
    axes.add(shape)


def label(
    axes: Axes, x: float, y: float, words: str, colour: str = "grey", *, dx: float = 0, dy: float = 0,
    align: str = "left", size: float = SIZE, bold: bool = False, within: str = "data", gid: str | None = None,
) -> None:  # fmt: skip
    """Write ``words`` with their middle ``dx, dy`` pixels right of and above a point, of ``data`` or of ``axes``.

    Words at a time between the ends of the axes move with it where the page zooms; others stay.
    """
    # The base line is set here: the font that measures is not the font that shows.
    origin = {"data": axes.data, "axes": axes.whole, "foot": axes.foot}[within]
    place = origin + Affine2D().translate(dx, dy - size * 0.35)
    look: dict[str, Any] = {"ha": align, "va": "baseline", "fontsize": size, "fontweight": "bold" if bold else "normal"}
    inside = axes.clock is not None and within != "axes" and axes.x[0] < x < axes.x[1]
    look["gid"] = gid or (f"t{axes.clock}" if inside else None)
    made = Words(float(x), float(y), clean(words), color=COLOURS[colour], transform=place, **look)
    made.set_figure(axes.figure)
    axes.figure.texts.append(made)


def heading(axes: Axes, words: str, note: str = "", *, size: float = HEADING) -> None:
    """Write what axes show above their left end, and a note after it."""
    label(axes, 0, 1, words, "ink", dy=14, size=size, bold=True, within="axes")
    if note:
        label(axes, 0, 1, note, dx=12 + 9 * len(words), dy=14, size=size - 1, within="axes")


def beside(
    axes: Axes, x: float, y: float, words: str, colour: str = "ink", *, dy: float = 0, bold: bool = False
) -> None:
    """Write ``words`` to the right of a point, or to its left where the figure ends."""
    left, right = axes.bbox.x0, axes.figure.bbox.x1
    at, room = axes.data.transform((float(x), float(y))), 8 + SIZE * (0.64 if bold else 0.58) * len(words)
    fits = at[0] + room <= right or at[0] - room < left
    low, high = axes.bbox.y0 + 6 - at[1], axes.bbox.y1 - 6 - at[1]
    place = {"dx": 8 if fits else -8, "dy": min(max(dy, low), high), "align": "left" if fits else "right"}
    label(axes, x, y, words, colour, bold=bold, **place)


def spread(places: Sequence[float], gap: float) -> list[float]:
    """Push labels apart, keeping their order, until neighbours are ``gap`` from each other.

    Examples
    --------
    >>> spread([100.0, 104.0], 14.0)
    [95.0, 109.0]
    """
    moved = np.array(places, dtype=float)
    order = np.argsort(moved, kind="stable")
    for _ in range(20):
        lack = np.maximum(gap - np.diff(moved[order]), 0) / 2
        moved[order] += np.concatenate([[0], lack]) - np.concatenate([lack, [0]])
    return [float(place) for place in moved]


# --- axes ----------------------------------------------------------------------------------------------------


def value_ticks(low: float, high: float, count: int) -> list[float]:
    """Return about ``count`` round values inside [low, high].

    Examples
    --------
    >>> value_ticks(0.0, 10.0, 5)
    [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]
    """
    found = MaxNLocator(count, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)
    room = (high - low) * 1e-9
    return [float(tick) for tick in found if low - room <= tick <= high + room]


def value_axis(
    axes: Axes, count: int, *, divisor: float = 1.0, low: float | None = None, mirrored: bool = False,
    suffix: str = "", grid: bool = True,
) -> None:  # fmt: skip
    """Draw grid lines with values on the left, from ``low`` on; ``mirrored`` shows sizes on both sides of zero."""
    least, most = sorted(axes.y)
    ticks = value_ticks((least if low is None else low) / divisor, most / divisor, count)
    left, right = axes.x
    if grid:
        segments(axes, [left, right], [[tick * divisor] * 2 for tick in ticks], "line", zorder=0.5)
    for tick, words in zip(ticks, tick_labels(ticks), strict=True):
        text = (words.lstrip("−") if mirrored else words) + suffix
        label(axes, left, tick * divisor, text, dx=-6, size=SMALL, align="right")


def segments(axes: Axes, x: Any, y: Any, colour: str, width: float = 1.0, **style: Any) -> None:
    """Draw separate lines, given by their ends, as one artist."""
    line(axes, *_broken(x, y), colour, width, **style)


def _broken(x: Any, y: Any) -> tuple[Array, Array]:
    """Return the ends of separate lines as one line with breaks."""
    xs, ys = np.broadcast_arrays(np.atleast_2d(np.asarray(x, dtype=float)), np.atleast_2d(np.asarray(y, dtype=float)))
    breaks = np.full((len(xs), 1), np.nan)
    return np.hstack([xs, breaks]).ravel(), np.hstack([ys, breaks]).ravel()


def number_axis(axes: Axes, count: int, *, divisor: float = 1.0, name: str = "") -> None:
    """Draw values under the axes and what they are."""
    low, high = axes.x
    ticks = value_ticks(low / divisor, high / divisor, count)
    for tick, words in zip(ticks, tick_labels(ticks), strict=True):
        label(axes, tick * divisor, 0, words, dy=-13, size=SMALL, align="center", within="foot")
    if name:
        label(axes, 0.5, 0, name, dy=-33, size=SMALL, align="center", within="axes")


def time_ticks(start_s: float, end_s: float, count: int) -> list[tuple[float, str]]:
    """Return at most ``count`` round times (epoch seconds, UTC) with their labels.

    Examples
    --------
    >>> time_ticks(7200, 10800, 3)
    [(7200, '02:00'), (9000, '02:30'), (10800, '03:00')]
    """
    span = end_s - start_s
    step = next((s for s in _TIME_STEPS_S if span / s <= max(count - 1, 1)), _TIME_STEPS_S[-1])
    times = range(math.ceil(start_s / step) * step, math.floor(end_s) + 1, step)
    return [(t, clock(t, "%d %b" if span > 86400 and t % 86400 == 0 else "%H:%M")) for t in times]


def time_axis(axes: Axes, count: int, *, named: bool = True) -> None:
    """Draw times under the axes, with the word UTC in the left margin."""
    found = time_ticks(*axes.x, count)
    marks, foot = [[time] * 2 for time, _ in found], axes.foot
    ticks, zoomed = Line2D(*_broken(marks, [0, -4 / axes.bbox.height]), color=COLOURS["grey"], lw=1.0), axes.clock
    ticks.set_transform(foot)
    ticks.set_gid(gid := None if zoomed is None else f"k{zoomed}")
    axes.figure.add_artist(ticks)
    for time, words in found:
        at, half = axes.data.transform((time, 0))[0], 3.2 * len(words)
        align = "left" if at - half < axes.bbox.x0 - 4 else "right" if at + half > axes.figure.bbox.x1 else "center"
        label(axes, time, 0, words, dy=-14, size=SMALL, align=align, within="foot", gid=gid)
    if named:
        label(axes, 0, 0, "UTC", dx=-6, dy=-14, size=SMALL, align="right", within="axes")


# --- values --------------------------------------------------------------------------------------------------


def clock(epoch_s: float, form: str = "%H:%M:%S") -> str:
    """Return a time of day in UTC."""
    return datetime.fromtimestamp(float(epoch_s), UTC).strftime(form)


def seconds(series: pl.Series) -> Array:
    """Return times as epoch seconds."""
    return np.asarray(series.cast(pl.Datetime("us")).dt.timestamp("us").to_numpy(), dtype=float) / 1e6


def epoch(time: datetime) -> float:
    """Return a naive UTC time as epoch seconds."""
    return time.replace(tzinfo=UTC).timestamp()


def floats(frame: pl.DataFrame, name: str) -> Array:
    """Return a column as floats, nulls as NaN: drawing needs no exact cents."""
    return np.asarray(frame[name].cast(pl.Float64).to_numpy(), dtype=float)
