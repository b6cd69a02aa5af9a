"""Writers on a disk that fails: ``python -m tests.support.simulation --seeds 10000`` runs as many cases, seed by seed.

A case is a job (a fetch, a replay, studies, a report, an answer, a book) and up to three lives of a process that end in
a kill, an error of the disk, a full disk, or well; the power may go after any of them. After each life nothing under a
final name is half written, and what a life that ended well has published survives the power. The next life is left in
peace: it ends well, leaves what an undisturbed one leaves, and no drafts.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime as dt
import importlib
import io
import os
import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace, TracebackType
from typing import Any, ClassVar, Self

import orjson
import pytest

from backtest import durable
from backtest.assets import runs_folder
from backtest.cli.output import whole_file
from backtest.errors import CrashbookError, DataError
from backtest.run.stored import StudyRow, store_studies
from tests.support.simulated_disk import Disk, Fault, Killed, wipe

JOURNAL, LOG = "manifest.jsonl", "log.jsonl"
BUFFER_BYTES = 512  # so that a file takes several writes
MOST_LIVES = 3
KINDS = ("fetch", "replay", "answer")
EXECUTE = importlib.import_module("backtest.run.execute")
RUN_FOLDER = importlib.import_module("backtest.run.folder")
FAULTS = ("kill", "kill", "kill", "error", "full", "short")
Contents = dict[str, object]


class OneAtATime:
    """A pool of threads that has none, so that calls come in one order."""

    def __init__(self, threads: int) -> None:
        self.map = map

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return


@dataclass(frozen=True)
class Job:
    """Something that writes below the workspace: what is there before, and one run of it from start to end."""

    name: str
    before: Path
    run: Callable[[], object]


class BrokenPromiseError(AssertionError):
    """A promise of the writers is broken."""


def contents(root: Path) -> Contents:
    """Return the files below a folder; of the journal its newest entries, of a log whether it is whole."""
    start = len(str(root)) + 1
    return {path[start:]: _content(path) for path in files_below(str(root))}


def files_below(folder: str, partials: bool = False) -> Iterator[str]:
    """Give the files that are no drafts, or all of them."""
    for each in sorted(os.scandir(folder), key=lambda each: each.name):
        if partials or not _is_partial(each.name):
            if each.is_dir(follow_symlinks=False):
                yield from files_below(each.path, partials)
            else:
                yield each.path


def _content(path: str) -> object:
    data = Path(path).read_bytes()
    if path.endswith(LOG):
        return sorted(orjson.loads(data))
    if not path.endswith(JOURNAL):
        return data
    entries = {}
    for line in data.splitlines():
        with suppress(orjson.JSONDecodeError):
            entry = orjson.loads(line)
            entries[entry["file"]] = {key: value for key, value in entry.items() if key != "fetched_at"}
    return entries


def _is_partial(name: str) -> bool:
    return name.startswith(".") and name.endswith(durable.PARTIAL)


class Case:
    """One seed: a job on a disk of its own."""

    def __init__(self, job: Job, root: Path, draw: random.Random) -> None:
        self.job, self.root, self.draw = job, root, draw
        for path in root.iterdir():
            wipe(path)
        shutil.copytree(job.before, root, dirs_exist_ok=True)
        self.disk = Disk(root, draw)
        self.first = contents(root)
        self.told: list[str] = []

    def live(self, *faults: Fault) -> str:
        """Let a process run the job; return how it ended."""
        self.disk.begin(*faults)
        vars(durable)["os"] = self.disk
        durable._ON_DISK.clear()
        try:
            self.job.run()
        except Killed:
            ended = "killed"
        except (CrashbookError, OSError) as error:  # those that a command tells in one line
            if "\n" in str(error):
                raise BrokenPromiseError(f"more than a line: {error}") from error
            ended = "refused"
        else:
            ended = "killed" if self.disk.dead else "well"
        finally:
            self.disk.end()
        self.told.append(f"{ended} at call {self.disk.calls} with {faults}")
        return ended

    def check(self, expected: Contents) -> None:
        """Check that whatever stands under a final name is whole: as it was or as it shall be."""
        now = contents(self.root)
        for name, content in now.items():
            if name.endswith(JOURNAL):
                whole = expected[name]
                assert isinstance(content, dict)
                assert isinstance(whole, dict)
                if not content.items() <= whole.items():
                    raise BrokenPromiseError(f"{name} tells of rows that nobody wrote")
            elif content not in (self.first.get(name), expected.get(name)):
                raise BrokenPromiseError(f"{name} is half written")
        for folder in runs_folder().glob("[!.]*"):
            start = f"runs/{folder.name}/"
            files, old, new = (_below(each, start) for each in (now, self.first, expected))
            if files not in (old, new):
                raise BrokenPromiseError(f"{folder.name} is no whole run: {_differences(files, new)}")

    def check_survival(self, expected: Contents) -> None:
        """Check that what a life that ended well has published is there after the power went."""
        published = {
            path.relative_to(self.root).as_posix() for path in self.disk.published if not _is_partial(path.name)
        }
        now = contents(self.root)
        for name in expected:
            if (
                any(name == each or name.startswith(f"{each}/") for each in published)
                and now.get(name) != expected[name]
            ):
                raise BrokenPromiseError(f"{name} was written and is lost")


@dataclass(frozen=True)
class Quiet:
    """What an undisturbed run of a job leaves, and how many calls it makes."""

    contents: Contents
    calls: int


def quiet_run(job: Job, root: Path) -> Quiet:
    """Run a job undisturbed."""
    case = Case(job, root, random.Random(0))
    assert case.live() == "well"
    quiet = Quiet(contents(root), case.disk.calls)
    case.disk.lose_power(all_lost=True)
    if contents(root) != quiet.contents:
        raise BrokenPromiseError(f"{job.name}: an undisturbed run does not survive the loss of power")
    return quiet


def run_case(seed: int, jobs: Mapping[str, tuple[Job, Quiet]], root: Path) -> list[str]:
    """Run one case; return how its lives ended.

    Raises
    ------
    BrokenPromiseError
        A promise is broken; the message tells seed, job and lives.
    """
    draw = random.Random(seed)
    job, quiet = jobs[draw.choice(sorted(jobs))]
    case = Case(job, root, draw)
    try:
        for _ in range(draw.randint(1, MOST_LIVES)):
            calls = draw.sample(range(1, quiet.calls + 3), draw.choice((1, 1, 2)))
            ended = case.live(*(Fault(call, draw.choice(FAULTS)) for call in calls))  # type: ignore[arg-type]
            case.check(quiet.contents)
            if draw.random() < 0.6:
                case.disk.lose_power(all_lost=ended == "well")
                case.told.append("power lost")
                case.check(quiet.contents)
                if ended == "well":
                    case.check_survival(quiet.contents)
        if case.live() != "well":
            raise BrokenPromiseError("the next run does not end well")
        if contents(root) != quiet.contents:
            raise BrokenPromiseError(f"differs from an undisturbed run: {_differences(contents(root), quiet.contents)}")
        left = [name for name in files_below(str(root), partials=True) if f"{durable.PARTIAL}" in name]
        if left:
            raise BrokenPromiseError(f"drafts are left: {left[:3]}")
        case.disk.lose_power(all_lost=True)
        case.check(quiet.contents)
        case.check_survival(quiet.contents)
    except BrokenPromiseError as broken:
        raise BrokenPromiseError(f"seed {seed}, {job.name}: {broken}; {'; '.join(case.told)}") from broken
    return [job.name, *(told.partition(" at ")[0] for told in case.told)]


def _below(files: Contents, start: str) -> Contents:
    return {name: content for name, content in files.items() if name.startswith(start)}


def _differences(one: Contents, other: Contents) -> list[str]:
    return sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))


# the jobs

MIDNIGHT = dt.datetime.fromisoformat("2025-10-10")
NOW = MIDNIGHT + dt.timedelta(days=2, hours=6)
VENUE, ADDRESS = "binanceusdm", "https://archive.test"


class Api:
    """The client of a venue that lists one perpetual and gives one bar a day."""

    timeout_on_exit = 0

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


def fetch_job(patch: pytest.MonkeyPatch, folder: Path, runner: asyncio.Runner) -> Job:
    """Return the fetch of two days of bars from a venue and of funding from an archive, into an empty lake."""
    import requests

    from backtest.fetch import sources
    from backtest.fetch.plan import targets
    from backtest.fetch.rest.client import Client
    from backtest.fetch.run import fetch
    from backtest.fetch.settings import Settings
    from tests.fetch.archives.archive_files import csv, put_zip, stamp

    rows = [(stamp(f"2025-10-{day}T{hour}:00"), 8, "0.0001") for day in (10, 11) for hour in ("00", "08", "16")]
    packed = put_zip(folder / "web", "BTCUSDT-fundingRate-2025-10.zip", csv("fundingRate", rows))
    patch.setattr(Web, "files", {path.name: path.read_bytes() for path in packed.parent.iterdir()})
    patch.setattr(requests, "Session", Web)

    async def opened(venue: str, settings: Settings, draw: Callable[[], float], stop: asyncio.Event) -> Client:
        return Client(venue, Api(), settings, draw, stop)

    def at_once(call: Callable[[], Any]) -> asyncio.Future[Any]:
        future = asyncio.get_running_loop().create_future()
        try:
            future.set_result(call())
        except Exception as error:
            future.set_exception(error)
        return future

    patch.setattr(sources, "open_client", opened)
    patch.setattr(sources, "in_thread", at_once)
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

    def run() -> None:
        outcome = runner.run(fetch(goals, Settings(), clock=lambda: seconds, draw=lambda: 0.5, stop=asyncio.Event()))
        if any(outcome.lacking(goal) for goal in goals):
            raise DataError("; ".join(denied.reason for denied in outcome.denied))

    before = folder / "nothing"
    before.mkdir()
    return Job("fetch", before, run)


def replay_jobs(patch: pytest.MonkeyPatch, folder: Path) -> Iterator[Job]:
    """Give the writing of one run into an empty workspace, over a whole run of its id, and over a damaged one.

    The engine runs once; its tables, their Parquet and ``run.json`` are remembered.
    """
    import pyarrow.parquet as pq

    from backtest.run import identity, tables
    from backtest.run.execute import execute
    from backtest.run.prepare import prepare
    from backtest.run.resolve import resolve
    from backtest.scenario.reading import check_values
    from tests.support import hostile

    made: dict[str, Any] = {}
    sealed, simulate, result_tables, write_table = (
        RUN_FOLDER.sealed,
        EXECUTE.simulate,
        tables.result_tables,
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

    patch.setattr(EXECUTE, "simulate", lambda *args: remembered("outcome", simulate, *args))
    patch.setattr(tables, "result_tables", lambda *args: remembered("tables", result_tables, *args))
    patch.setattr(
        pq, "write_table",
        lambda table, file, **options: file.write(remembered(f"{id(table)}", partial(parquet, **options), table)),
    )  # fmt: skip
    patch.setattr(RUN_FOLDER, "sealed", lambda body: remembered("run.json", sealed, body))
    patch.setattr(identity, "code_digest", lambda: "one")
    values = {"venue": hostile.VENUE, "positions": 20, "start": hostile.START, "end": hostile.END}
    prepared = prepare(resolve(hostile.EVENT, check_values(values, "test")))
    whole, damaged, empty = (folder / name for name in ("whole", "damaged", "empty"))
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


def answer_jobs(patch: pytest.MonkeyPatch, folder: Path, root: Path) -> Iterator[Job]:
    """Give the writing of one file beside a run, in the folder of reports, for ``--output`` and by a library."""
    from backtest.report import page

    before = folder / "answers"
    run, bars, book = (Path(name) for name in ("runs/one", "answers/bars.csv", "data/books/book.parquet"))
    for path in (before / run / "run.json", before / bars):
        path.parent.mkdir(parents=True)
        path.write_bytes(b"older " * 400)
    row = StudyRow(label="a", run_id="one", metrics={"adl_usd": 1.0})
    store_studies(before / run, rows={"first": (row,)})
    patch.setattr(page, "html", lambda _: "<p>page</p>" * 300)
    of_run = SimpleNamespace(meta=SimpleNamespace(event=SimpleNamespace(id="2025-10-10"), run_id="one"))

    def answer() -> None:
        with whole_file(root / bars) as file:
            for number in range(3):
                file.write(f"{number}\n".encode() * 300)

    def library() -> None:
        durable.make_folder((root / book).parent)
        with durable.draft(root / book) as partial:
            partial.write_bytes(b"PAR1" * 300)

    yield Job("studies", before, lambda: store_studies(root / run, rows={"second": (row,)}))
    yield Job("report", before, lambda: page.write(of_run, None))  # type: ignore[arg-type]
    yield Job("answer", before, answer)
    yield Job("book", before, library)


# all of it


@contextmanager
def simulated(folder: Path, *names: str) -> Iterator[tuple[Path, dict[str, tuple[Job, Quiet]]]]:
    """Give the workspace of the cases and the jobs of some kinds: ``fetch``, ``replay``, ``answer``."""
    root = folder / "disk"
    root.mkdir()
    with pytest.MonkeyPatch.context() as patch, asyncio.Runner() as runner:
        patch.setenv("CRASHBOOK_HOME", str(root))
        makers: dict[str, Callable[[], Iterable[Job]]] = {
            "fetch": lambda: [fetch_job(patch, folder, runner)],
            "replay": lambda: replay_jobs(patch, folder),
            "answer": lambda: answer_jobs(patch, folder, root),
        }
        jobs = [job for name in names for job in makers[name]()]
        patch.setitem(vars(durable), "os", os)  # what the cases put there is put back
        patch.setattr(durable, "BUFFER_BYTES", BUFFER_BYTES)
        for module in (durable, RUN_FOLDER):
            patch.setattr(module, "ThreadPoolExecutor", OneAtATime)
        yield root, {job.name: (job, quiet_run(job, root)) for job in jobs}


def main() -> int:
    """Run the cases asked for and print what came of them."""
    parser = argparse.ArgumentParser(prog="python -m tests.support.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=10_000, help="how many cases")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--jobs", nargs="*", default=KINDS, choices=KINDS)
    asked = parser.parse_args()
    counts: Counter[str] = Counter()
    broken = 0
    with tempfile.TemporaryDirectory() as name, simulated(Path(name), *asked.jobs) as (root, jobs):
        for seed in range(asked.first, asked.first + asked.seeds):
            try:
                counts.update(run_case(seed, jobs, root))
            except BrokenPromiseError as violation:
                broken += 1
                print(violation, flush=True)
    print(f"seeds {asked.first} to {asked.first + asked.seeds - 1}: {broken} broken")
    print(", ".join(f"{count:,} {name}" for name, count in sorted(counts.items())))
    return int(broken > 0)


if __name__ == "__main__":
    raise SystemExit(main())
