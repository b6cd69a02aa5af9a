"""The state of a day of the lake: whole, partial or disputed; it lies in the day's file beside its source.

A day is ``whole`` where it has every row that its series expects, ``partial`` where rows are missing, ``disputed``
where two answers for it differ: one of them is kept, and the digest of the other one is remembered with it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

if TYPE_CHECKING:
    from collections.abc import Mapping

DayState = Literal["whole", "partial", "disputed"]
STATES: tuple[DayState, ...] = get_args(DayState)
STATE_KEY, OTHER_KEY = b"state", b"other_sha256"  # in the metadata of a file
DAYS_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Standing:
    """The state of a day's file; ``state`` is None where another program wrote it.

    Attributes
    ----------
    source
        Who gave the rows.
    other_sha256
        Digest of the rows that another answer gave and that are not kept, empty unless the day is disputed.
    """

    state: DayState | None = None
    source: str = ""
    other_sha256: str = ""


def standing_of(metadata: Mapping[bytes, bytes] | None) -> Standing:
    """Return the state that the metadata of a file tell; what no file of this program says counts as unknown.

    Examples
    --------
    >>> standing_of({b"state": b"partial", b"source": b"bybit"})
    Standing(state='partial', source='bybit', other_sha256='')
    >>> standing_of({b"state": b"fine"}).state is None
    True
    """
    told = metadata or {}
    text = told.get(STATE_KEY, b"").decode(errors="replace")
    state = next((each for each in STATES if each == text), None)
    source, other = (told.get(key, b"").decode(errors="replace") for key in (b"source", OTHER_KEY))
    return Standing(state, source, other)


def read_standing(path: Path) -> Standing:
    """Return the state of a day's file, unknown where the file is damaged: whoever reads its rows will complain."""
    import pyarrow.parquet as pq

    try:
        return standing_of(pq.read_schema(path).metadata)
    except (KeyboardInterrupt, SystemExit, MemoryError):
        raise
    except BaseException:  # damaged bytes break the reader in many ways, some of them no Exception
        return Standing()


def states_text(states: Iterable[tuple[dt.date, DayState | None]]) -> str:
    """Return the states of some days in brief: the days that are not whole by name, empty where none is known.

    Examples
    --------
    >>> one, two = dt.date(2025, 10, 10), dt.date(2025, 10, 11)
    >>> states_text([(one, "whole"), (two, "whole")]), states_text([(one, "whole"), (two, "partial")])
    ('whole', 'partial: 2025-10-11')
    """
    known = [(day, state) for day, state in states if state]
    texts = []
    for state in STATES[1:]:
        days = [str(day) for day, each in known if each == state]
        more = f" and {len(days) - DAYS_SHOWN} more" if len(days) > DAYS_SHOWN else ""
        texts += [f"{state}: {', '.join(days[:DAYS_SHOWN])}{more}"] if days else []
    return "; ".join(texts) or ("whole" if known else "")
