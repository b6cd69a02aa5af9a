"""Axes of a figure: a rectangle of it with ranges of its own."""

from __future__ import annotations

from dataclasses import dataclass, field

from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox, BboxTransform, BboxTransformTo, Transform, blended_transform_factory

Range = tuple[float, float]
BRIM = 6  # pixels above and below the axes in which half a dot still shows


@dataclass(frozen=True, slots=True)
class Box:
    """Where axes stand, in pixels from the top left of the figure."""

    left: float
    top: float
    right: float
    bottom: float


@dataclass(frozen=True, slots=True)
class Axes:
    """A part of a figure with ranges of its own; matplotlib's axes, ticks, spines and locators, cost ten times as much.

    Parameters
    ----------
    figure
        The figure that draws the artists.
    bbox
        Place in pixels from the bottom left of the figure.
    x, y
        Ranges shown, the ends that stand left and below first.
    clock
        Number of the axes in the figure if their x is time, which the page can zoom; otherwise None.
    """

    figure: Figure
    bbox: Bbox
    x: Range
    y: Range
    clock: int | None = None
    data: Transform = field(init=False)  # from data coordinates to pixels
    whole: Transform = field(init=False)  # from (0, 0) to (1, 1)
    foot: Transform = field(init=False)  # x of the data, y from 0 to 1

    def __post_init__(self) -> None:
        (left, right), (bottom, top) = self.x, self.y
        data = BboxTransform(Bbox([[left, bottom], [right, top]]), self.bbox)
        whole = BboxTransformTo(self.bbox)
        for name, value in (("data", data), ("whole", whole), ("foot", blended_transform_factory(data, whole))):
            object.__setattr__(self, name, value)

    def add(self, artist: Artist, *, clip: bool = False) -> None:
        """Draw an artist, in data coordinates if it has no transform of its own."""
        if not artist.is_transform_set():
            artist.set_transform(self.data)
        if self.clock is not None:
            artist.set_gid(f"t{self.clock}")
            clip = True
        if clip:
            box = self.bbox
            artist.set_clip_box(Bbox([[box.x0 - 1, box.y0 - BRIM], [box.x1 + 1, box.y1 + BRIM]]))
        self.figure.add_artist(artist)
