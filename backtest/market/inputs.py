"""The series that a run read, as rows of the table ``coverage``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from backtest.lake.checks import Facts
from backtest.lake.place import Place
from backtest.lake.suspect import Suspect


@dataclass(frozen=True, slots=True)
class InputSeries:
    """One series of one symbol as a run used it; ``label`` is measured, proxy, modelled or missing.

    ``suspects`` are the values of its rows that nothing around them bears out.
    """

    name: str
    symbol: str
    source: str
    label: str
    expected_rows: int | None = None
    facts: Facts | None = None
    note: str = ""
    bridged: int = 0
    suspects: tuple[Suspect, ...] = ()

    def row(self) -> dict[str, Any]:
        """Return a row of the table ``coverage``, the run left out."""
        facts = self.facts or Facts()
        return {
            "series": self.name,
            "symbol": self.symbol,
            "source": self.source,
            "label": self.label,
            "expected_rows": self.expected_rows,
            "rows": facts.rows,
            "gaps": len(facts.gaps),
            "longest_gap_s": facts.longest_gap_s,
            "duplicates": facts.duplicates,
            "bridged": self.bridged,
            "first_ts": facts.first,
            "last_ts": facts.last,
            "sha256": facts.sha256,
            "note": self.note,
        }


def from_lake(
    place: Place,
    facts: Facts,
    note: str = "",
    *,
    symbol: str = "",
    stands_in: bool = False,
    expected_rows: int | None = None,
    suspects: tuple[Suspect, ...] = (),
) -> InputSeries:
    """Return a series read from the lake.

    Parameters
    ----------
    symbol
        Symbol of the run, where the rows are of another one.
    stands_in
        Whether the rows of another venue stand in.
    """
    return InputSeries(
        name=place.series,
        symbol=symbol or place.symbol,
        source=place.source,
        label="proxy" if stands_in else "measured",
        expected_rows=expected_rows,
        facts=facts,
        note=note,
        suspects=suspects,
    )
