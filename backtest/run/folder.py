"""Run folders: written whole or not at all, found by id."""

from __future__ import annotations

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from backtest.assets import inside, kind_of, read_regular, runs_folder
from backtest.durable import create, draft_folder
from backtest.errors import RunError, UnknownNameError, UsageError
from backtest.run.label import LABEL, read_label
from backtest.run.meta import RunMeta, TableFile, Totals
from backtest.run.reading import FORMAT, LARGEST_JSON, META
from backtest.run.seal import file_digest, reason, sealed
from backtest.run.share import bring_run

if TYPE_CHECKING:
    import pyarrow as pa

LOG = "log.jsonl"
BESIDE = ("studies.json", LABEL)  # what is stored with a run, and stays when it is written again


def write_run(tables: Mapping[str, pa.Table], meta: RunMeta, log: Mapping[str, Any]) -> Path:
    """Write a run folder beside its place and move it there when it is complete.

    Tables and ``run.json`` are byte-equal for equal inputs; times and durations go to ``log.jsonl``. Remains of a
    killed writer of the same run are removed first.

    Raises
    ------
    RunError
        If the folder cannot be written; nothing is left behind.
    """
    target = inside(runs_folder(), meta.run_id)
    try:
        with draft_folder(target) as folder:
            paths = [inside(folder, f"{name}.parquet") for name in tables]
            with ThreadPoolExecutor(2) as pool:  # compression leaves the interpreter free
                files = dict(zip(tables, pool.map(write_parquet, tables.values(), paths), strict=True))
            whole = msgspec.structs.replace(meta, tables=files, totals=_totals(tables))
            _write_text(folder / META, sealed({"format": FORMAT, **msgspec.to_builtins(whole)}))
            _write_text(folder / LOG, json.dumps(dict(log), sort_keys=True) + "\n")
            for name in BESIDE:
                if kind_of(inside(target, name)) == "file":
                    _write_text(inside(folder, name), read_regular(inside(target, name), LARGEST_JSON).decode())
    except OSError as error:
        raise RunError(f"cannot write {target}: {reason(error)}; free space or choose CRASHBOOK_HOME") from None
    return target


def write_parquet(table: pa.Table, path: Path) -> TableFile:
    """Write one table; the only place where Parquet of a run is written."""
    import pyarrow.parquet as pq

    with create(path) as file:
        pq.write_table(
            table, file, compression="zstd", compression_level=1, store_decimal_as_integer=True, version="2.6",
            write_statistics=True, row_group_size=1 << 20,
        )  # fmt: skip
    return TableFile(rows=table.num_rows, sha256=file_digest(path))


def _totals(tables: Mapping[str, pa.Table]) -> Totals:
    import pyarrow.compute as pc

    (positions,) = tables["runs"]["positions"].to_pylist()
    liquidated, adl = (
        f"{pc.sum(tables[name][column], min_count=0).as_py():f}"
        for name, column in (("liquidations", "closed_usd"), ("adl_events", "notional_usd"))
    )
    return Totals(positions=positions, liquidated_usd=liquidated, adl_usd=adl)


def _write_text(path: Path, text: str) -> None:
    with create(path) as file:
        file.write(text.encode())


def run_folders() -> list[Path]:
    """Return the complete run folders, the newest last."""
    found = [path.parent for path in runs_folder().glob(f"*/{META}") if not path.parent.name.startswith(".")]
    return sorted(found, key=lambda path: (path.lstat().st_mtime_ns, path.name))


def run_ids() -> list[str]:
    """Return the ids of complete run folders, the newest last."""
    return [path.name for path in run_folders()]


def find_run(name: str) -> Path:
    """Return the folder of a run by id, unique prefix of an id, label, path, or ``latest``.

    A whole id that the workspace lacks is looked for at the address of runs, too.

    Raises
    ------
    RunError
        If there is no run, or the prefix fits several.
    UnknownNameError
        With the near matches, if no id begins so.
    """
    path = Path(name)
    if name not in {"", "latest"} and _is_folder(path):
        return path
    known = {path.name: path for path in run_folders()}
    if name not in known and (brought := bring_run(name, (*BESIDE, LOG))):
        return brought
    if not known:
        raise RunError(f"no runs in {runs_folder()}; make one with crashbook replay 2025-10-10")
    if name == "latest":
        return [*known.values()][-1]
    if labelled := [path for path in known.values() if name and read_label(path) == name]:
        return labelled[-1]
    hits = [run for run in known if run.startswith(name)]
    if len(hits) > 1:
        raise UsageError(f"run '{name}' is ambiguous: {', '.join(hits)}; give more of the id")
    if not hits:
        raise UnknownNameError("run", name, known, "See crashbook runs")
    return known[hits[0]]


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # no name of a file, an SQL text for example
        return False
