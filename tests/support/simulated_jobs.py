"""Jobs that write below a workspace, for the simulation: a fetch, replays, and what is written beside runs.

Network and engine are stand-ins, Parquet and parsed texts are remembered: of a job only the writing costs time.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import importlib
import io
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace, TracebackType
from typing import Any, ClassVar, Self

import pytest

from backtest import durable
from backtest.cli.output import whole_file
from backtest.errors import DataError
from backtest.run.stored import StudyRow, store_studies

EXECUTE = importlib.import_module("backtest.run.execute")
RUN_FOLDER = importlib.import_module("backtest.run.folder")
MIDNIGHT = dt.datetime.fromisoformat("2025-10-10")
NOW = MIDNIGHT + dt.timedelta(days=2, hours=6)
VENUE, ADDRESS = "binanceusdm", "https://archive.test"


@dataclass(frozen=True)
class Job:
    """Something that writes below the workspace: what is there before, and one run of it from start to end."""

    name: str
    before: Path
    run: Callable[[], object]


@dataclass(frozen=True)
class Setting:
    """Where jobs are made and run: patches, a folder of what is there before, the workspace, and a loop of events."""

    patch: pytest.MonkeyPatch
    folder: Path
    root: Path
    runner: asyncio.Runner


class Api:
    """The client of a venue that lists one perpetual and gives one bar a day."""

    timeout_on_exit = 0

    def __init__(self, fields: Mapping[str, Any]) -> None:
        self.fields = fields

    async def load_markets(self, reload: bool) -> dict[str, Any]:
        symbol = "BTC/USDT:USDT"
        return {
            symbol: {
                "id": "BTCUSDT", "base": "BTC", "quote": "USDT", "symbol": symbol, "swap": True, "linear": True,
                "inverse": False, "info": {}, "contractSize": 1, "precision": {"price": 0.1, "amount": 0.001},
                "limits": {"amount": {"min": 0.001}},
            }
        }  # fmt: skip

    async def fetch_ohlcv(
        self, symbol: str, timeframe: str, since: int, limit: int, params: Mapping[str, Any]
    ) -> list[list[float]]:
        return [[start, 100.0, 110.0, 90.0, 105.0, 7.0] for start in range(since, params["until"] + 1, 86_400_000)]

    async def close(self) -> None:
        return


class Web:
    """The archive's server: a session of requests, the answer of one, and the stream of its body."""

    status_code = 200
    files: ClassVar[dict[str, bytes]] = {}

    def __init__(self, body: bytes = b"") -> None:
        self.body, self.raw, self.headers = body, self, {"Content-Length": str(len(body))}

    def get(self, url: str, **_: object) -> Web:
        return Web(self.files[url.rpartition("/")[2]])

    def stream(self, size: int, decode_content: bool) -> Iterator[bytes]:
        half = len(self.body) // 2
        yield from (self.body[:half], self.body[half:])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return

    def close(self) -> None:
        return


def fetch_job(setting: Setting) -> Iterator[Job]:
    """Give the fetch of a day into an empty lake: bars from a venue and funding from an archive, and bars alone."""
    import requests

    from backtest.fetch import sources
    from backtest.fetch.plan import Target, targets
    from backtest.fetch.rest import opening
    from backtest.fetch.run import fetch
    from backtest.fetch.settings import Settings
    from tests.fetch.archives.archive_files import csv, put_zip, stamp

    rows = [(stamp(f"2025-10-{day}T{hour}:00"), 8, "0.0001") for day in (10, 11) for hour in ("00", "08", "16")]
    packed = put_zip(setting.folder / "web", "BTCUSDT-fundingRate-2025-10.zip", csv("fundingRate", rows))
    setting.patch.setattr(Web, "files", {path.name: path.read_bytes() for path in packed.parent.iterdir()})
    setting.patch.setattr(requests, "Session", Web)

    def at_once(call: Callable[[], Any]) -> asyncio.Future[Any]:
        future = asyncio.get_running_loop().create_future()
        try:
            future.set_result(call())
        except Exception as error:
            future.set_exception(error)
        return future

    setting.patch.setattr(opening, "client_class", lambda venue: Api)
    setting.patch.setattr(sources, "in_thread", at_once)
    goals = targets(
        coins=("BTC",), series=("ohlcv", "funding"), days=[MIDNIGHT.date()],
        venues=(VENUE,), now=NOW, timeframe="1d", roots={"binance": ADDRESS}, archives_first=True,
    )  # fmt: skip
    routes = {"ohlcv": "rest", "funding": "archive"}
    goals = [
        replace(goal, sources=tuple(each for each in goal.sources if each.route == routes[goal.series]))
        for goal in goals
    ]
    seconds = NOW.replace(tzinfo=dt.UTC).timestamp()

    def run(goals: Sequence[Target]) -> None:
        work = fetch(goals, Settings(), clock=lambda: seconds, draw=lambda: 0.5, stop=asyncio.Event())
        outcome = setting.runner.run(work)
        if any(outcome.lacking(goal) for goal in goals):
            raise DataError("; ".join(denied.reason for denied in outcome.denied))

    before = setting.folder / "nothing"
    before.mkdir()
    yield Job("fetch", before, lambda: run(goals))
    yield Job("fetch of bars", before, lambda: run([goal for goal in goals if goal.series == "ohlcv"]))


