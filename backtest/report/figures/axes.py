"""Axes of a figure: a rectangle of it with ranges of its own."""

from __future__ import annotations

from dataclasses import dataclass, field

from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox, BboxTransform, BboxTransformTo, Transform, blended_transform_factory

Range = tuple[float, float]


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
    """

    figure: Figure
    bbox: Bbox
    x: Range
    y: Range
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
        if clip:
            artist.set_clip_box(self.bbox)
        self.figure.add_artist(artist)
