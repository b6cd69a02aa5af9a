"""Drawing in pixels: canvas, scales, ticks and colours. The only importer of matplotlib.

Figures are laid out on a bare figure, without axes objects, so that a drawing takes milliseconds and every label
is where it was put. Colours are the light palette; a page may replace each of them by a CSS variable of the same
role, because no two roles share a value.
"""

from __future__ import annotations

import io
import math
import re
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any
from xml.sax.saxutils import escape

import matplotlib as mpl
import numpy as np
import polars as pl
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import PathPatch
from matplotlib.path import Path
from matplotlib.text import Text
from matplotlib.transforms import Affine2D

Array = np.ndarray[Any, np.dtype[Any]]
Box = tuple[float, float, float, float]

# Okabe-Ito: bluish green, vermillion, blue, reddish purple, orange; the "text" shades are darker to be readable.
COLOURS: Mapping[str, str] = {
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
WIDE, HALF, PHONE = 960, 420, 380
_RC: Any = {"svg.fonttype": "none", "svg.hashsalt": "crashbook", "hatch.linewidth": 0.7}
_TIME_STEPS_S = (60, 120, 300, 600, 900, 1200, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800)


@dataclass(frozen=True, slots=True)
class Scale:
    """A linear or logarithmic map from values to pixels; what lies outside is drawn at the edge.

    Examples
    --------
    >>> Scale(0.0, 10.0, 100.0, 200.0)(5.0).item()
    150.0
    >>> Scale(1.0, 100.0, 0.0, 50.0, log=True)(10.0).item()
    25.0
    """

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, values: Any) -> Array:
        """Return the pixels of ``values``, to a tenth."""
        low, high = self.low, self.high
        given = np.clip(np.asarray(values, dtype=float), min(low, high), max(low, high))
        if self.log:
            given, low, high = np.log(given), math.log(low), math.log(high)
        pixels: Array = np.round(self.start + (given - low) / (high - low or 1.0) * (self.end - self.start), 1)
        return pixels


@dataclass(frozen=True, slots=True)
class Panel:
    """A rectangle of a figure, in pixels from the top left, with a scale for each axis."""

    left: float
    top: float
    right: float
    bottom: float
    x: Scale
    y: Scale


def panel(box: Box, x: tuple[float, float], y: tuple[float, float], *, log: bool = False) -> Panel:
    """Return the panel in ``box`` (left, top, right, bottom) for the ranges ``x`` and ``y``; y grows upwards."""
    left, top, right, bottom = box
    return Panel(left, top, right, bottom, Scale(*x, left, right), Scale(*y, bottom, top, log))


