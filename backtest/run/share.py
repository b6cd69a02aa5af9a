"""Run folders at an address, ``CRASHBOOK_RUNS``, such as s3://bucket/runs: written there when they are complete here.

The tables go first and ``run.json``, which has their digests, goes last: a run is there when its ``run.json`` is. What
is stored beside a run, a label or studies, follows when it is written.
"""

from __future__ import annotations

from pathlib import Path

from backtest.assets import inside, kind_of, open_regular, read_regular, runs_address
from backtest.lake.store import get, put
from backtest.run.reading import LARGEST_JSON, META


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
