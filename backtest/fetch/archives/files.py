"""Archive files by name, and where they lie: a folder of any depth, one file, or an address with a cache on disk."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache as remembered
from pathlib import Path, PurePosixPath
from urllib.parse import quote

from backtest.assets import inside
from backtest.durable import remove
from backtest.errors import DataError, UsageError
from backtest.fetch.archives.download import Client, NotPublished, download
from backtest.fetch.archives.packed import has_magic, read_text, verify
from backtest.times import DAY, Window

# kinds of bars share their file names, so only a folder tells them apart
KINDS_BY_FOLDER = {"markPriceKlines", "indexPriceKlines", "premiumIndexKlines"}
TELLING_FOLDERS = KINDS_BY_FOLDER | {"klines", "um", "cm"}
NO_CHECKSUM = "no checksum"


@dataclass(frozen=True, slots=True)
class ArchiveFile:
    """A file as its publisher names it.

    Attributes
    ----------
    name
        Relative to the root of the archive, percent-encoded, with forward slashes.
    kind
        Kind of its rows, in the publisher's word.
    span
        Times its rows may have: from, up to (exclusive).
    before
        The file of the day before, where that one holds the first row of this day.
    checksum
        Whether a ``.CHECKSUM`` is published with it.
    """

    name: str
    kind: str
    span: Window
    before: ArchiveFile | None = field(default=None, compare=False)
    checksum: bool = False


def day_span(day: dt.date) -> Window:
    """Return a UTC day as ``[start, end)``.

    Examples
    --------
    >>> [str(time) for time in day_span(dt.date(2024, 2, 29))]
    ['2024-02-29 00:00:00', '2024-03-01 00:00:00']
    """
    start = dt.datetime.combine(day, dt.time())
    return start, start + DAY


def month_span(day: dt.date) -> Window:
    """Return the month a day lies in as ``[start, end)``.

    Examples
    --------
    >>> [str(time) for time in month_span(dt.date(2024, 12, 31))]
    ['2024-12-01 00:00:00', '2025-01-01 00:00:00']
    """
    start = dt.datetime(day.year, day.month, 1)  # noqa: DTZ001
    return start, (start + 31 * DAY).replace(day=1)


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file on disk, and the name under which its rows are entered."""

    path: Path
    label: str


def finder(root: str, cache: Path, client: Client) -> Callable[[ArchiveFile], FoundFile | str]:
    """Return a function that gives a file's place on disk, its checksum compared, or the reason it has none.

    Each file is looked for, and compared, once.

    Raises
    ------
    UsageError
        ``root`` is neither a folder, a file nor an http address.
    """
    if root.startswith(("http://", "https://")):
        return remembered(lambda file: _from_web(root.rstrip("/"), file, cache, client))
    folder = Path(root)
    if not folder.exists():
        raise UsageError(f"no archive at '{ascii(root)[1:-1]}'; give a folder, an archive file or an http address")
    places = _index(folder)
    top = folder.parent if folder.is_file() else folder
    return remembered(lambda file: _from_folder(top, places, file))


def _index(root: Path) -> dict[str, list[Path]]:
    """Return the files below a folder by their percent-encoded names."""
    places: dict[str, list[Path]] = {}
    paths = [root] if root.is_file() else (Path(at) / name for at, _, names in os.walk(root) for name in names)
    for path in paths:
        places.setdefault(quote(os.fsencode(path.name), safe=""), []).append(path)
    return places


def _from_folder(root: Path, places: dict[str, list[Path]], file: ArchiveFile) -> FoundFile | str:
    wanted = PurePosixPath(file.name)
    found = sorted(path for path in places.get(wanted.name, ()) if _fits(root, path, wanted))
    if not found:
        return f"no {wanted.name} in the folder"
    return _checked(found[0], file)


def _fits(root: Path, path: Path, wanted: PurePosixPath) -> bool:
    """Return whether the folders above a file of the right name do not say that it is of another kind or market."""
    folders = {root.name, *path.relative_to(root).parts[:-1]} & TELLING_FOLDERS
    asked = set(wanted.parts[:-1])
    return folders <= asked and asked & KINDS_BY_FOLDER <= folders


def _from_web(base: str, file: ArchiveFile, cache: Path, client: Client) -> FoundFile | str:
    path = inside(cache, *PurePosixPath(file.name).parts)
    if not path.is_file():
        checksum = _checksum_path(path)
        name = path.name

        def check(partial: Path) -> None:
            _fetch_checksum(base, file, checksum, client)  # only now: most files asked for in vain have neither
            if checksum.is_file():
                verify(partial, name, read_text(checksum))
            elif not has_magic(partial, path.suffix):
                raise DataError(f"{base}/{file.name}: the answer is no {path.suffix} file; check the address")

        try:
            download(f"{base}/{file.name}", path, client, check)
        except NotPublished:
            return f"not published: {file.name}"
    return _checked(path, file)


def _fetch_checksum(base: str, file: ArchiveFile, checksum: Path, client: Client) -> None:
    """Fetch the ``.CHECKSUM`` of a file that has one; some are published without."""
    if not file.checksum:
        return
    try:
        download(f"{base}/{file.name}.CHECKSUM", checksum, client)
    except NotPublished:
        remove(checksum)


def _checked(path: Path, file: ArchiveFile) -> FoundFile:
    checksum = _checksum_path(path)
    if not file.checksum:
        return FoundFile(path, file.name)
    if not checksum.is_file():
        return FoundFile(path, f"{file.name} ({NO_CHECKSUM})")
    verify(path, PurePosixPath(file.name).name, read_text(checksum))
    return FoundFile(path, file.name)


def _checksum_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.CHECKSUM")
