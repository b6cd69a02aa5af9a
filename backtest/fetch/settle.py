"""An answer for a day against the one that the lake has of it: which of them is kept, and the state of the day.

An answer that has all rows of the other one and more takes its place; two that contradict each other make the day
disputed: the fuller one is kept, of equal ones the first, and the digest of the other is remembered. A third answer
that equals one of the two settles the dispute.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from backtest.assets import lake_folder
from backtest.fetch.day import FetchedDay, frame_of, state_of
from backtest.lake.digests import rows_digest
from backtest.lake.manifest import read_manifest
from backtest.lake.place import Place
from backtest.lake.read import read_series
from backtest.lake.series import schema_of
from backtest.lake.states import DayState, Standing, read_standing
from backtest.times import DAY

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True, slots=True)
class HeldDay:
    """A day as the lake has it; ``state`` follows from its rows where its file does not tell it."""

    fetched: FetchedDay
    standing: Standing
    state: DayState


@dataclass(frozen=True, slots=True)
class Settled:
    """The rows to keep of a day, its state and source, and a note on what became of the other answer."""

    fetched: FetchedDay
    standing: Standing
    note: str = ""


def held_day(place: Place, day: dt.date) -> HeldDay:
    """Return a day as the lake has it.

    Raises
    ------
    DataError
        Its file is damaged.
    """
    start = dt.datetime.combine(day, dt.time())
    fetched = FetchedDay(day, frame=read_series(place, start, start + DAY))
    standing = read_standing(place.file(day))
    return HeldDay(fetched, standing, standing.state or state_of(fetched, place))


def asked_times(place: Place, days: Iterable[dt.date]) -> dict[dt.date, dt.datetime]:
    """Return when the source of each day was asked last, naive UTC, as the journal tells; others are left out."""
    entries: Mapping[str, Mapping[str, Any]] = read_manifest()
    out = {}
    for day in days:
        text = str(entries.get(place.file(day).relative_to(lake_folder()).as_posix(), {}).get("fetched_at"))
        try:
            out[day] = dt.datetime.fromisoformat(text).replace(tzinfo=None)
        except ValueError:  # no line, or one that another hand wrote
            continue
    return out


def settle(held: HeldDay | None, fresh: FetchedDay, place: Place, source: str) -> Settled:
    """Return what to keep of a day after an answer.

    Parameters
    ----------
    held
        The day as the lake has it, None where it has none.
    fresh
        The answer, its rows checked.
    source
        Who gave it.
    """
    new = Standing(state_of(fresh, place), source)
    if held is None:
        return Settled(fresh, new)
    ours, theirs = (_frame(each, place) for each in (held.fetched, fresh))
    old_digest, new_digest = rows_digest(ours), rows_digest(theirs)
    old = Standing(state_of(held.fetched, place), held.standing.source)
    if held.state == "disputed" and new_digest == held.standing.other_sha256:
        return Settled(fresh, new, "disputed before; two answers of three are these rows")
    if old_digest == new_digest:
        told = "disputed before; two answers of three are these rows" if held.state == "disputed" else "the same again"
        kept = (
            held.standing.state if held.standing.state == "whole" else new.state
        )  # whole without rows: see ``sparse``
        return Settled(held.fetched, replace(old, state=kept), told)
    mine, other = set(ours.rows()), set(theirs.rows())
    if held.state != "disputed" and mine <= other:
        return Settled(fresh, new, f"{len(other) - len(mine)} rows more than before")
    if held.state != "disputed" and other <= mine:
        return Settled(
            held.fetched, replace(old, state=held.state), f"{len(mine) - len(other)} rows fewer than before; not taken"
        )
    if len(other) > len(mine):
        note = f"differs from the rows of {old.source or 'before'}, which had fewer; these are kept"
        return Settled(fresh, Standing("disputed", source, old_digest), note)
    note = f"{source} differs now ({new_digest[:12]}); the rows of before are kept ({old_digest[:12]})"
    return Settled(held.fetched, Standing("disputed", held.standing.source, new_digest), note)


def _frame(fetched: FetchedDay, place: Place) -> pl.DataFrame:
    """Return the rows of a day as they are stored."""
    import polars as pl

    return frame_of(fetched, place.series).select(
        pl.col(name).cast(kind) for name, kind in schema_of(place.series).items()
    )
