"""Writers on a disk that fails: ``python -m tests.support.simulation --seeds 10000`` runs as many cases, seed by seed.

A case is a job (a fetch, a replay, studies, a report, an answer, a book) and up to three lives of a process that end in
a kill, an error of the disk, a full disk, or well; the power may go after any of them. After each life nothing under a
final name is half written, and what a life that ended well has published survives the power. The next life is left in
peace: it ends well, leaves what an undisturbed one leaves, and no drafts.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import orjson
import pytest

from backtest import durable
from backtest.assets import runs_folder
from backtest.errors import CrashbookError
from backtest.fetch.sources import ARCHIVE_CACHE
from tests.support.simulated_disk import Disk, Fault, Killed, Kind, wipe
from tests.support.simulated_jobs import KINDS, RUN_FOLDER, Job, Setting

JOURNAL, LOG = "manifest.jsonl", "log.jsonl"
BUFFER_BYTES = 512  # so that a file takes several writes
MOST_LIVES = 3
FAULTS: tuple[Kind, ...] = ("kill", "kill", "kill", "error", "full", "short")
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
        return data and b"began" in data and data.endswith(b"}\n")
    if not path.endswith(JOURNAL):
        return data
    entries = {}
    for text in data.splitlines():
        line = text.rpartition(b"\0")[2]
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
        self.first = self.seen = contents(root)
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
        now = self.seen = contents(self.root)
        for name, content in now.items():
            if name.endswith(JOURNAL):
                whole = expected[name]
                assert isinstance(content, dict)
                assert isinstance(whole, dict)
                if not content.items() <= whole.items():
                    raise BrokenPromiseError(f"{name} tells of rows that nobody wrote")
            elif content not in (self.first.get(name), expected.get(name)):
                raise BrokenPromiseError(f"{name} is half written: {_first_difference(content, expected.get(name))}")
        for folder in runs_folder().glob("[!.]*"):
            start = f"runs/{folder.name}/"
            files, old, new = (_below(each, start) for each in (now, self.first, expected))
            if files not in (old, new):
                raise BrokenPromiseError(f"{folder.name} is no whole run: {_differences(files, new)}")

    def check_refusal(self) -> None:
        """Check that a life that met one error has left all that was there, and no draft of its own."""
        lost = self.seen.keys() - contents(self.root).keys()
        if lost:
            raise BrokenPromiseError(f"an error of the disk took {sorted(lost)[:3]}")
        end = f".{self.disk.pid}{durable.PARTIAL}"
        left = [name for name in files_below(str(self.root), partials=True) if end in name and durable.OLD not in name]
        if left:
            raise BrokenPromiseError(f"an error of the disk left {left[:3]}")

    def check_survival(self, expected: Contents) -> None:
        """Check that what a life that ended well has published is there after the power went."""
        published = {
            path.relative_to(self.root).as_posix() for path in self.disk.published if not _is_partial(path.name)
        }
        now = contents(self.root)
        for name, content in expected.items():
            of_this_life = any(name == each or name.startswith(f"{each}/") for each in published)
            if of_this_life and now.get(name) != content:
                raise BrokenPromiseError(f"{name} was written and is lost")
            if name.endswith(JOURNAL):
                lines, whole = now.get(name, {}), content
                assert isinstance(lines, dict)
                assert isinstance(whole, dict)
                absent = [day for day in whole.keys() - lines.keys() if f"data/lake/{day}" in published]
                if absent:
                    raise BrokenPromiseError(f"{name} lacks {absent}")


@dataclass(frozen=True)
class Quiet:
    """What an undisturbed run of a job leaves, how many calls it makes, and which of them are renames."""

    contents: Contents
    calls: int
    renames: tuple[int, ...]

    def call(self, draw: random.Random) -> int:
        """Draw a call, every other time one beside a rename."""
        near = draw.choice(self.renames) + draw.choice((-1, 0, 0, 1))
        return draw.choice((draw.randint(1, self.calls + 2), near))


def quiet_run(job: Job, root: Path) -> Quiet:
    """Run a job undisturbed."""
    case = Case(job, root, random.Random(0))
    assert case.live() == "well"
    quiet = Quiet(contents(root), case.disk.calls, tuple(case.disk.renames))
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
            calls = {quiet.call(draw) for _ in range(draw.choice((1, 1, 2)))}
            ended = case.live(*(Fault(call, draw.choice(FAULTS)) for call in sorted(calls)))
            if ended == "refused" and len(calls) == 1:
                case.check_refusal()
            case.check(quiet.contents)
            if ended == "well":
                case.check_survival(quiet.contents)
            if draw.random() < 0.6:
                case.disk.lose_power(all_lost=ended == "well" and draw.random() < 0.5)
                case.told.append("power lost")
                case.check(quiet.contents)
                if ended == "well":
                    case.check_survival(quiet.contents)
        if case.live() != "well":
            raise BrokenPromiseError("the next run does not end well")
        differing = [name for name in _differences(contents(root), quiet.contents) if not _is_spare(name)]
        if differing or contents(root).keys() - quiet.contents.keys():
            raise BrokenPromiseError(f"differs from an undisturbed run: {differing}")
        left = [name for name in files_below(str(root), partials=True) if durable.PARTIAL in name]
        if left:
            raise BrokenPromiseError(f"drafts are left: {left[:3]}")
        case.disk.lose_power(all_lost=True)
        case.check(quiet.contents)
        case.check_survival(quiet.contents)
    except Exception as error:
        text = f"seed {seed}, {job.name}: {type(error).__name__}: {error}; {'; '.join(case.told)}"
        raise BrokenPromiseError(text) from error
    return [job.name, *(told.partition(" at ")[0] for told in case.told)]


def _first_difference(found: object, expected: object) -> str:
    if not isinstance(found, bytes) or not isinstance(expected, bytes):
        return "nothing of the name is expected"
    at = next((at for at, (one, other) in enumerate(zip(found, expected, strict=False)) if one != other), len(found))
    sizes = f"{len(found)} bytes instead of {len(expected)}"
    return f"{sizes}, {found[at : at + 40]!r} instead of {expected[at : at + 40]!r} from byte {at}"


def _is_spare(name: str) -> bool:
    """Return whether a file is of the cache of archives: its days are there and nobody asks for it again."""
    return f"/{ARCHIVE_CACHE}/" in name


def _below(files: Contents, start: str) -> Contents:
    return {name: content for name, content in files.items() if name.startswith(start)}


def _differences(one: Contents, other: Contents) -> list[str]:
    return sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))


@contextmanager
def simulated(folder: Path, *names: str) -> Iterator[tuple[Path, dict[str, tuple[Job, Quiet]]]]:
    """Give the workspace of the cases and the jobs of some kinds: ``fetch``, ``replay``, ``answer``."""
    root = folder / "disk"
    root.mkdir()
    with pytest.MonkeyPatch.context() as patch, asyncio.Runner() as runner:
        patch.setenv("CRASHBOOK_HOME", str(root))
        setting = Setting(patch, folder, root, runner)
        jobs = [job for name in names for job in KINDS[name](setting)]
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
    parser.add_argument("--jobs", nargs="*", default=[*KINDS], choices=KINDS)
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
