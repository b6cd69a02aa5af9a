"""A run folder of any origin read again: bounded, regular files only, each checked against its declaration.

The digests show damage by accident. They have no key: whoever changes a folder on purpose makes them anew, so nothing
here, and nothing that reads what comes from here, takes a value for more than its declared type.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from backtest.assets import inside, kind_of, read_regular
from backtest.errors import FileError, RunError
from backtest.run.meta import RunMeta, decode, scenario_of
from backtest.run.seal import file_digest, is_sealed, reason
from backtest.schema.table import Kind
from backtest.schema.tables import TABLES

if TYPE_CHECKING:
    import polars as pl

META = "run.json"
FORMAT = 3
LARGEST_JSON = 64 << 20  # bytes; a run of 100,000 watched positions has 15 MB
MULTILINE = ("scenario_toml",)  # texts that may have line ends
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def read_meta(folder: Path) -> RunMeta:
    """Read and check ``run.json`` of a folder.

    Raises
    ------
    RunError
        If the folder is a link, or the file is missing, no regular file, too large, of another version, changed, or
        not as declared.
    """
    path = folder / META
    if kind_of(folder) == "link":
        raise RunError(f"{folder}: a link; name the folder that it points to")
    try:
        text = read_regular(path, LARGEST_JSON).decode()
    except FileNotFoundError:
        raise RunError(f"{folder}: no {META}: the run was not finished; run it again") from None
    except FileError as error:
        raise RunError(f"{error}; run it again") from None
    except (OSError, ValueError) as error:
        raise RunError(f"{path}: cannot be read ({type(error).__name__}); run it again") from None
    table = parsed(text, path)
    if not isinstance(table, dict) or table.get("format") != FORMAT or "tables" not in table:
        raise RunError(f"{path}: not a run of this version; run it again")
    if not is_sealed(text):
        raise RunError(f"{path}: does not match its own digest: it was changed; run it again")
    body = {key: value for key, value in table.items() if key not in {"format", "sha256"}}
    meta = decode(body, RunMeta, str(path))
    scenario_of(meta.stored_scenario, str(path))
    if meta.tables.keys() != TABLES.keys():
        odd = sorted(meta.tables.keys() ^ TABLES.keys())[0]
        raise RunError(f"{folder}: table {odd} is {'missing' if odd in TABLES else 'unknown'}; run it again")
    return meta


def parsed(text: str, path: Path) -> Any:
    """Return JSON as plain values.

    Raises
    ------
    RunError
        It is no JSON, is nested too deeply, or has a text with control characters.
    """
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError) as error:
        raise RunError(f"{path}: cannot be read ({type(error).__name__}); run it again") from None
    if place := _garbled(value):
        raise RunError(f"{path}: {place} has control characters; run it again")
    return value


def _garbled(value: Any) -> str:
    """Return the key of a text that would garble a terminal, empty if there is none."""
    waiting = [("it", value)]
    while waiting:
        key, value = waiting.pop()
        if isinstance(value, str):
            if not value.isprintable() and _CONTROL.search(value.replace("\n", "") if key in MULTILINE else value):
                return key
        elif isinstance(value, dict):
            if any(not name.isprintable() for name in value):
                return f"a key of {key}"
            waiting += value.items()
        elif isinstance(value, list):
            waiting += [(key, each) for each in value]
    return ""


def check_tables(folder: Path, meta: RunMeta) -> None:
    """Check that every table is there and has the digest of ``run.json``.

    Raises
    ------
    RunError
        For the first one that is missing, no regular file, or differs.
    """
    for name, entry in meta.tables.items():
        path = inside(folder, f"{name}.parquet")
        if kind_of(path) in {"", "folder"}:
            raise RunError(f"{folder}: table {name} is missing; run it again")
        try:
            digest = file_digest(path)
        except FileError as error:
            raise RunError(f"{error}; run it again") from None
        except OSError as error:
            raise RunError(f"{path}: cannot be read: {reason(error)}; run it again") from None
        if digest != entry.sha256:
            raise RunError(f"{path}: does not match the digest in {META}: it was changed or cut short; run it again")


def read_table(folder: Path, name: str, rows: int) -> pl.DataFrame:
    """Return a table of a checked run folder.

    Raises
    ------
    RunError
        The file is not Parquet, or has other columns, types or rows than declared.
    """
    import polars as pl

    kinds: dict[Kind, pl.DataType] = {
        "int": pl.Int64(),
        "bool": pl.Boolean(),
        "str": pl.String(),
        "float": pl.Float64(),
        "money": pl.Decimal(18, 6),
        "money12": pl.Decimal(38, 12),
        "ts": pl.Datetime("us"),
    }
    path = inside(folder, f"{name}.parquet")
    try:
        frame = pl.read_parquet(path, glob=False, hive_partitioning=False)
    except (KeyboardInterrupt, SystemExit, MemoryError):
        raise
    except BaseException as error:  # damaged bytes break the reader in many ways, some of them no Exception
        raise RunError(f"{path}: cannot be read ({type(error).__name__}); run it again") from None
    if [*frame.schema.items()] != [(column.name, kinds[column.kind]) for column in TABLES[name].columns]:
        raise RunError(f"{path}: does not have the columns of this version; run it again")
    if frame.height != rows:
        raise RunError(f"{path}: has {frame.height:,} rows, not the {rows:,} of its run; run it again")
    return frame
