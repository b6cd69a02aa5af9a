"""Run folders at an address, ``CRASHBOOK_RUNS``, such as s3://bucket/runs: written when complete, read when asked for.

The tables go first and ``run.json``, which has their digests, goes last: a run is there when its ``run.json`` is. What
is stored beside a run, a label or studies, follows when it is written.
"""

from __future__ import annotations

import re
from pathlib import Path

import msgspec

from backtest.assets import inside, kind_of, open_regular, read_regular, runs_address, runs_folder
from backtest.durable import create, draft_folder
from backtest.errors import RunError
from backtest.lake.store import get, put
from backtest.run.reading import LARGEST_JSON, META
from backtest.run.seal import reason

ID = re.compile(r"[0-9a-f]{12}")


class _Tables(msgspec.Struct):
    """What ``run.json`` says of the files beside it."""

    tables: dict[str, msgspec.Raw]


def share_run(folder: Path) -> bool:
    """Write a complete run folder to the address of runs; return whether it had to be.

    Raises
    ------
    CrashbookError
        The address does not take it; the folder here is whole, and the next run of it tries again.
    """
    address = runs_address()
    if address is None:
        return False
    last = read_regular(folder / META, LARGEST_JSON)
    if get(address, f"{folder.name}/{META}") == last:
        return False
    for path in sorted(folder.iterdir()):
        if kind_of(path) == "file" and path.name != META and not path.name.startswith("."):
            with open_regular(path) as file:
                put(address, f"{folder.name}/{path.name}", file.read())
    put(address, f"{folder.name}/{META}", last)
    return True


def share_beside(folder: Path, name: str) -> None:
    """Write what is stored beside a run to the address of runs, where the run itself is there."""
    address = runs_address()
    if address is not None and get(address, f"{folder.name}/{META}") is not None:
        put(address, f"{folder.name}/{name}", read_regular(inside(folder, name), LARGEST_JSON))


def bring_run(name: str, beside: tuple[str, ...]) -> Path | None:
    """Copy a run from the address of runs to the workspace, whole or not at all; None where it is not there.

    Parameters
    ----------
    name
        The whole id of the run.
    beside
        Files that may be stored with its tables.

    Raises
    ------
    RunError
        A file of it is missing at the address, or the disk refuses.
    """
    address = runs_address()
    if address is None or not ID.fullmatch(name) or (last := get(address, f"{name}/{META}")) is None:
        return None
    try:
        tables = msgspec.json.decode(last, type=_Tables).tables
    except (msgspec.DecodeError, RecursionError) as error:
        raise RunError(f"{address}/{name}/{META}: {error}; write the run there again") from None
    target, files = inside(runs_folder(), name), {META: last}
    for file in (*(f"{table}.parquet" for table in tables), *beside):
        if (data := get(address, f"{name}/{file}")) is not None:
            files[file] = data
        elif file not in beside:
            raise RunError(f"{address}/{name}: {file} is missing; write the run there again")
    try:
        with draft_folder(target) as folder:
            for file, data in files.items():
                with create(inside(folder, file)) as out:
                    out.write(data)
    except OSError as error:
        raise RunError(f"cannot write {target}: {reason(error)}; free space or choose CRASHBOOK_HOME") from None
    return target
