"""Run folders as an attacker hands them over: one fault a case, drawn from a seed, seals made anew.

``python -m tests.run.foreign 10000`` tries so many cases and prints the seed; ``--seed N`` repeats them.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import io
import json
import os
import random
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from backtest.cli.messages import explain
from backtest.errors import CrashbookError
from backtest.report import render_html
from backtest.run.drawn import AdlMinute, CoinHeadlines, Draw, DrawnField, Draws, Headlines, VaultHeadlines
from backtest.run.reading import FORMAT, LARGEST_JSON
from backtest.run.run import open_folder
from backtest.run.seal import file_digest, sealed
from backtest.run.stored import Band, Seeds, StudyRow, plain, store_studies
from backtest.run.summary import block
from tests.support.command import call
from tests.support.hostile import run_of

LONGEST_LINE = 1500
TEXTS = (
    "' as threshold, 0 as x; copy (select 1) to '{outside}/executed'; select '<",
    "<'; attach '{outside}/executed.db'; --",
    "read_text('{outside}/secret')",
    "../../../outside/{name}",
    "{outside}/written",
    "C:\\windows\\nul",
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "javascript:alert(1)",
    "{{ 7 * 7 }}{% raw %}${HOME} %s %n",
    "\x1b]0;owned\x07\x1b[31m",
    "a\nb\r\nc",
    "nul\x00byte",
    "\u2028\u202e漢👩‍🚀",
    "=cmd|' /C calc'!A0",
    "NaN",
    "9" * 400,
    "x" * 100_000,
    "",
)
VALUES: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    1.5,
    1e308,
    -(2**63),
    2**64,
    10**400,
    [],
    {},
    [[]],
    ["x"],
    {"x": {"x": 1}},
)
RAW = ("NaN", "-Infinity", "1e999", '"\\ud800"', '"\\u001b[31m"', "[" * 3000 + "]" * 3000, "'x'", "0x10", "01", "")
JSON = ("run.json", "studies.json")
Place = tuple[str | int, ...]


@dataclass
class Shelf:
    """A pristine run in memory, the folder that each case spoils, and a tree beside it that nothing may touch."""

    folder: Path
    outside: Path
    files: dict[str, bytes]
    before: dict[str, tuple[int, int, int]] = field(default_factory=dict)

    @property
    def aside(self) -> Path:
        """Return where the folder lies while a link stands in its place."""
        return self.folder.with_name("aside")

    def restore(self) -> None:
        """Make the folder the pristine one again."""
        if self.folder.is_symlink():
            self.folder.unlink()
            shutil.rmtree(self.aside)
        self.folder.mkdir(exist_ok=True)
        for path in self.folder.iterdir():
            if path.name not in self.files or not path.is_file() or path.is_symlink():
                shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        for name, body in self.files.items():
            path = self.folder / name
            if not path.exists() or path.stat().st_size != len(body) or path.read_bytes() != body:
                path.write_bytes(body)

    def state(self) -> dict[str, tuple[int, int, int]]:
        """Return what lies beside the folder: names, with kind, size and time of the last write."""
        own = {self.folder, self.aside}
        found = {}
        for path in self.outside.rglob("*"):
            if own.isdisjoint({path, *path.parents}):
                entry = path.lstat()
                times = 0 if path == self.folder.parent else entry.st_mtime_ns
                found[path.relative_to(self.outside).as_posix()] = (entry.st_mode, entry.st_size, times)
        return found


def shelf(home: Path) -> Shelf:
    """Return a small run with studies, below a tree that holds a secret, a link and a FIFO."""
    run = run_of()
    row = plain(run.summary())
    ids = (run.run_id, "0123456789ab")
    seeds = Seeds(run_ids=ids, summaries=(row, row), bands={"adl_usd": Band(low=1.0, median=2.0, high=3.0)},
                  compared={"largest_order": (1.0, 2.0)})  # fmt: skip
    store_studies(
        run.path,
        seeds=seeds,
        draws=some_draws(),
        rows={"grid": (StudyRow(label="a", run_id=ids[1], metrics={"adl_usd": 1.0}),)},
    )
    files = {path.name: path.read_bytes() for path in run.path.iterdir() if path.is_file()}
    (home / "secret").write_text("secret", "utf-8")
    (home / "link").symlink_to(home / "secret")
    os.mkfifo(home / "pipe")
    for name, body in files.items():
        (home / f"copy-{name}").write_bytes(body)
    out = Shelf(run.path, home, files)
    out.before = out.state()
    return out


def some_draws() -> Draws:
    """Return two draws of a number and a choice, as a study stores them."""
    made = Headlines(
        liquidated_usd=10.0, adl_usd=5.0, adl_positions=1, first_liquidation_s=60.0, first_adl_s=120.0,
        pool_capital_usd=3.0, pool_low_usd=-1.0, vault_capital_usd=3.0, vault_low_usd=-1.0, vault_died=True,
        uncovered_usd=-1.0, coins=(CoinHeadlines(symbol="BTC/USDT:USDT", liquidated_usd=10.0, adl_usd=5.0),),
        adl_minutes=(AdlMinute(minute=2, adl_usd=5.0),),
        vaults=(VaultHeadlines(vault="BTC", capital_usd=3.0, low_usd=-1.0, died=True, adl_usd=5.0),),
    )  # fmt: skip
    fields = tuple(
        DrawnField(name=name, prior=name, field=field, source="declared", mark="U", seen="nothing")
        for name, field in (("liquidity", "liquidity_factor"), ("order", "intrabar"))
    )
    draws = tuple(Draw(seed=k, values={"liquidity": 0.5 + k, "order": "close"}, headlines=made) for k in (1, 2))
    return Draws(identity="0" * 64, positions=200, priors="priors.toml", fields=fields, draws=draws,
                 compared={"largest_order": (1.0, None)}, notes=("seed was given",))  # fmt: skip


# cases: what is spoilt, in words, and how


@dataclass(frozen=True)
class Case:
    """A fault of a run folder; ``damage`` puts it into the folder of a shelf."""

    name: str
    damage: Callable[[Shelf, random.Random], None]


def places(table: Any, here: Place = ()) -> Iterator[Place]:
    """Yield the place of every value of a JSON document, of a list only its first."""
    if here:
        yield here
    if isinstance(table, dict):
        for key, value in table.items():
            yield from places(value, (*here, key))
    elif isinstance(table, list) and table:
        yield from places(table[0], (*here, 0))


def _fields(shelf: Shelf, file: str) -> list[tuple[str, Place]]:
    table = json.loads(shelf.files[file])
    return [(file, place) for place in places(table) if place[0] != "sha256"]


def _write(shelf: Shelf, file: str, table: dict[str, Any]) -> None:
    body = {key: value for key, value in table.items() if key != "sha256"}
    (shelf.folder / file).write_bytes(sealed(body).encode("utf-8", "surrogatepass"))


def _set(shelf: Shelf, file: str, place: Place, change: Callable[[Any, Any], None]) -> None:
    """Change the holder of a value in a document and seal it again."""
    table = json.loads(shelf.files[file])
    holder = table
    for key in place[:-1]:
        holder = holder[key]
    change(holder, place[-1])
    _write(shelf, file, table)


def changed(shelf: Shelf, *place: str, value: object) -> None:
    """Change a value of run.json and make its seal anew."""
    table = json.loads(shelf.files["run.json"])
    holder = table
    for key in place[:-1]:
        holder = holder[key]
    holder[place[-1]] = value
    del table["sha256"]
    (shelf.folder / "run.json").write_text(sealed(table), "utf-8")


def rewritten(shelf: Shelf, name: str, change: Callable[[pl.DataFrame], pl.DataFrame]) -> None:
    """Write a table anew and enter its digest and rows in run.json."""
    path = shelf.folder / f"{name}.parquet"
    frame = change(pl.read_parquet(path, glob=False))
    frame.write_parquet(path)
    changed(shelf, "tables", name, value={"rows": frame.height, "sha256": file_digest(path)})


def field_case(file: str, place: Place, how: str, rng: random.Random) -> Case:
    """Return a case on one field of a document: ``type``, ``text``, ``raw``, ``missing``, ``extra`` or ``swapped``."""
    value = rng.choice({"type": VALUES, "text": TEXTS, "raw": RAW}.get(how, (None,)))

    def damage(shelf: Shelf, rng: random.Random) -> None:
        def change(holder: Any, key: Any) -> None:
            if how == "missing":
                del holder[key]
            elif how == "extra" and isinstance(holder, dict):
                holder[_named(shelf, rng.choice(TEXTS))] = 1
            elif how == "swapped":
                other = rng.choice(list(holder) if isinstance(holder, dict) else range(len(holder)))
                holder[key], holder[other] = holder[other], holder[key]
            elif how == "text":
                holder[key] = _named(shelf, str(value))
            elif how == "raw":
                holder[key] = "RAW-VALUE"
            else:
                holder[key] = value

        _set(shelf, file, place, change)
        if how == "raw":
            text = (shelf.folder / file).read_text("utf-8").replace('"RAW-VALUE"', str(value))
            body, _, _ = text.rpartition(',\n "sha256": "')
            digest = hashlib.sha256(f"{body}\n}}\n".encode()).hexdigest()
            (shelf.folder / file).write_text(f'{body},\n "sha256": "{digest}"\n}}\n', "utf-8")

    return Case(f"{file} {'.'.join(map(str, place))} {how} {value!r:.60}", damage)


def _named(shelf: Shelf, text: str) -> str:
    """Return a hostile text with the places that it reaches for."""
    return text.replace("{outside}", str(shelf.outside)).replace("{name}", "written")


def _resealed(shelf: Shelf, name: str, rng: random.Random) -> None:
    """Enter the digest of a spoilt table in run.json, and mostly its rows, as an attacker does."""
    path, table = shelf.folder / f"{name}.parquet", json.loads(shelf.files["run.json"])
    entry = {"rows": table["tables"][name]["rows"], "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
    with contextlib.suppress(BaseException):
        entry["rows"] = pl.scan_parquet(path, glob=False).select(pl.len()).collect().item()
    table["tables"][name] = entry
    if rng.random() < 0.9:
        _write(shelf, "run.json", table)


def _parquet(how: str, name: str, other: str) -> Case:
    def damage(shelf: Shelf, rng: random.Random) -> None:
        path, body = shelf.folder / f"{name}.parquet", bytearray(shelf.files[f"{name}.parquet"])
        frame = pl.read_parquet(io.BytesIO(body))
        column = rng.choice(frame.columns)
        kinds = (pl.String, pl.Int8, pl.Float32, pl.Boolean, pl.List(pl.Int64), pl.Datetime("ns"), pl.Decimal(38, 2))
        spoilt: dict[str, Callable[[], pl.DataFrame | bytes]] = {
            "cut": lambda: bytes(body[: rng.randrange(len(body))]),
            "flipped": lambda: bytes(_flipped(body, rng)),
            "garbage": lambda: rng.choice([b"", b"PAR1", b"PAR1" * 3, b"garbage", rng.randbytes(300)]),
            "swapped": lambda: shelf.files[f"{other}.parquet"],
            "dropped": lambda: frame.drop(column),
            "renamed": lambda: frame.rename({column: _named(shelf, rng.choice(TEXTS[:9])) or "x"}),
            "added": lambda: frame.with_columns(pl.lit(1).alias("more")),
            "reordered": lambda: frame.select(frame.columns[::-1]),
            "cast": lambda: frame.with_columns(pl.lit(None, rng.choice(kinds)).alias(column)),
            "nested": lambda: frame.with_columns(pl.struct(column).alias(column)),
            "doubled": lambda: pl.concat([frame, frame]),
            "emptied": lambda: frame.head(0),
            "texts": lambda: frame.with_columns(pl.lit(rng.choice(TEXTS)).alias(each)
                                                for each, kind in frame.schema.items() if kind == pl.String),
            "nulls": lambda: frame.with_columns(pl.lit(None, frame.schema[column]).alias(column)),
            "extremes": lambda: _extreme(frame, rng),
        }  # fmt: skip
        made = spoilt[how]()
        if isinstance(made, pl.DataFrame):
            made.write_parquet(path)
        else:
            path.write_bytes(made)
        _resealed(shelf, name, rng)

    return Case(f"{name}.parquet {how} {other if how == 'swapped' else ''}", damage)


def _flipped(body: bytearray, rng: random.Random) -> bytearray:
    for _ in range(rng.choice([1, 1, 10, 100])):
        # half of the time in the footer, which says what the rest means
        start = len(body) - 2000 if rng.random() < 0.5 else 0
        body[rng.randrange(max(start, 0), len(body))] ^= 1 << rng.randrange(8)
    return body


def _extreme(frame: pl.DataFrame, rng: random.Random) -> pl.DataFrame:
    values = {pl.Int64(): [2**63 - 1, -(2**63)], pl.Float64(): [float("nan"), float("inf"), -1e308],
              pl.Datetime("us"): [2**62, -(2**62)]}  # fmt: skip
    return frame.with_columns(
        pl.lit(rng.choice(values[kind]), pl.Int64).cast(kind).alias(name)
        if kind == pl.Datetime("us")
        else pl.lit(rng.choice(values[kind]), kind).alias(name)
        for name, kind in frame.schema.items()
        if kind in values
    )


PARQUET = ("cut", "flipped", "garbage", "swapped", "dropped", "renamed", "added", "reordered", "cast", "nested",
           "doubled", "emptied", "texts", "nulls", "extremes")  # fmt: skip
BYTES = ("cut", "flipped", "empty", "sparse", "bom", "latin", "nested", "list")
KINDS = ("link", "dangling", "folder", "FIFO", "missing", "link to folder")
FOLDERS = ("linked folder", "extra files", "partial link")


def _bytes(file: str, how: str) -> Case:
    def damage(shelf: Shelf, rng: random.Random) -> None:
        path, body = shelf.folder / file, shelf.files[file]
        if how == "sparse":
            os.truncate(path, LARGEST_JSON + 1)
            return
        spoilt = {
            "cut": lambda: body[: rng.randrange(len(body))],
            "flipped": lambda: bytes(_flipped(bytearray(body), rng)),
            "empty": lambda: b"",
            "bom": lambda: b"\xef\xbb\xbf" + body,
            "latin": lambda: b"\xff\xfe" + body,
            "nested": lambda: b'{"format": %d, "tables": ' % FORMAT + b"[" * 200_000 + b"]" * 200_000 + b"}",
            "list": lambda: sealed({"format": FORMAT, "tables": {}}).encode(),
        }
        path.write_bytes(spoilt[how]())

    return Case(f"{file} {how}", damage)


def _kind(file: str, how: str) -> Case:
    def damage(shelf: Shelf, rng: random.Random) -> None:
        path = shelf.folder / file
        path.unlink()
        if how == "link":
            path.symlink_to(shelf.outside / f"copy-{file}")
        elif how == "dangling":
            path.symlink_to(shelf.outside / "written")
        elif how == "link to folder":
            path.symlink_to(shelf.outside)
        elif how == "folder":
            path.mkdir()
        elif how == "FIFO":
            os.mkfifo(path)

    return Case(f"{file} {how}", damage)


def _folder(how: str) -> Case:
    def damage(shelf: Shelf, rng: random.Random) -> None:
        if how == "linked folder":
            shelf.folder.rename(shelf.aside)
            shelf.folder.symlink_to(shelf.aside)
        elif how == "extra files":
            for name in (
                "more.parquet",
                "x'; drop table steps; --.parquet",
                "run.json.bak",
                ".hidden",
                "sub/steps.parquet",
            ):
                (shelf.folder / name).parent.mkdir(exist_ok=True)
                (shelf.folder / name).write_bytes(b"PAR1")
        else:
            (shelf.folder / ".studies.json.partial").symlink_to(shelf.outside / "written")

    return Case(how, damage)


def every_field(shelf: Shelf, rng: random.Random) -> list[Case]:
    """Return each field of both documents with each fault of a field, each of them once."""
    hows = ("type", "text", "raw", "missing", "extra", "swapped")
    return [
        field_case(file, place, how, rng) for name in JSON for file, place in _fields(shelf, name) for how in hows
    ]  # fmt: skip


def every_file(shelf: Shelf) -> list[Case]:
    """Return each file with each fault of a file, each of them once."""
    tables = sorted(name.removesuffix(".parquet") for name in shelf.files if name.endswith(".parquet"))
    read = [name for name in shelf.files if name != "log.jsonl"]
    return [
        *(_parquet(how, name, tables[k - 1]) for k, name in enumerate(tables) for how in PARQUET),
        *(_bytes(name, how) for name in JSON for how in BYTES),
        *(_kind(name, how) for name in read for how in KINDS),
        *map(_folder, FOLDERS),
    ]


# what must hold


def harmless(line: str) -> None:
    """Assert that a refusal is one short line that no terminal obeys."""
    assert line
    assert len(line) < LONGEST_LINE, line
    assert line.isprintable() or not set(line) & {chr(code) for code in (*range(32), *range(127, 160))}, line
    assert "defect of the program" not in line, line


def tried(shelf: Shelf, case: Case, rng: random.Random, deep: float) -> str:
    """Open a spoilt folder; return its refusal, empty if it opens. ``deep`` is the chance of every reader after that.

    Whatever happens, nothing outside the folder changes.
    """
    shelf.restore()
    case.damage(shelf, rng)
    line = ""
    try:
        run = open_folder(shelf.folder)
        if rng.random() < deep:
            block(run)
            run.audits()
            assert "<script>alert" not in render_html(run)
    except CrashbookError as error:
        line = explain(error)[0]
        harmless(line)
    assert shelf.state() == shelf.before, case.name
    return line


COMMANDS = (("audit",), ("query", "adl_waves"), ("query", "seed_spread"), ("sql", "select * from rules"), ("report",),
            ("runs",), ("diff", "{other}"))  # fmt: skip


def commanded(shelf: Shelf, words: tuple[str, ...]) -> int:
    """Run a command line on the folder; return its exit code. It may say one line, and write a report at most."""
    given = [word.format(other=shelf.folder) for word in words]
    place = [] if words[0] == "runs" else [str(shelf.folder)]
    result = call(*given, *place)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    lines = [line for line in result.stderr.splitlines() if not line.startswith("note: ")]
    assert "Traceback" not in result.output
    assert not {"\x1b", "\x07", "\x00"} & set(result.output)
    if result.exit_code not in {0, 4}:
        assert len(lines) == 1, lines
        harmless(lines[0])
    return result.exit_code


def main() -> None:
    """Try many cases."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("cases", type=int)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    parser.add_argument("--deep", type=float, default=0.1, help="share of opened runs that every reader meets")
    asked = parser.parse_args()
    print(f"seed {asked.seed}", flush=True)
    rng = random.Random(asked.seed)
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        home = Path(name) / "outside"
        home.mkdir()
        patch.setenv("CRASHBOOK_HOME", str(home))
        place = shelf(home)
        refused, began, faults = 0, time.process_time(), 0
        drawn = 0
        while drawn < asked.cases:
            cases = [*every_field(place, rng), *every_file(place)]
            rng.shuffle(cases)
            for case in cases[: asked.cases - drawn]:
                drawn += 1
                try:
                    refused += bool(tried(place, case, rng, asked.deep))
                except BaseException as error:
                    if isinstance(error, KeyboardInterrupt):
                        raise
                    faults += 1
                    print(f"FAULT {case.name}: {type(error).__name__}: {str(error)[:300]}", flush=True)
        print(f"{drawn} cases, {refused} refused, {faults} faults, {time.process_time() - began:.0f} CPU s")


if __name__ == "__main__":
    main()
