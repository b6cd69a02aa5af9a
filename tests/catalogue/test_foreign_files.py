"""Files of the catalogue from a stranger: each field spoilt in turn, one line or a value of its declared type."""

from __future__ import annotations

import copy
import datetime as dt
import math
import os
import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from backtest.assets import asset
from backtest.catalogue.events import get_event, parse_event
from backtest.cli.messages import explain
from backtest.errors import CrashbookError
from backtest.toml import LARGEST, read_toml
from backtest.venue.reading import parse_venue
from tests.run.foreign import TEXTS, VALUES, Place, harmless, places

CASES = int(os.environ.get("CRASHBOOK_FOREIGN_CASES", "150"))
SEED = int(os.environ.get("CRASHBOOK_FOREIGN_SEED", "20251010"))
MORE = (
    math.nan,
    math.inf,
    -math.inf,
    dt.date(1, 1, 1),
    dt.datetime.fromisoformat("9999-12-31T23:59"),
    dt.time(1),
    *VALUES,
    *TEXTS,
)
Parse = Callable[[Mapping[str, Any], str], object]


def spoilt(table: Mapping[str, Any], place: Place, rng: random.Random) -> dict[str, Any]:
    """Return a copy of a table with one value replaced, removed, renamed or doubled in a list."""
    out = copy.deepcopy(dict(table))
    holder: Any = out
    for key in place[:-1]:
        holder = holder[key]
    how, key = rng.choice(["value", "value", "missing", "extra", "doubled"]), place[-1]
    if how == "missing":
        del holder[key]
    elif how == "extra" and isinstance(holder, dict):
        holder[rng.choice(TEXTS)] = rng.choice(MORE)
    elif how == "doubled" and isinstance(holder[key], list):
        holder[key] = holder[key] * 2
    else:
        holder[key] = rng.choice(MORE)
    return out


def survive(folder: str, parse: Parse, rng: random.Random, cases: int) -> int:
    """Spoil files of the catalogue at random places; return how many were refused."""
    tables = {path.name: read_toml(path) for path in sorted(asset("data", folder).glob("*.toml"))}
    refused = 0
    for _ in range(cases):
        name = rng.choice([*tables])
        place = rng.choice([*places(tables[name])])
        try:
            parse(spoilt(tables[name], place, rng), name)
        except CrashbookError as error:
            harmless(explain(error)[0].split("\n")[0])
            refused += 1
    return refused


@pytest.mark.parametrize(("folder", "parse"), [("events", parse_event), ("venues", parse_venue)])
def test_hostile_files_of_the_catalogue_end_in_one_line(folder: str, parse: Parse) -> None:
    print(f"seed {SEED}, {CASES} cases of {folder}")
    assert CASES / 3 < survive(folder, parse, random.Random(SEED), CASES) < CASES


@pytest.mark.parametrize("name", ["../2025-10-10", "2025-10-10/..", "A", "", ".", "x" * 65, "2025-10-10\n"])
def test_an_id_names_a_file_and_nothing_else(name: str) -> None:
    table = read_toml(next(asset("data", "events").glob("2025-10-10*.toml")))
    assert parse_event(table, "event.toml") == get_event("2025-10-10")
    with pytest.raises(CrashbookError, match=r"id = .*; write small letters, digits and"):
        parse_event({**table, "id": name}, "event.toml")


def test_a_sample_lies_in_the_folder_of_samples() -> None:
    table = read_toml(next(asset("data", "events").glob("2025-10-10*.toml")))
    rows = [{**row, "file": "../../pyproject.toml"} for row in table["sample"]]
    with pytest.raises(CrashbookError, match=r"file = '../../pyproject.toml'; write the name of a file"):
        parse_event({**table, "sample": rows}, "event.toml")


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "event.toml"
    path.touch()
    os.truncate(path, LARGEST + 1)
    with pytest.raises(CrashbookError, match=r"event.toml: larger than 16 MB"):
        read_toml(path)


@pytest.mark.parametrize("key", ["x" * 100, "a\x1b[31m", "a\nb"])
def test_a_key_that_no_message_could_show_is_cut(key: str) -> None:
    table = read_toml(next(asset("data", "events").glob("2025-10-10*.toml")))
    with pytest.raises(CrashbookError, match=r"unknown key .*; keys are short names") as caught:
        parse_event({**table, key: 1}, "event.toml")
    harmless(str(caught.value))
