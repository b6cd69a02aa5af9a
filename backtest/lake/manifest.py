"""The journal of the lake, ``manifest.jsonl``: what was fetched when, with a digest of the rows of each day.

A line is one short append, so two processes may write at once. A file without a line (the process was killed between
the two) is entered by ``enter_missing``.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Required, TypedDict

import msgspec
import numpy as np
from msgspec import Meta

from backtest.assets import lake_folder, open_regular
from backtest.durable import append_line
from backtest.errors import FileError
from backtest.lake.digests import columns_digest
from backtest.lake.place import Place
from backtest.lake.read import read_file
from backtest.lake.states import Standing, read_standing
from backtest.masking import mask
from backtest.mechanics.exact import Ints
from backtest.times import DAY, find_gaps, moment

if TYPE_CHECKING:
    from backtest.lake.digests import Columns

JOURNAL = "manifest.jsonl"
LARGEST_JOURNAL = 1 << 30  # bytes
When = Annotated[str, Meta(pattern=r"^[0-9T:.-]{10,32}\Z")]  # naive UTC
Sha256 = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]


def enter(path: Path, columns: Columns, *, step_s: int, standing: Standing, fetched_at: dt.datetime) -> None:
    """Enter the file of a day in the journal.

    Parameters
    ----------
    columns
        The rows written, column by column.
    step_s
        Length of a bar in seconds; 0 where rows are no bars.
    standing
        Source and state of the day.
    fetched_at
        When its source was asked last, UTC.
    """
    start = dt.datetime.fromisoformat(path.stem)
    times = columns["ts"]
    ts: Ints = (times if isinstance(times, np.ndarray) else times.to_numpy()).view(np.int64)
    gaps = find_gaps(ts, (start, start + DAY), step_s) if step_s else ()
    entry = {
        "file": path.relative_to(lake_folder()).as_posix(),
        "rows": len(ts),
        "first": moment(int(ts[0])) if len(ts) else None,
        "last": moment(int(ts[-1])) if len(ts) else None,
        "gaps": [[first, last] for first, last in gaps],
        "sha256": columns_digest(columns),
        "source": mask(standing.source),
        **({"state": standing.state} if standing.state else {}),
        **({"other_sha256": standing.other_sha256} if standing.other_sha256 else {}),
        "fetched_at": fetched_at.replace(tzinfo=None, microsecond=0),
    }
    _append(entry)


def _append(entry: Mapping[str, Any]) -> None:
    import orjson

    append_line(lake_folder() / JOURNAL, orjson.dumps(entry))


class Entry(TypedDict, total=False):
    """A line of the journal as it is read: whoever wrote it, each value has its form; only ``file`` must be there."""

    file: Required[Annotated[str, Meta(pattern=r"^[A-Za-z0-9_%=~./+-]{1,1000}\Z")]]
    rows: Annotated[int, Meta(ge=0)]
    first: When | None
    last: When | None
    gaps: list[Annotated[list[When], Meta(min_length=2, max_length=2)]]
    sha256: Sha256
    source: str
    state: Annotated[str, Meta(max_length=40)]
    other_sha256: Sha256
    fetched_at: When


def read_manifest() -> dict[str, Entry]:
    """Return the newest entry of every file of the journal, by the file's path inside the lake.

    Lines that are not whole or not of this form are passed over: the files they speak of are entered again by
    ``enter_missing``. So is a journal that is a link, a FIFO or larger than any lake makes it.
    """
    entry = msgspec.json.Decoder(Entry)
    entries: dict[str, Entry] = {}
    try:
        with open_regular(lake_folder() / JOURNAL, LARGEST_JOURNAL) as lines:
            for text in lines:
                line = text.rpartition(b"\0")[2]  # zeros stand where the disk lost the line before
                with suppress(msgspec.DecodeError, RecursionError):
                    found = entry.decode(line)
                    entries[found["file"]] = found
    except (OSError, FileError):
        return {}
    return entries


def enter_missing(days: Iterable[tuple[Place, dt.date]]) -> int:
    """Enter files that are in the lake and not in the journal; return how many."""
    known, entered = read_manifest(), 0
    for place, day in days:
        path = place.file(day)
        if path.is_file() and path.relative_to(lake_folder()).as_posix() not in known:
            rows, _ = read_file(path)
            written_at = dt.datetime.fromtimestamp(path.stat().st_mtime, dt.UTC)
            columns = {name: rows[name] for name in rows.columns}
            enter(path, columns, step_s=place.bar_s, standing=read_standing(path), fetched_at=written_at)
            entered += 1
    return entered
