"""Results of studies, stored beside the run that they belong to; no part of the run's identity."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from msgspec import Meta

from backtest.assets import read_regular
from backtest.durable import write_file
from backtest.errors import FileError, RunError
from backtest.run.drawn import Draws
from backtest.run.meta import Record, RunId, Word, decode
from backtest.run.reading import LARGEST_JSON, parsed
from backtest.run.seal import is_sealed, reason, sealed
from backtest.run.share import share_beside

if TYPE_CHECKING:
    import polars as pl

STUDIES = "studies.json"
Name = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}\Z")]  # of a column, a fact or a study
Value = str | int | float | bool | None


class Band(Record, frozen=True):
    """5th percentile, median and 95th percentile of a headline over seeds."""

    low: float
    median: float
    high: float


class Seeds(Record, frozen=True):
    """Runs that differ in the seed alone; rows of ``run_summary`` and, by fact, the values compared with it."""

    run_ids: Annotated[tuple[RunId, ...], Meta(min_length=1)]
    summaries: tuple[dict[Name, Value], ...]
    bands: dict[Name, Band]
    compared: dict[Name, tuple[float, ...]]

    def __post_init__(self) -> None:
        if len(self.summaries) != len(self.run_ids):
            raise ValueError(f"{len(self.summaries)} summaries of {len(self.run_ids)} runs")
        for name in self.summaries[0]:
            kinds = {_kind(name, row.get(name)) for row in self.summaries}
            if len(kinds - {"nothing"}) > 1 or any(row.keys() != self.summaries[0].keys() for row in self.summaries):
                raise ValueError(f"the summaries differ in {name}: {', '.join(sorted(kinds))}")

    def frame(self) -> pl.DataFrame:
        """Return the rows of ``run_summary``; times that are stored as text become times again."""
        return summaries_frame(self.summaries)


def _kind(name: str, value: Value) -> str:
    """Return the kind of a value of ``run_summary``; a text that should be a time must be one."""
    if value is None:
        return "nothing"
    if name.endswith("_ts"):
        dt.datetime.fromisoformat(str(value))
        return "time"
    if isinstance(value, bool | str):
        return type(value).__name__
    return "number"


class StudyRow(Record, frozen=True):
    """A run of a study that changes settings: the setting that was changed and the headline numbers."""

    label: str
    run_id: RunId
    metrics: dict[Name, float | None]


class Studies(Record, frozen=True):
    """The studies stored beside a run: its seeds, its draws, and by name the rows of studies that change settings."""

    seeds: Seeds | None = None
    draws: Draws | None = None
    rows: dict[Word, tuple[StudyRow, ...]] = msgspec.field(default_factory=dict)

    @property
    def grid(self) -> tuple[StudyRow, ...]:
        """Return the rows of the sensitivity grid."""
        return self.rows.get("grid", ())


def summaries_frame(summaries: Iterable[dict[str, Any]]) -> pl.DataFrame:
    """Return rows of ``run_summary`` as a frame, texts in the columns of times parsed."""
    import polars as pl

    frame = pl.DataFrame(list(summaries), infer_schema_length=None)
    times = [name for name in frame.columns if name.endswith("_ts")]
    return frame.with_columns(
        pl.col(name).cast(pl.String).str.to_datetime(time_unit="us", time_zone=None) for name in times
    )


def plain(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row of a query as JSON takes it: decimals as floats, times as text.

    Examples
    --------
    >>> plain({"adl_usd": Decimal("1.5"), "first_adl_ts": dt.datetime(2025, 10, 10, 21, 16)})
    {'adl_usd': 1.5, 'first_adl_ts': '2025-10-10T21:16:00'}
    """
    return {key: _plain(value) for key, value in row.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return float(value)
    return value.isoformat() if isinstance(value, dt.datetime) else value


def read_studies(folder: Path) -> Studies:
    """Return the studies stored beside a run; a damaged file counts as none, since a study can be run again."""
    try:
        text = read_regular(folder / STUDIES, LARGEST_JSON).decode()
        table = parsed(text, folder / STUDIES)
        if not is_sealed(text) or not isinstance(table, dict):
            return Studies()
        return decode({key: value for key, value in table.items() if key != "sha256"}, Studies, STUDIES)
    except (OSError, ValueError, RunError, FileError):
        return Studies()


def store_studies(
    folder: Path,
    *,
    seeds: Seeds | None = None,
    draws: Draws | None = None,
    rows: Mapping[str, tuple[StudyRow, ...]] | None = None,
) -> None:
    """Add results to the studies stored beside a run: seeds, draws, and rows by the name of their study.

    Raises
    ------
    RunError
        If the file cannot be written; it stays as it was.
    """
    path = folder / STUDIES
    known = read_studies(folder)
    kept = Studies(seeds=seeds or known.seeds, draws=draws or known.draws, rows={**known.rows, **(rows or {})})
    _write(path, kept)


def drop_draws(folder: Path) -> None:
    """Take the draws out of the studies stored beside a run.

    Raises
    ------
    RunError
        If the file cannot be written; it stays as it was.
    """
    known = read_studies(folder)
    if known.draws is not None:
        _write(folder / STUDIES, msgspec.structs.replace(known, draws=None))


def _write(path: Path, studies: Studies) -> None:
    try:
        write_file(path, sealed(msgspec.to_builtins(studies)).encode())
        share_beside(path.parent, path.name)
    except OSError as error:
        raise RunError(f"cannot write {path}: {reason(error)}; free space or choose CRASHBOOK_HOME") from None
