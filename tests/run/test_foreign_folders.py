"""A run folder from a stranger: one line or a sound answer, nothing executed, nothing outside the folder touched."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from backtest.errors import RunError
from backtest.run.run import open_folder
from tests.run.foreign import (
    COMMANDS,
    Shelf,
    changed,
    commanded,
    every_field,
    every_file,
    harmless,
    rewritten,
    tried,
)
from tests.support.hostile import refused

CASES = int(os.environ.get("CRASHBOOK_FOREIGN_CASES", "180"))
SEED = int(os.environ.get("CRASHBOOK_FOREIGN_SEED", "20251010"))


@pytest.fixture
def folder(stall: Shelf, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of the pristine run."""
    monkeypatch.setenv("CRASHBOOK_HOME", str(stall.outside))
    stall.restore()
    return stall.folder


def test_hostile_folders_end_in_one_line_and_touch_nothing(stall: Shelf, folder: Path) -> None:
    print(f"seed {SEED}, {CASES} cases")
    rng = random.Random(SEED)
    cases = [*every_field(stall, rng), *every_file(stall)]
    fields = {case.name.rsplit(" ", 2)[0]: case for case in rng.sample(cases, len(cases))}
    drawn = [*rng.sample([*fields.values()], min(len(fields), CASES // 2)), *rng.sample(cases, CASES // 2)]
    outcomes = [bool(tried(stall, case, rng, deep=0)) for case in drawn]
    assert CASES // 3 < sum(outcomes) < CASES  # some texts are free


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: words[0])
@pytest.mark.parametrize("spoil", ["threshold", "columns", "link"])
def test_every_reader_refuses_what_open_refuses(stall: Shelf, folder: Path, words: tuple[str, ...], spoil: str) -> None:
    if spoil == "threshold":
        changed(stall, "threshold", value=f"' as t; copy (select 1) to '{stall.outside}/executed'; select '<")
    elif spoil == "link":
        (folder / "runs.parquet").unlink()
        (folder / "runs.parquet").symlink_to(stall.outside / "copy-runs.parquet")
    else:
        rewritten(stall, "runs", lambda frame: frame.rename({"seed": "sead"}))
    code = commanded(stall, words)
    assert code == {"runs": 0, "diff": 2 if spoil == "columns" else 1}.get(words[0], 1)  # runs lists what it can
    assert stall.state() == stall.before


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        (("threshold",), "' ; select 1; --", "Invalid enum value"),
        (("run_id",), "../../outside", "matching regex"),
        (("run_id",), "0123456789ab\n", "run_id has control characters"),
        (("event", "id"), "../../outside", "matching regex"),
        (("event", "title"), "\x1b[31mred", "title has control characters"),
        (("venue", "id"), "..", "matching regex"),
        (("scenario", "fund_floor_usd"), "0); copy", "Expected `float | null`"),
        (("scenario", "fund_floor_usd"), 1e300, "Expected `float` <="),
        (("scenario", "ranking"), "first come", "Invalid enum value 'first come'"),
        (("scenario", "more"), 1, "unknown field `more`"),
        (("labels", "book", "badge"), "certified", "Invalid enum value 'certified'"),
        (("tables", "more"), {"rows": 1, "sha256": "0" * 64}, "table more is unknown"),
        (("tables", "steps", "rows"), -1, "Expected `int` >= 0"),
        (("digests", "data"), "", "matching regex"),
        (("settlement", "coin_px"), 0, "Expected `float` > 0"),
        (("cross",), 1, "Expected `bool`, got `int`"),
    ],
)
def test_a_field_has_its_declared_form(
    stall: Shelf, folder: Path, place: tuple[str, ...], value: object, said: str
) -> None:
    changed(stall, *place, value=value)
    with pytest.raises(RunError) as caught:
        open_folder(folder)
    assert said in str(caught.value)
    harmless(str(caught.value))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda frame: frame.drop("trade_px"), "other columns than this version: trade_px"),
        (lambda frame: frame.with_columns(step=pl.lit("1")), "step as VARCHAR, not BIGINT"),
        (lambda frame: frame.with_columns(pl.struct("step").alias("step")), "step as STRUCT.step BIGINT., not BIGINT"),
        (lambda frame: frame.with_columns(pl.concat_list("step").alias("step")), "step as BIGINT.., not BIGINT"),
        (lambda frame: frame.with_columns(more=pl.lit(1)), "other columns than this version: more"),
        (lambda frame: frame.select(frame.columns[::-1]), "its columns in another order"),
    ],
)
def test_a_table_has_its_declared_columns(
    stall: Shelf, folder: Path, change: Callable[[pl.DataFrame], pl.DataFrame], said: str
) -> None:
    rewritten(stall, "steps", change)
    run = open_folder(folder)
    for read in (run.connect, lambda: run.steps):
        with pytest.raises(RunError) as caught:
            read()
        harmless(str(caught.value))
    with pytest.raises(RunError, match=said):
        run.connect()


def test_a_table_has_the_rows_of_its_run(stall: Shelf, folder: Path) -> None:
    entry = json.loads(stall.files["run.json"])["tables"]["steps"]
    changed(stall, "tables", "steps", value={**entry, "rows": entry["rows"] + 1})
    with pytest.raises(RunError, match="table steps has 60 rows, not the 61 of its run"):
        open_folder(folder).connect()
    for rows in (0, entry["rows"] + 1):
        changed(stall, "tables", "steps", value={**entry, "rows": rows})
        with pytest.raises(RunError, match="has 60 rows, not the "):
            _ = open_folder(folder).steps


@pytest.mark.parametrize("name", ["run.json", "studies.json", "steps.parquet"])
@pytest.mark.parametrize("kind", ["link", "FIFO", "folder"])
def test_only_regular_files_are_read(stall: Shelf, folder: Path, name: str, kind: str) -> None:
    (folder / name).unlink()
    if kind == "link":
        (folder / name).symlink_to(stall.outside / f"copy-{name}")
    elif kind == "FIFO":
        os.mkfifo(folder / name)
    else:
        (folder / name).mkdir()
    if name == "studies.json":
        assert open_folder(folder).studies.seeds is None  # a study can be run again
    else:
        assert (
            "missing" if kind == "folder" else f"a {kind}; allowed: a regular file" in refused(1, "audit", str(folder))
        )


def test_a_linked_folder_is_named_by_its_place(stall: Shelf, folder: Path) -> None:
    link = stall.outside / "linked"
    link.symlink_to(folder)
    try:
        assert "a link; name the folder that it points to" in refused(1, "audit", str(link))
    finally:
        link.unlink()


def test_a_file_too_large_is_not_read(stall: Shelf, folder: Path) -> None:
    from backtest.run.reading import LARGEST_JSON

    os.truncate(folder / "run.json", LARGEST_JSON + 1)
    assert "bytes; allowed: a regular file of at most" in refused(1, "audit", str(folder))
