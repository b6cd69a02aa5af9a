"""Doubtful values of the data that a replay uses: refused where it walks unless allowed, told in any case."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from backtest.errors import SuspectError
from backtest.lake.suspect import Suspect
from backtest.market.inputs import InputSeries

NOTED = 3  # of a series in the notes; run.json has all


@dataclass(frozen=True, slots=True)
class UsedSuspect:
    """A doubtful value of a series of a run; ``walked``: it lies at or after the first bar that is replayed."""

    series: str
    symbol: str
    source: str
    suspect: Suspect
    walked: bool

    def text(self) -> str:
        """Return coin, series and the value with what was expected."""
        return f"{self.symbol}: suspicious {self.series} {self.suspect.text()}"


def suspects_used(inputs: Sequence[InputSeries], walked_from: dt.datetime) -> tuple[UsedSuspect, ...]:
    """Return the doubtful values of all series, those that are replayed first, each part in order of time."""
    found = [
        UsedSuspect(row.name, row.symbol, row.source, suspect, suspect.ts >= walked_from)
        for row in inputs
        for suspect in row.suspects
    ]
    return tuple(sorted(found, key=lambda used: (not used.walked, used.suspect.ts)))


def refuse_suspects(suspects: Sequence[UsedSuspect], event: str, *, allowed: bool) -> None:
    """Refuse doubtful values among those that are replayed.

    Raises
    ------
    SuspectError
        One line with the first of them and the two ways out.
    """
    walked = [used for used in suspects if used.walked]
    if not walked or allowed:
        return
    more = f" and {len(walked) - 1} more" if len(walked) > 1 else ""
    venue, _, place = walked[0].source.partition(": ")
    coin, series = walked[0].symbol.partition("/")[0], walked[0].series
    again = f"ask again with crashbook fetch {event} --venue {venue} --coins {coin} --series {series} --refetch"
    raise SuspectError(f"{walked[0].text()}{more}, in {place}; {again}, or replay it as it is with --allow-suspect")


def suspect_notes(suspects: Sequence[UsedSuspect]) -> Iterator[str]:
    """Give a sentence for the first doubtful values of each series, and how many more there are."""
    for key in dict.fromkeys((used.series, used.symbol) for used in suspects):
        mine = [used for used in suspects if (used.series, used.symbol) == key]
        for used in mine[:NOTED]:
            yield f"{used.text()}: {'replayed' if used.walked else 'used before the core'} as it is."
        if len(mine) > NOTED:
            yield f"{key[1]}: {len(mine) - NOTED} more suspicious values of {key[0]}."