@dataclass(slots=True)
class Canvas:
    """A figure of ``width`` by ``height`` pixels with the origin at the top left; ``label`` says what it shows."""

    width: float
    height: float
    label: str
    figure: Figure = field(init=False)
    hits: list[str] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        self.figure = Figure(figsize=(self.width / 72, self.height / 72), dpi=72)
        self.figure.patch.set_visible(False)

    @property
    def narrow(self) -> bool:
        """Return whether the figure is meant for a phone."""
        return self.width < HALF

    def path(self, x: Any, y: Any, colour: str, width: float = 1.5, *, alpha: float = 1.0, dash: Any = "-") -> None:
        """Draw a line through the pixels ``x, y``."""
        style: dict[str, Any] = {"color": COLOURS[colour], "lw": width, "alpha": alpha, "ls": dash}
        self.figure.add_artist(Line2D(x, y, solid_joinstyle="round", transform=self._flip, **style))

    def segments(self, x0: Any, y0: Any, x1: Any, y1: Any, colour: str, *, width: float = 1, alpha: float = 1) -> None:
        """Draw separate straight lines as one element."""
        a, b, c, d = _columns(x0, y0, x1, y1)
        points = np.stack([np.column_stack([a, b]), np.column_stack([c, d])], axis=1).reshape(-1, 2)
        codes = [Path.MOVETO, Path.LINETO] * len(a)
        self._add(points, codes, facecolor="none", edgecolor=COLOURS[colour], lw=width, alpha=alpha)

    def boxes(self, x0: Any, y0: Any, x1: Any, y1: Any, colour: str, *, alpha: float = 1, hatch: bool = False) -> None:
        """Draw filled rectangles as one element; ``hatch`` draws diagonals instead of a fill."""
        a, b, c, d = _columns(x0, y0, x1, y1)
        corners = np.stack([np.column_stack(corner) for corner in ((a, b), (c, b), (c, d), (a, d), (a, b))], axis=1)
        codes = [Path.MOVETO, Path.LINETO, Path.LINETO, Path.LINETO, Path.CLOSEPOLY] * len(a)
        fill = {"facecolor": COLOURS[colour], "edgecolor": "none"}
        lines = {"facecolor": "none", "edgecolor": COLOURS[colour], "hatch": "////"}
        self._add(corners.reshape(-1, 2), codes, lw=0, alpha=alpha, **(lines if hatch else fill))

    def dots(self, x: Any, y: Any, colour: str, radius: float = 3.0, *, alpha: float = 1.0) -> None:
        """Draw filled circles as one element."""
        xs, ys = np.atleast_1d(np.asarray(x, dtype=float)), np.atleast_1d(np.asarray(y, dtype=float))
        circle = Path.unit_circle()
        points = np.round(np.asarray(circle.vertices)[None] * radius + np.column_stack([xs, ys])[:, None], 1)
        codes = list(np.asarray(circle.codes)) * len(xs)
        self._add(points.reshape(-1, 2), codes, facecolor=COLOURS[colour], edgecolor="none", alpha=alpha)

    def text(self, x: float, y: float, words: str, colour: str = "grey", **style: Any) -> None:
        """Write ``words`` with their middle at ``y``; ``style``: size, align (left, center, right), bold."""
        size = style.get("size", 12.0)
        look: dict[str, Any] = {"color": COLOURS[colour], "fontsize": size, "ha": style.get("align", "left")}
        look |= {"va": "baseline", "fontweight": "bold" if style.get("bold") else "normal", "parse_math": False}
        # The base line is set here: the font that measures is not the font that shows.
        place = (float(x), float(y) + size * 0.35)
        self.figure.add_artist(Text(*place, clean(words), transform=self._flip, **look))

    def beside(self, p: Panel, x: float, y: float, words: str, colour: str = "ink", **style: Any) -> None:
        """Write ``words`` to the right of a point, or to its left where the panel ends."""
        gap, room = style.pop("gap", 8), style.get("size", 12.0) * (0.64 if style.get("bold") else 0.58) * len(words)
        right = x + gap + room <= max(p.right, self.width - 4) or x - gap - room < p.left
        y = min(max(y, p.top + 6), p.bottom - 6)
        self.text(x + (gap if right else -gap), y, words, colour, align="left" if right else "right", **style)

    def hit(self, box: Box, title: str) -> None:
        """Add an unseen rectangle that shows exact values when pointed at."""
        x0, y0, x1, y1 = (float(v) for v in box)
        size = f'width="{max(x1 - x0, 1):.1f}" height="{max(y1 - y0, 1):.1f}"'
        self.hits.append(f'<rect class="hit" x="{x0:.1f}" y="{y0:.1f}" {size}><title>{_xml(title)}</title></rect>')

    def svg(self) -> str:
        """Return the drawing as one ``<svg>`` element that stands on its own."""
        out = io.StringIO()
        with mpl.rc_context(_RC), warnings.catch_warnings():
            # A name may hold letters that the measuring font lacks; the reader's font shows them.
            warnings.simplefilter("ignore", UserWarning)
            self.figure.savefig(out, format="svg", metadata={"Date": None}, transparent=True)
        return _tidy(out.getvalue(), self)

    @property
    def _flip(self) -> Affine2D:
        return Affine2D().scale(1, -1).translate(0, self.height)

    def _add(self, points: Array, codes: Sequence[Any], **style: Any) -> None:
        if len(points):
            shape = Path(points, np.asarray(codes, dtype=np.uint8))
            self.figure.add_artist(PathPatch(shape, transform=self._flip, **style))


