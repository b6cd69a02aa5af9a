"""The journal of the lake, ``manifest.jsonl``: what was fetched when, with a digest of the rows of each day.

A line is one short append, so two processes may write at once. A file without a line (the process was killed between
the two) is entered by ``enter_missing``.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from backtest.assets import lake_folder
from backtest.durable import append_line
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


def read_manifest() -> dict[str, dict[str, Any]]:
    """Return the newest entry of every file of the journal, by the file's path inside the lake.

    Lines that are not whole are passed over: the files they speak of are entered again by ``enter_missing``.
    """
    import orjson

    try:
        text = (lake_folder() / JOURNAL).read_bytes()
    except OSError:
        return {}
    entries: dict[str, dict[str, Any]] = {}
    for line in text.splitlines():
        try:
            entry = orjson.loads(line)
        except orjson.JSONDecodeError:
            continue
        if isinstance(entry, dict) and isinstance(entry.get("file"), str):
            entries[entry["file"]] = entry
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
