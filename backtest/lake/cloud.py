"""A lake at an address, such as s3://bucket/lake, read and filled through a copy on this disk.

The copy is brought up to date before a run resolves its scenario, at most once a minute, and before a sweep is priced:
the address is listed, days whose size or version differ are read, those that are gone are removed. A store shows an
object whole, and the copy of one appears by rename with the size that the list states, so a day is whole or absent in
the copy too. No lock is taken: a lake that changes while it is listed may be seen in part, day by day, as a folder may.

A day that is fetched is written at the address first and into the copy then, so nothing is in the copy alone. Its line
of the journal follows at the end of the fetch, added to the lines that are there: a day without one, since a writer
was killed or two wrote at once, is entered by the next fetch.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import orjson

from backtest.assets import inside, lake_address, lake_folder, read_regular
from backtest.durable import make_folder, remove, write_file
from backtest.errors import CrashbookError, FileError
from backtest.lake.manifest import JOURNAL, LARGEST_JOURNAL
from backtest.lake.store import asked, get, line_of, opened, put

FRESH_S = 60.0
AT_ONCE = 64  # objects read together
VERSIONS = ("ETag", "etag", "mtime", "LastModified", "created")  # what tells one state of an object from the next
Stamp = list[Any]  # size and version of an object
_SEEN: dict[tuple[str, Path], float] = {}  # when each lake was last compared


def refresh(*, now: bool = False) -> None:
    """Bring the copy of a lake at an address up to date; nothing where the lake is a folder.

    Parameters
    ----------
    now
        Also where it was compared within the last minute.

    Raises
    ------
    UsageError
        The extra ``cloud`` or the driver of this kind of address is missing.
    CrashbookError
        The address does not answer, or an object changed while it was read.
    """
    address, folder = lake_address(), lake_folder()
    if address is None:
        return
    last = _SEEN.get((address, folder))
    if last is not None and not now and time.monotonic() - last < FRESH_S:
        return
    try:
        _copy(address, folder)
    except OSError as error:
        raise CrashbookError(f"{address}: {line_of(error)}; free space or check address and credentials") from error
    _SEEN[address, folder] = time.monotonic()


def upload(path: Path, data: bytes | memoryview) -> None:
    """Write a file of the lake at its address, before the copy has it; nothing where the lake is a folder.

    Raises
    ------
    CrashbookError
        The address does not take it.
    """
    if (address := lake_address()) is not None:
        put(address, path.relative_to(lake_folder()).as_posix(), data)


def publish() -> None:
    """Add the lines of the journal that the address lacks; nothing where the lake is a folder.

    Raises
    ------
    CrashbookError
        The address does not take them.
    """
    address = lake_address()
    if address is None:
        return
    try:
        mine = read_regular(inside(lake_folder(), JOURNAL), LARGEST_JOURNAL).splitlines()
    except FileNotFoundError:
        return
    there = (get(address, JOURNAL) or b"").splitlines()
    known = set(there)
    if new := [line for line in mine if line and line not in known]:
        put(address, JOURNAL, b"".join(line + b"\n" for line in (*there, *new)))


def _copy(address: str, folder: Path) -> None:
    """Make a folder hold what an address holds."""
    system, root = opened(address)
    found = {name: info for name, info in _listed(system, root, address).items() if _is_ours(folder, name)}
    index = _index(folder)
    known = _read_index(index)
    stamps = {name: _stamp(info) for name, info in found.items()}
    missing = [name for name in stamps if known.get(name) != stamps[name] or not _held(folder, name).is_file()]
    for first in range(0, len(missing), AT_ONCE):
        part = missing[first : first + AT_ONCE]
        paths = {f"{root}/{name}": name for name in part}
        read = asked(address, partial(system.cat, [*paths], on_error="raise"))
        for path, name in paths.items():
            data = read[path] if isinstance(read, Mapping) else read
            if len(data) != stamps[name][0]:
                raise CrashbookError(f"{address}/{name}: changed while it was read; run again")
            make_folder(_held(folder, name).parent)
            write_file(_held(folder, name), data)
    copied = {path.relative_to(folder).as_posix() for path in folder.rglob("*.parquet")}  # what was fetched here, too
    for name in (known.keys() | copied) - stamps.keys():
        if _is_ours(folder, name):
            remove(_held(folder, name))
    if known != stamps:
        make_folder(folder)
        write_file(index, orjson.dumps(stamps, option=orjson.OPT_SORT_KEYS))


def _index(folder: Path) -> Path:
    """Return the file that says which objects a copy holds: beside it."""
    return inside(folder.parent, f"{folder.name}.json")


def versions() -> bytes:
    """Return names, sizes and versions of the objects of a lake at an address, as they were last listed."""
    return orjson.dumps(_read_index(_index(lake_folder())), option=orjson.OPT_SORT_KEYS)


def _listed(system: Any, root: str, address: str) -> dict[str, Mapping[str, Any]]:
    """Return what the driver knows of each object, by its name below the lake."""

    def every() -> Any:
        system.invalidate_cache()
        return system.find(root, detail=True)

    return {path.removeprefix(f"{root}/"): info for path, info in asked(address, every).items()}


def _stamp(info: Mapping[str, Any]) -> Stamp:
    version = next((str(info[name]) for name in VERSIONS if info.get(name)), "")
    return [int(info.get("size") or 0), version]


def _is_ours(folder: Path, name: str) -> bool:
    """Return whether an object is a day of the lake or its journal; other names are left alone."""
    if not (name.endswith(".parquet") or name == JOURNAL):
        return False
    try:
        _held(folder, name)
    except FileError:
        return False
    return True


def _held(folder: Path, name: str) -> Path:
    return inside(folder, *name.split("/"))


def _read_index(path: Path) -> dict[str, Stamp]:
    """Return the objects that the copy holds; nothing if that is not known, and all is read again."""
    try:
        found = orjson.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