def _columns(*values: Any) -> list[Array]:
    return [np.atleast_1d(v) for v in np.broadcast_arrays(*(np.asarray(v, dtype=float) for v in values))]


def clean(words: str) -> str:
    r"""Return ``words`` on one line and without control characters.

    Examples
    --------
    >>> clean("a\nb\x00c")
    'a bc'
    """
    return "".join(c for c in " ".join(str(words).split()) if c.isprintable())


def _xml(words: str) -> str:
    return escape(clean(words), {'"': "&quot;", "'": "&#39;"})


def _tidy(raw: str, canvas: Canvas) -> str:
    """Keep the drawing of matplotlib's file and nothing of its frame."""
    body = raw[raw.index("<g id=") : raw.rindex("</svg>")]
    body = re.sub(r"font-family: [^;\"]*;? ?", "", body)
    body = re.sub(r' transform="rotate\(-0 [^"]*"', "", body)
    body = re.sub(r'<g id="[^"]*">', "<g>", body)
    body = re.sub(r"\s*\n\s*", " ", body).replace("> <", "><")
    # Ids of hatch patterns must be unique in a page that holds several figures.
    salt = re.sub(r"[^a-z0-9]", "", canvas.label.lower())[:40] + f"{canvas.width:.0f}"
    body = re.sub(r'(id="|url\(#)(h[0-9a-f]{10})', rf"\g<1>{salt}-\g<2>", body)
    size = f'viewBox="0 0 {canvas.width:g} {canvas.height:g}" width="{canvas.width:g}" height="{canvas.height:g}"'
    head = f'<svg {size} role="img" aria-label="{_xml(canvas.label)}" xmlns="http://www.w3.org/2000/svg"'
    hits = f'<g fill="none" pointer-events="all">{"".join(canvas.hits)}</g>' if canvas.hits else ""
    return f'{head} font-family="{FONT_FAMILY}">{body}{hits}</svg>'


# --- ticks ---------------------------------------------------------------------------------------------------


def nice_ticks(low: float, high: float, count: int) -> list[float]:
    """Return about ``count`` round values inside [low, high].

    Examples
    --------
    >>> nice_ticks(0.0, 10.0, 5)
    [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]
    """
    span = high - low
    if not span > 0:
        return [low]
    rough = span / max(count, 1)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * m for m in (1, 2, 2.5, 5, 10) if power * m >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [round(k * step, 12) for k in range(first, math.floor(high / step + 1e-9) + 1)]


def tick_labels(ticks: Sequence[float]) -> list[str]:
    """Return evenly spaced numbers as an axis writes them, with the digits that their distance needs.

    Examples
    --------
    >>> tick_labels([-1250.0, -1000.0]), tick_labels([0.0, 0.25])
    (['−1,250', '−1,000'], ['0.00', '0.25'])
    """
    step = abs(ticks[1] - ticks[0]) if len(ticks) > 1 else abs(ticks[0]) or 1.0
    digits = next(d for d in range(16) if abs(round(step, d) - step) <= step * 1e-6)
    return [f"{tick:,.{digits}f}".replace("-", "−") for tick in ticks]


def time_ticks(start_s: float, end_s: float, count: int) -> list[tuple[float, str]]:
    """Return at most ``count`` round times (epoch seconds, UTC) with their labels.

    Examples
    --------
    >>> time_ticks(0, 3600, 3)
    [(0, '00:00'), (1800, '00:30'), (3600, '01:00')]
    """
    span = end_s - start_s
    step = next((s for s in _TIME_STEPS_S if span / s <= max(count - 1, 1)), _TIME_STEPS_S[-1])
    times = range(math.ceil(start_s / step) * step, math.floor(end_s) + 1, step)
    return [(t, clock(t, "%d %b" if span > 86400 and t % 86400 == 0 else "%H:%M")) for t in times]