def replay_jobs(setting: Setting) -> Iterator[Job]:
    """Give the writing of one run into an empty workspace, over a whole run of its id, and over a damaged one.

    The engine runs once; its tables, their Parquet and ``run.json`` are remembered.
    """
    import pyarrow.parquet as pq

    from backtest.run import identity
    from backtest.run.execute import execute
    from backtest.run.prepare import prepare
    from backtest.run.resolve import resolve
    from backtest.run.tables import results
    from backtest.scenario.reading import check_values
    from tests.support import hostile

    made: dict[str, Any] = {}
    sealed, simulate, result_tables, write_table = (
        RUN_FOLDER.sealed,
        EXECUTE.simulated,
        results.result_tables,
        pq.write_table,
    )

    def remembered(key: str, call: Callable[..., Any], *args: Any) -> Any:
        if key not in made:
            made[key] = call(*args)
        return made[key]

    def parquet(table: Any, **options: Any) -> bytes:
        out = io.BytesIO()
        write_table(table, out, **options)
        return out.getvalue()

    setting.patch.setattr(EXECUTE, "simulated", lambda *args: remembered("outcome", simulate, *args))
    setting.patch.setattr(results, "result_tables", lambda *args: remembered("tables", result_tables, *args))

    def write(table: Any, file: Any, **options: Any) -> None:
        name = next((name for name, each in made.get("tables", {}).items() if each is table), "")
        if name:
            file.write(remembered(f"{name}.parquet", partial(parquet, **options), table))
        else:  # a day of the lake
            write_table(table, file, **options)

    setting.patch.setattr(pq, "write_table", write)
    setting.patch.setattr(RUN_FOLDER, "sealed", lambda body: remembered("run.json", sealed, body))
    setting.patch.setattr(identity, "code_digest", lambda *_: "0" * 64)
    values = {"venue": hostile.VENUE, "positions": 20, "start": hostile.START, "end": hostile.END, "step_s": 20.0}
    prepared = prepare(resolve(hostile.EVENT, check_values(values, "test")))
    whole, damaged, empty = (setting.folder / name for name in ("whole", "damaged", "empty"))
    empty.mkdir()
    with pytest.MonkeyPatch.context() as here:
        here.setenv("CRASHBOOK_HOME", str(whole))
        whole.mkdir()
        execute(prepared)
    shutil.copytree(whole, damaged)
    (damaged / "runs" / prepared.run_id / "run.json").write_bytes(b"{")
    yield Job("replay", empty, lambda: execute(prepared))
    yield Job("replay again", whole, lambda: execute(prepared, fresh=True))
    yield Job("replay of a damaged run", damaged, lambda: execute(prepared))


def answer_jobs(setting: Setting) -> Iterator[Job]:
    """Give the writing of one file beside a run, in the folder of reports, for ``--output`` and by a library."""
    from backtest.report import page

    before = setting.folder / "answers"
    run, bars, book = (Path(name) for name in ("runs/one", "answers/bars.csv", "data/books/book.parquet"))
    for path in (before / run / "run.json", before / bars):
        path.parent.mkdir(parents=True)
        path.write_bytes(b"older " * 400)
    row = StudyRow(label="a", run_id="one", metrics={"adl_usd": 1.0})
    store_studies(before / run, rows={"first": (row,)})
    setting.patch.setattr(page, "html", lambda *_: "<p>page</p>" * 300)
    of_run = SimpleNamespace(meta=SimpleNamespace(event=SimpleNamespace(id="2025-10-10"), run_id="one"))

    def answer() -> None:
        with whole_file(setting.root / bars) as file:
            for number in range(3):
                file.write(f"{number}\n".encode() * 300)

    def library() -> None:
        durable.make_folder((setting.root / book).parent)
        with durable.draft(setting.root / book) as partial:
            partial.write_bytes(b"PAR1" * 300)

    yield Job("studies", before, lambda: store_studies(setting.root / run, rows={"second": (row,)}))
    yield Job("report", before, lambda: page.write(of_run, None))  # type: ignore[arg-type]
    yield Job("answer", before, answer)
    yield Job("book", before, library)


KINDS: Mapping[str, Callable[[Setting], Iterator[Job]]] = {
    "fetch": fetch_job,
    "replay": replay_jobs,
    "answer": answer_jobs,
}
