"""What the tests of bad input share: the command line in this process, a small crash, and tapes to spoil."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from backtest.assets import workspace
from backtest.cli.messages import explain
from backtest.cli.replay import overrides
from backtest.errors import CrashbookError
from backtest.lake.place import Place
from backtest.lake.write import write_day
from backtest.run.execute import execute
from backtest.run.prepare import Prepared, prepare
from backtest.run.resolve import resolve
from backtest.run.run import StoredRun
from backtest.scenario.reading import check_values
from tests.support.command import call

EVENT, VENUE, SYMBOL = "2021-12-04", "binanceusdm", "BTC/USDT:USDT"
START, END = (dt.datetime.fromisoformat(f"{EVENT}T05:{minute}:00") for minute in (20, 35))
WINDOW = (
    "--set", f"start={START.isoformat()}", "--set", f"end={END.isoformat()}", "--set", "step_s=20.0", "-q",
)  # fmt: skip
MINUTES = 15
PRICES = ("open", "high", "low", "close")


@dataclass(frozen=True)
class Answer:
    """What a command line gave: exit code, stdout, and stderr without its notes."""

    code: int
    out: str
    lines: tuple[str, ...]


def crashbook(*arguments: str) -> Answer:
    """Run a command line in this process."""
    result = call(*arguments)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    lines = tuple(line for line in result.stderr.splitlines() if not line.startswith("note: "))
    return Answer(result.exit_code, result.stdout, lines)


def replay_words(*settings: str, positions: str = "200") -> list[str]:
    """Return the words of a small replay with some ``--set``."""
    changes = (word for setting in settings for word in ("--set", setting))
    return ["replay", EVENT, "--positions", positions, *WINDOW, *changes]


def accepted(*arguments: str) -> str:
    """Run a command line that must succeed without a word on stderr; return its output."""
    answer = crashbook(*arguments)
    assert (answer.code, answer.lines) == (0, ()), answer
    return answer.out


def refused(code: int, *arguments: str, details: int = 0) -> str:
    """Run a command line that must be refused in one line, with nothing written; return the line.

    A refused book adds ``details`` indented lines, one for each violation.
    """
    before = files()
    answer = crashbook(*arguments)
    assert answer.code == code, answer
    assert answer.out == ""
    assert len(answer.lines) == 1 + details, answer.lines
    assert answer.lines[0].startswith("crashbook: ")
    assert all(line.startswith("  ") for line in answer.lines[1:])
    assert "defect of the program" not in answer.lines[0], answer.lines
    assert files() == before
    return "\n".join(answer.lines)


def refusal(code: int, *settings: str, file: Path | None = None, positions: str = "200", details: int = 0) -> str:
    """Return the line that refuses the small replay before its engine; the command only prints it."""
    return refused_by(code, lambda: prepared(*settings, file=file, positions=positions), details)


def prepared(*settings: str, file: Path | None = None, positions: str = "200", event: str = EVENT) -> Prepared:
    """Prepare the small replay as the command does."""
    book = {"positions": int(positions)} if positions.isdecimal() else {"positions_file": positions}
    window = WINDOW[1:6:2] if event == EVENT else ()
    return prepare(resolve(event, overrides(file, book, [*window, *settings])))


def audited(*settings: str, **more: Any) -> StoredRun:
    """Run the small replay without the command line; every audit passes."""
    run = execute(prepared(*settings, **more), fresh=True)
    assert [audit.name for audit in run.audits() if not audit.passed] == []
    return run


def refused_by(code: int, call: Callable[[], object], details: int = 0) -> str:
    """Return the line that a function of the program refuses its input with; nothing may be written."""
    before = files()
    with pytest.raises(CrashbookError) as caught:
        call()
    text, given = explain(caught.value)
    lines = text.splitlines()
    assert given == code, text
    assert len(lines) == 1 + details, text
    assert all(line.startswith("  ") for line in lines[1:])
    assert files() == before
    return text


def files(folder: Path | None = None) -> dict[str, bytes]:
    """Return every file below a folder, by default the workspace, hidden ones included."""
    root = folder or workspace()
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def ready(venue: str = VENUE, count: int = 200, **fields: Any) -> Prepared:
    """Prepare the small replay without the command line."""
    values = {"venue": venue, "positions": count, "start": START, "end": END, "step_s": 20.0, **fields}
    return prepare(resolve(EVENT, check_values(values, "test")))


def run_of(venue: str = VENUE, count: int = 200, fresh: bool = False, **fields: Any) -> StoredRun:
    """Run the small replay without the command line."""
    return execute(ready(venue, count, **fields), fresh=fresh)


def tape() -> pl.DataFrame:
    """Return fifteen sound bars that fall by 2 % a minute from 50,000."""
    ends = [round(50_000 * 0.98**minute, 1) for minute in range(MINUTES + 1)]
    return pl.DataFrame(
        {
            "ts": [START + dt.timedelta(minutes=minute) for minute in range(MINUTES)],
            "open": ends[:-1],
            "high": ends[:-1],
            "low": ends[1:],
            "close": ends[1:],
            "volume": [1000.0] * MINUTES,
        },
        schema_overrides={"ts": pl.Datetime("us")},
    )


def spoilt(bar: int = 3, **values: float | None) -> pl.DataFrame:
    """Return the tape with some values of one bar replaced."""
    here = pl.int_range(pl.len()) == bar
    return tape().with_columns(
        pl.when(here).then(pl.lit(value, pl.Float64)).otherwise(pl.col(name)).alias(name)
        for name, value in values.items()
    )


def picked(minutes: Sequence[int]) -> pl.DataFrame:
    """Return some bars of the tape in the order given."""
    return tape()[list(minutes)]


def store(frame: pl.DataFrame, series: str = "ohlcv") -> Path:
    """Put bars into the lake of the workspace, which a replay reads instead of the sample."""
    return write_day(frame, Place(VENUE, SYMBOL, series), START.date())