def clock(epoch_s: float, form: str = "%H:%M:%S") -> str:
    """Return a time of day in UTC."""
    return datetime.fromtimestamp(float(epoch_s), UTC).strftime(form)


def time_axis(c: Canvas, p: Panel, count: int, *, named: bool = True) -> None:
    """Draw ticks and times under a panel, with the word UTC in the left margin."""
    ticks = time_ticks(p.x.low, p.x.high, count)
    xs = p.x([t for t, _ in ticks])
    c.segments(xs, p.bottom, xs, p.bottom + 4, "grey", width=0.8)
    for x, (_, words) in zip(xs, ticks, strict=True):
        half = 3.2 * len(words)
        align = "left" if x - half < p.left - 4 else "right" if x + half > c.width else "center"
        c.text(x, p.bottom + 14, words, size=11, align=align)
    if named:
        c.text(p.left - 6, p.bottom + 14, "UTC", size=11, align="right")


def value_axis(c: Canvas, p: Panel, count: int, *, divisor: float = 1.0, mirrored: bool = False) -> None:
    """Draw grid lines and their values left of a panel; ``mirrored`` shows sizes on both sides of zero."""
    ticks = nice_ticks(p.y.low / divisor, p.y.high / divisor, count)
    ys = p.y([t * divisor for t in ticks])
    c.segments(p.left, ys, p.right, ys, "line")
    for y, words in zip(ys, tick_labels(ticks), strict=True):
        c.text(p.left - 6, y, words.lstrip("−") if mirrored else words, size=11, align="right")


def spread(places: Sequence[float], gap: float, top: float = -math.inf) -> list[float]:
    """Push labels apart, keeping their order, until neighbours are ``gap`` pixels from each other.

    Examples
    --------
    >>> spread([100.0, 104.0], 14.0)
    [95.0, 109.0]
    >>> spread([100.0, 104.0], 14.0, top=100.0)
    [100.0, 114.0]
    """
    order = sorted(range(len(places)), key=lambda i: places[i])
    moved = list(places)
    for _ in range(20):
        for low, high in pairwise(order):
            lack = max(gap - (moved[high] - moved[low]), 0.0)
            up = min(lack / 2, max(moved[low] - top, 0.0))
            moved[low] -= up
            moved[high] += lack - up
    return moved


# --- values --------------------------------------------------------------------------------------------------


def seconds(series: pl.Series) -> Array:
    """Return times as epoch seconds."""
    return np.asarray(series.cast(pl.Datetime("us")).dt.timestamp("us").to_numpy(), dtype=float) / 1e6


def epoch(time: datetime) -> float:
    """Return a naive UTC time as epoch seconds."""
    return time.replace(tzinfo=UTC).timestamp()


def floats(frame: pl.DataFrame, name: str) -> Array:
    """Return a column as floats, nulls as NaN: drawing needs no exact cents."""
    return np.asarray(frame[name].cast(pl.Float64).to_numpy(), dtype=float)


def dollars(value: float) -> str:
    """Return an amount in whole dollars for the words shown when a figure is pointed at.

    Examples
    --------
    >>> dollars(-1234.5)
    '−1,234 USD'
    """
    return f"{value:,.0f} USD".replace("-", "−")


def base_coin(symbol: str) -> str:
    """Return the coin of a unified symbol.

    Examples
    --------
    >>> base_coin("BTC/USDT:USDT")
    'BTC'
    """
    return symbol.split("/", 1)[0]


def both_widths(draw: Callable[[int], str]) -> tuple[str, str]:
    """Return a figure drawn for a wide page and again for a phone."""
    return draw(WIDE), draw(PHONE)


def rows_of(count: int, columns: int) -> Iterable[tuple[int, int]]:
    """Return row and column of each small multiple.

    Examples
    --------
    >>> list(rows_of(3, 2))
    [(0, 0), (0, 1), (1, 0)]
    """
    return (divmod(i, columns) for i in range(count))
