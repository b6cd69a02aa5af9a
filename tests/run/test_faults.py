"""Full disks, folders that cannot be written, processes that are killed: a run is there whole or not at all."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from backtest.assets import runs_folder
from backtest.run.run import open_run
from backtest.run.stored import StudyRow, store_studies
from tests.support.hostile import Answer, crashbook, files, refused, replay_words, run_of

KILLED = """
import os, signal, sys
from backtest.run import folder
write, left = folder.write_parquet, [4]
def until_killed(table, path):
    left[0] -= 1
    if not left[0]:
        path.write_bytes(b"PAR1 half")
        os.kill(os.getpid(), signal.SIGKILL)
    return write(table, path)
folder.write_parquet = until_killed
from backtest.cli import main
main()
"""


def child(program: str, *arguments: str) -> Answer:
    """Run a program of Python in a process of its own."""
    command = [sys.executable, "-c", program, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=dict(os.environ))
    lines = tuple(line for line in done.stderr.splitlines() if not line.startswith("note: "))
    return Answer(done.returncode, done.stdout, lines)


@contextmanager
def full(limit: int) -> Iterator[None]:
    """Let no file of this process grow beyond a limit, as on a disk without room."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def runs() -> list[str]:
    """Return the names of what lies in the folder of runs, hidden ones included."""
    return sorted(path.name for path in runs_folder().iterdir())


# a full disk: no file may grow beyond a limit


@pytest.mark.parametrize("limit", [0, 12_000])
def test_a_full_disk_leaves_no_run(limit: int) -> None:
    with full(limit):
        answer = crashbook(*replay_words())
    assert (answer.code, answer.out) == (1, "")
    assert len(answer.lines) == 1
    assert answer.lines[0].startswith(f"crashbook: cannot write {runs_folder()}/")
    assert answer.lines[0].endswith(": File too large; free space or choose CRASHBOOK_HOME")
    assert runs() == []


def test_a_full_disk_leaves_the_older_run_of_the_same_id_alone() -> None:
    first = run_of()
    before = files()
    with full(12_000):
        answer = crashbook(*replay_words(), "--fresh")
    assert answer.code == 1
    assert f"cannot write {runs_folder() / first.run_id}: File too large" in answer.lines[0]
    assert files() == before
    assert open_run(first.run_id).summary() == first.summary()


def test_a_full_disk_leaves_no_half_report_or_answer(tmp_path: Path) -> None:
    run_of()
    before = files()
    for words in (["report"], ["query", "price_path", "--output", str(tmp_path / "bars.csv"), "-q"]):
        with full(500):
            answer = crashbook(*words)
        assert (answer.code, answer.out, len(answer.lines)) == (1, "", 1), answer
        assert "File too large" in answer.lines[0]
    assert files() == before
    assert not (tmp_path / "bars.csv").exists()


def test_a_study_that_cannot_be_stored_leaves_the_run_and_its_older_study_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = run_of()
    row = StudyRow(label="a", run_id=run.run_id, metrics={})
    store_studies(run.path, rows={"grid": (row,)})
    before = files()
    monkeypatch.setattr(os, "replace", _refuse)
    with pytest.raises(Exception, match="No space left on device; free space or choose CRASHBOOK_HOME"):
        store_studies(run.path, rows={"grid": ()})
    assert files() == before


def _refuse(path: Path, target: Path) -> None:
    raise OSError(28, "No space left on device")


# folders that cannot be written; permissions would not stop root, a file in the way stops everybody


@pytest.fixture
def below_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put the workspace below a regular file."""
    (tmp_path / "file").write_text("", "utf-8")
    home = tmp_path / "file" / "home"
    monkeypatch.setenv("CRASHBOOK_HOME", str(home))
    return home


def test_a_workspace_that_cannot_be_is_refused(below_a_file: Path) -> None:
    line = refused(1, *replay_words())
    assert line.startswith(f"crashbook: cannot write {below_a_file / 'runs'}/")
    assert line.endswith(": Not a directory; free space or choose CRASHBOOK_HOME")


@pytest.mark.parametrize("words", [["query", "price_path"], ["audit"], ["sql", "select 1"], ["report"]])
def test_reading_a_workspace_that_cannot_be_finds_no_run(below_a_file: Path, words: list[str]) -> None:
    assert "no runs in " in refused(1, *words)


def test_a_file_in_the_place_of_a_run_is_not_removed() -> None:
    run_id = run_of().run_id
    for path in (runs_folder() / run_id).iterdir():
        path.unlink()
    (runs_folder() / run_id).rmdir()
    (runs_folder() / run_id).write_text("mine", "utf-8")
    assert f"cannot write {runs_folder() / run_id}: Not a directory" in refused(1, *replay_words())


# processes that end in the middle


def test_a_killed_writer_leaves_the_older_run_alone_and_a_hidden_folder_that_the_next_removes() -> None:
    first = run_of()
    before = files(first.path)
    assert child(KILLED, *replay_words(), "--fresh").code == -signal.SIGKILL
    assert files(first.path) == before
    partial, whole = runs()
    assert whole == first.run_id
    assert partial.startswith(f".{first.run_id}.")
    assert any(name.endswith(".parquet") for name in files(runs_folder() / partial))
    assert crashbook("runs", "-q").out.count("\n") == 3  # the heading and the older run
    run_of(fresh=True)
    assert runs() == [first.run_id]
    assert files(first.path).keys() == before.keys()


def test_an_interrupted_writer_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    from backtest.run import folder

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(folder, "sealed", interrupt)
    answer = crashbook(*replay_words())
    assert (answer.code, answer.out, len(answer.lines)) == (130, "", 1)
    assert answer.lines[0].startswith("crashbook: interrupted; ")
    assert runs() == []


def test_a_run_that_cannot_take_its_place_gives_it_back_to_the_older_one(monkeypatch: pytest.MonkeyPatch) -> None:
    first = run_of()
    before = files()
    replace = os.replace

    def refuse_the_new(path: Path, target: Path) -> None:
        if target == first.path and ".old." not in path.name:
            raise OSError(28, "No space left on device")
        replace(path, target)

    monkeypatch.setattr(os, "replace", refuse_the_new)
    answer = crashbook(*replay_words(), "--fresh")
    assert answer.code == 1
    assert "No space left on device" in answer.lines[0]
    assert files() == before
