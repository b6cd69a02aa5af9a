"""The run folder: equal bytes for equal inputs, an id that knows every input, and damage that is noticed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from backtest import assets
from backtest.api.run import open_run
from backtest.assets import runs_folder
from backtest.errors import RunError
from backtest.run import identity
from backtest.run.compare import Difference, RunDifference, diff
from backtest.run.folder import run_ids
from backtest.run.stored import Band, Seeds, Studies, store_studies
from backtest.schema.tables import VIEWS
from backtest.sql import tables as sql_tables
from tests.support.hostile import (
    accepted,
    crashbook,
    files,
    picked,
    prepared,
    ready,
    refused,
    replay_words,
    run_of,
    spoilt,
    store,
    tape,
)

LOG = "log.jsonl"
ROOT = Path(__file__).resolve().parents[2]


def content(folder: Path) -> dict[str, bytes]:
    """Return the files of a run that its inputs decide."""
    return {name: body for name, body in files(folder).items() if name != LOG}


@pytest.fixture(autouse=True)
def code_at_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the program's sources, which the id knows too, as unchanged while the tests run."""
    monkeypatch.setattr(identity, "code_digest", lambda *_: "1" * 64)


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of one run, to be copied."""
    home = tmp_path_factory.mktemp("pristine")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CRASHBOOK_HOME", str(home))
        patch.setattr(identity, "code_digest", lambda *_: "1" * 64)
        return run_of().path


@pytest.fixture
def folder(pristine: Path) -> Path:
    """Return a copy of the run in the workspace of the test."""
    return Path(shutil.copytree(pristine, runs_folder() / pristine.name))


# equal inputs, equal bytes


def test_two_runs_of_the_same_inputs_are_byte_equal(pristine: Path) -> None:
    again = run_of(fresh=True)
    assert again.run_id == pristine.name
    assert content(again.path) == content(pristine)
    assert {"run.json", "runs.parquet", "steps.parquet", "ledger.parquet"} < set(content(pristine))


OTHER = """
from backtest.run import identity
identity.code_digest = lambda *_: "1" * 64
from tests.support.hostile import run_of
run_of()
"""


def test_processes_that_hash_differently_write_the_same_bytes(tmp_path: Path, pristine: Path) -> None:
    other = next(number for number in ("1", "2") if number != os.environ.get("PYTHONHASHSEED"))  # else drawn here
    setting = {**os.environ, "PYTHONHASHSEED": other, "CRASHBOOK_HOME": str(tmp_path / "other")}
    subprocess.run([sys.executable, "-c", OTHER], env=setting, cwd=ROOT, check=True, capture_output=True)
    found = content(tmp_path / "other" / "runs" / pristine.name)
    assert found == content(pristine)
    assert len(found) > 10


def test_a_run_on_disk_is_shown_and_not_repeated(folder: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert accepted(*replay_words()).startswith(f"run {folder.name}\n")
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == before


# what the id knows


def test_the_id_changes_with_seed_scenario_venue_code_and_data(monkeypatch: pytest.MonkeyPatch) -> None:
    ids = {"first": ready().run_id, "again": ready().run_id}
    assert ids["first"] == ids.pop("again")
    ids["seed"] = ready(seed=2).run_id
    ids["field"] = ready(fund_start_usd=1e6).run_id
    ids["venue"] = ready(venue="bybit").run_id
    with monkeypatch.context() as patch:
        patch.setattr(identity, "code_digest", lambda *_: "2" * 64)
        ids["code"] = ready().run_id
    store(tape())
    ids["data"] = ready().run_id
    store(spoilt(volume=999.0))
    ids["one volume"] = ready().run_id
    store(picked([0, *range(15)]))
    ids["a row given twice"] = ready().run_id
    assert len(set(ids.values())) == len(ids)


def test_the_id_changes_with_the_venue_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pristine: Path) -> None:
    real, root = assets.asset_root(), tmp_path / "assets"
    shutil.copytree(real / "data", root / "data")
    (root / "queries").symlink_to(real / "queries")
    monkeypatch.setattr(assets, "asset_root", lambda: root)
    assert ready().run_id == pristine.name
    profile = root / "data" / "venues" / "binanceusdm.toml"
    profile.write_text(profile.read_text("utf-8").replace("rate = 0.0125", "rate = 0.0126"), "utf-8")
    assert ready().run_id != pristine.name


def test_an_imported_book_is_known_by_its_contents(tmp_path: Path) -> None:
    book = pl.DataFrame(
        {
            "account": [f"a{number}" for number in range(40)],
            "symbol": "BTC",
            "side": ["long", "short"] * 20,
            "quantity_base": [1 + number // 2 for number in range(40)],
            "entry_px": [48_000 + number for number in range(40)],
            "leverage": 5,
        }
    )

    def identity_of(frame: pl.DataFrame, name: str) -> str:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        write = frame.write_parquet if path.suffix == ".parquet" else frame.write_csv
        write(path)
        return prepared(positions=str(path)).run_id

    first = identity_of(book, "book.csv")
    assert identity_of(book, "elsewhere/renamed.csv") == first
    assert identity_of(book, "book.parquet") == first
    assert identity_of(book.sample(fraction=1, shuffle=True, seed=3), "shuffled.csv") == first
    assert identity_of(book.with_columns(pl.col("entry_px") + 1), "book.csv") != first


# damage

DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "no run.json": (lambda run: (run / "run.json").unlink(), "no run.json: the run was not finished"),
    "garbage": (lambda run: (run / "run.json").write_text("garbage"), "run.json: cannot be read (DecodeError)"),
    "binary": (lambda run: (run / "run.json").write_bytes(b"\xff\xfe"), "run.json: cannot be read (Unicode"),
    "empty": (lambda run: (run / "run.json").write_bytes(b""), "run.json: cannot be read (DecodeError)"),
    "a list": (lambda run: (run / "run.json").write_text("[1]"), "run.json: not a run of this version"),
    "old format": (lambda run: _meta(run, format=0), "run.json: not a run of this version"),
    "no tables": (lambda run: _meta(run, tables=None), "run.json: does not match its own digest: it was changed"),
    "no scenario": (lambda run: _meta(run, scenario={}), "run.json: does not match its own digest"),
    "SQL in it": (lambda run: _meta(run, threshold="'; drop view steps; --"), "does not match its own digest"),
    "one fact": (lambda run: _replace(run, b'"grade": "A"', b'"grade": "B"'), "does not match its own digest"),
    "table missing": (lambda run: (run / "watch.parquet").unlink(), "table watch is missing"),
    "table a folder": (lambda run: _folder(run / "watch.parquet"), "table watch is missing"),
    "table cut": (lambda run: _cut(run / "ledger.parquet"), "ledger.parquet: does not match the digest in run.json"),
    "table empty": (lambda run: (run / "fund.parquet").write_bytes(b""), "fund.parquet: does not match the digest"),
    "one byte": (lambda run: _flip(run / "steps.parquet", 0.5), "steps.parquet: does not match the digest in run.json"),
}  # fmt: skip


MENDED = {"no run.json", "garbage", "table missing", "table a folder", "one byte"}  # one for each way to be refused


def _meta(run: Path, **changes: object) -> None:
    body = json.loads((run / "run.json").read_text("utf-8"))
    (run / "run.json").write_text(json.dumps({**body, **changes}, indent=1), "utf-8")


def _replace(run: Path, old: bytes, new: bytes) -> None:
    body = (run / "run.json").read_bytes()
    assert old in body
    (run / "run.json").write_bytes(body.replace(old, new, 1))


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def _flip(path: Path, place_frac: float) -> None:
    body = bytearray(path.read_bytes())
    body[int(place_frac * (len(body) - 1))] ^= 1
    path.write_bytes(body)


READERS = (["query", "price_path"], ["audit"], ["sql", "select 1"], ["report"])


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_run_is_refused_by_every_reader_and_mended_by_the_next_replay(
    folder: Path, pristine: Path, kind: str
) -> None:
    damage, said = DAMAGE[kind]
    damage(folder)
    first = [*DAMAGE].index(kind)  # of the readers one for each kind, in turn, and all for the first
    for words in READERS if first == 0 else READERS[first % 4 :][:1]:
        line = refused(1, *words, str(folder))
        assert said in line
        assert line.endswith("; run it again")
    assert crashbook("runs").code == 0
    if kind in MENDED:
        assert content(run_of().path) == content(pristine)


def test_any_changed_byte_of_any_file_is_noticed(folder: Path) -> None:
    for path in sorted(folder.iterdir()):
        if path.name == LOG:
            continue
        body = path.read_bytes()
        for place_frac in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0):
            _flip(path, place_frac)
            with pytest.raises(RunError, match="run it again"):
                open_run(str(folder))
            path.write_bytes(body)
    assert open_run(str(folder)).run_id == folder.name


def seeds(*ids: str) -> Seeds:
    band = Band(low=1.0, median=2.0, high=3.0)
    return Seeds(run_ids=ids, summaries=({"adl_usd": 2.0},) * len(ids), bands={"adl_usd": band}, compared={})


def test_times_and_studies_are_no_part_of_the_identity(folder: Path) -> None:
    before = content(folder)
    store_studies(folder, seeds=seeds("a" * 12, "b" * 12))
    (folder / LOG).unlink()
    run = open_run()
    assert (run.run_id, run.studies) == (folder.name, Studies(seeds=seeds("a" * 12, "b" * 12)))
    assert {name: body for name, body in content(folder).items() if name != "studies.json"} == before
    assert run_of().path == folder
    assert not (folder / LOG).exists(), "it was not written again"


@pytest.mark.parametrize("text", ["garbage", "[1]", '{\n "run_id": "x",\n "tables": {}\n}\n', ""])
def test_damaged_studies_count_as_none(folder: Path, text: str) -> None:
    store_studies(folder, seeds=seeds("a" * 12, "b" * 12))
    (folder / "studies.json").write_text(text, "utf-8")
    run = open_run()
    assert (run.run_id, run.studies) == (folder.name, Studies())
    store_studies(folder, seeds=seeds("c" * 12))
    assert open_run().studies.seeds == seeds("c" * 12)


# reading


def test_a_large_run_is_read_where_it_lies_and_answers_the_same(
    pristine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = "SELECT table_type FROM information_schema.tables WHERE table_name = 'ledger'"
    found = {}
    for rows, expected in ((10_000, "BASE TABLE"), (100, "VIEW")):
        monkeypatch.setattr(sql_tables, "SMALL_ROWS", rows)
        run = open_run(str(pristine))
        assert run.sql(kind).item() == expected
        frames = [run.query(name) for name in (*VIEWS, "price_path", "seed_spread")]
        found[expected] = [run.audits(), *(frame.rows() for frame in frames), *(frame.schema for frame in frames)]
    assert str(found["VIEW"]) == str(found["BASE TABLE"])


# names of runs


def test_hidden_and_unfinished_folders_are_no_runs(folder: Path) -> None:
    shutil.copytree(folder, runs_folder() / f".{folder.name}.1.partial")
    (runs_folder() / "unfinished").mkdir()
    assert run_ids() == [folder.name]
    assert folder.name in accepted("runs")
    for name in (f".{folder.name}", "unfin"):
        assert f"unknown run '{name}'" in refused(2, "query", "price_path", name)


def test_a_run_is_found_by_prefix_path_or_as_the_latest(folder: Path) -> None:
    for name in (folder.name, folder.name[:4], "latest", str(folder)):
        assert open_run(name).run_id == folder.name
    twin = Path(shutil.copytree(folder, runs_folder() / f"{folder.name[:4]}-twin"))
    assert f"is ambiguous: {', '.join(run_ids())}; give more of the id" in refused(2, "audit", folder.name[:4])
    assert open_run(folder.name).path == folder
    os.utime(folder, ns=(0, 0))
    assert open_run().path == twin
    os.utime(twin, ns=(0, -1))
    assert open_run().path == folder


def test_runs_lists_what_can_be_read_and_says_what_cannot(folder: Path) -> None:
    spoilt_run = Path(shutil.copytree(folder, runs_folder() / "spoilt"))
    (spoilt_run / "run.json").write_text("garbage", "utf-8")
    answer = crashbook("runs")
    assert answer.code == 0
    assert folder.name in answer.out
    assert "spoilt" not in answer.out


def test_diff_gives_the_fields_and_numbers_that_differ(folder: Path) -> None:
    one, other = open_run(folder.name), run_of(fund_start_usd=1e6)
    found = diff(one, other)
    assert Difference("fund_start_usd", 288_718_799.0, 1_000_000.0) in found.fields
    assert {each.name for each in found.fields} <= {"fund_start_usd", "fund_inventory_limit_usd"}
    changed = {each.name: (each.left, each.right) for each in found.numbers}
    assert changed["pool_start_usd"] == (288_718_799, 1_000_000)
    assert "open_interest_usd" not in changed
    assert diff(one, one) == RunDifference((), ())
    assert "both are run" in refused(2, "diff", folder.name, folder.name)
