"""A sweep as its file states it: fields of all scenarios, a grid of values, single scenarios; expanded and priced."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from msgspec import Meta, field

from backtest.catalogue.events import get_event
from backtest.catalogue.priors import Priors, read_priors
from backtest.errors import ConfigError
from backtest.scenario.fields import BY_NAME
from backtest.scenario.reading import check_values
from backtest.scenario.values import merge
from backtest.studies.draws import BOOK_SIZE, check_size
from backtest.toml import Table, decode, read_toml, shown
from backtest.venue.reading import get_venue

EVENT = "event"  # the crash is a field of a grid as well
ASKED = 10_000  # scenarios beyond which a sweep wants to be confirmed
MOST = 10_000_000
# Measured on one core with five coins and steps of 3 s: a scenario of 10,000 positions takes 1.0 s, of 100,000 4.1 s
FIXED_S, POSITION_S = 0.65, 35e-6
ROW_BYTES = 1_500  # of a row and its part of the table
FOLDER_BYTES, POSITION_BYTES = 400_000, 90  # of a run folder; measured: 1.3 MB at 10,000 positions, 9 MB at 100,000


class SweepFile(Table, frozen=True, kw_only=True):
    """The keys of a sweep file."""

    event: str = ""
    draws: Annotated[int, Meta(ge=0, le=10_000)] = 0
    draw_positions: Annotated[int, Meta(ge=2, le=20_000_000)] = BOOK_SIZE
    priors: str = ""
    set: dict[str, Any] = field(default_factory=dict)
    grid: dict[str, list[Any]] = field(default_factory=dict)
    scenario: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One scenario of a sweep: its crash, the fields it sets, and those among them that others of the sweep change."""

    event: str
    fields: Mapping[str, Any]
    varied: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A sweep: what all scenarios share, what a grid varies, single scenarios."""

    event: str
    draws: int
    draw_positions: int
    priors: Priors
    fields: Mapping[str, Any]
    grid: Mapping[str, Sequence[Any]]
    singles: Sequence[Mapping[str, Any]]

    @property
    def size(self) -> int:
        """Return the number of scenarios."""
        return self._of_grid() + len(self.singles)

    def _of_grid(self) -> int:
        return math.prod(map(len, self.grid.values())) if self.grid or not self.singles else 0

    @property
    def varied(self) -> tuple[str, ...]:
        """Return the names of what differs among the scenarios, in the order of the file."""
        return tuple(dict.fromkeys([*self.grid, *(name for single in self.singles for name in single)]))

    def points(self) -> Iterator[Point]:
        """Yield the scenarios: the grid, its last field changing fastest, then the single ones."""
        if self._of_grid():
            for values in itertools.product(*self.grid.values()):
                yield self._point(dict(zip(self.grid, values, strict=True)))
        yield from map(self._point, self.singles)

    def _point(self, varied: Mapping[str, Any]) -> Point:
        own = {name: value for name, value in varied.items() if name != EVENT}
        return Point(event=varied.get(EVENT, self.event), fields=merge(self.fields, own), varied=varied)

    def seconds(self) -> float:
        """Return about how long all scenarios take on one core."""
        return self._replays() * FIXED_S + POSITION_S * sum(self._sizes())

    def size_bytes(self, *, folders: bool) -> int:
        """Return about how many bytes the results take."""
        runs = FOLDER_BYTES * self.size + POSITION_BYTES * sum(self._positions()) if folders else 0
        return ROW_BYTES * self.size + runs

    def _replays(self) -> int:
        return self.size * max(self.draws, 1)

    def _sizes(self) -> Iterator[int]:
        """Yield the positions that each scenario replays in all."""
        for size in self._positions():
            yield min(size, self.draw_positions) * self.draws if self.draws else size

    def _positions(self) -> Iterator[int]:
        usual = self.fields.get("positions", BY_NAME["positions"].default)
        values = self.grid.get("positions", [usual])
        for size in values:
            yield from itertools.repeat(size, self._of_grid() // len(values))
        yield from (single.get("positions", usual) for single in self.singles)


def read_plan(source: Path | Mapping[str, Any]) -> Plan:
    """Read a sweep from its file, or from a mapping of the same keys.

    Raises
    ------
    ConfigError
        For a key, a field or a value that is not allowed, an empty list, or no event.
    UnknownNameError
        For an unknown event or venue.

    Examples
    --------
    >>> plan = read_plan({"event": "2025-10-10", "grid": {"venue": ["bybit", "okx"], "seed": [1, 2, 3]}})
    >>> plan.size, [dict(point.varied) for point in plan.points()][3]
    (6, {'venue': 'okx', 'seed': 1})
    """
    where = source.name if isinstance(source, Path) else "sweep()"
    file = decode(read_toml(source) if isinstance(source, Path) else dict(source), SweepFile, where)
    check_size(file.draws)
    grid = {name: _values(name, values, where) for name, values in file.grid.items()}
    singles = tuple(_checked(each, f"{where}: scenario {number}") for number, each in enumerate(file.scenario, 1))
    fields = _checked(file.set, f"{where}: set")
    events = [*grid.get(EVENT, ()), *(single[EVENT] for single in singles if EVENT in single)]
    event = file.event or fields.get(EVENT, "")
    of_grid = bool(grid) or not singles
    if not event and ((of_grid and EVENT not in grid) or any(EVENT not in single for single in singles)):
        raise ConfigError(f'{where}: no event; write event = "2025-10-10", or event in every scenario')
    for name in [*events, *([event] if event else [])]:
        get_event(name)
    for venue in {*grid.get("venue", ()), *(each["venue"] for each in (fields, *singles) if "venue" in each)}:
        get_venue(venue)
    plan = Plan(
        event=event,
        draws=file.draws,
        draw_positions=file.draw_positions,
        priors=read_priors(_beside(source, file.priors) if file.priors else None),
        fields={name: value for name, value in fields.items() if name != EVENT},
        grid=grid,
        singles=singles,
    )
    if plan.size > MOST:
        raise ConfigError(f"{where}: {plan.size:,} scenarios; allowed are {MOST:,}; leave values out of the grid")
    return plan


def _values(name: str, values: Sequence[Any], where: str) -> tuple[Any, ...]:
    """Return the values of a field of the grid, each once."""
    place = f"{where}: grid"
    if not values:
        raise ConfigError(f"{place}: {name} = []; give at least one value, or leave {name} out")
    found = tuple(_checked({name: value}, place)[name] for value in values)
    twice = next((value for number, value in enumerate(found) if value in found[:number]), None)
    if twice is not None:
        raise ConfigError(f"{place}: {name} has {shown(twice)} twice; give each value once")
    return found


def _checked(fields: Mapping[str, Any], where: str) -> dict[str, Any]:
    return check_values(fields, where)


def _beside(source: Path | Mapping[str, Any], name: str) -> Path:
    """Return the path of a file that a sweep names: beside the sweep's own."""
    return source.parent / name if isinstance(source, Path) else Path(name)
