"""Where the read-only assets live (wheel or checkout), where a workspace keeps its own files, and what may be a file.

Files and names come from others: a name becomes part of a path in ``inside`` alone, and only regular files are read or
replaced.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from io import BufferedReader
from pathlib import Path

from backtest.errors import FileError, UsageError

_PACKAGE = Path(__file__).resolve().parent
_NAME = re.compile(r"[A-Za-z0-9_%][A-Za-z0-9_%=~.+-]{0,254}")
_RESERVED = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\..*)?")  # names of devices on Windows
_KINDS = (
    (stat.S_ISREG, "file"),
    (stat.S_ISDIR, "folder"),
    (stat.S_ISLNK, "link"),
    (stat.S_ISFIFO, "FIFO"),
    (stat.S_ISSOCK, "socket"),
)
# a link or a FIFO that takes the place of a file after the look at it is not followed and does not block
_READ = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


def asset_root() -> Path:
    """Return the folder that holds ``data/``, ``queries/`` and ``reports/``.

    Inside a wheel this is ``backtest/_assets``; in a checkout it is the folder above the package.
    """
    bundled = _PACKAGE / "_assets"
    return bundled if bundled.is_dir() else _PACKAGE.parent


def asset(*parts: str) -> Path:
    """Return the path of one asset, for example ``asset("queries", "audits")``."""
    return inside(asset_root(), *parts)


def workspace() -> Path:
    """Return the folder for lake, runs and reports: ``$CRASHBOOK_HOME`` or the current folder."""
    home = os.environ.get("CRASHBOOK_HOME")
    return Path(home) if home else Path.cwd()


def runs_folder() -> Path:
    """Return the folder of run folders; it need not exist yet."""
    return workspace() / "runs"


def lake_folder() -> Path:
    """Return the folder of the data lake, ``$CRASHBOOK_LAKE`` or one of the workspace; it need not exist yet.

    Where that is an address, it is the folder of its copy, see ``lake.cloud``.
    """
    lake, address = os.environ.get("CRASHBOOK_LAKE"), lake_address()
    if address is not None:
        return workspace() / "data" / "lake-copies" / hashlib.sha256(address.encode()).hexdigest()[:16]
    return Path(lake) if lake else workspace() / "data" / "lake"


def lake_address() -> str | None:
    """Return the address at which the lake lies, such as s3://bucket/lake; None where it is a folder."""
    lake = os.environ.get("CRASHBOOK_LAKE", "").rstrip("/")
    return lake if "://" in lake else None


def runs_address() -> str | None:
    """Return the address that run folders are written to too, ``$CRASHBOOK_RUNS``; None without one.

    Raises
    ------
    UsageError
        It is no address.
    """
    runs = os.environ.get("CRASHBOOK_RUNS", "").rstrip("/")
    if runs and "://" not in runs:
        raise UsageError(f"CRASHBOOK_RUNS={runs}: allowed: an address, s3://bucket/runs; CRASHBOOK_HOME names a folder")
    return runs or None


def reports_folder() -> Path:
    """Return the folder that generated reports go to; it need not exist yet."""
    return workspace() / "reports"


def inside(folder: Path, *names: str) -> Path:
    """Return the path of names below a folder, each name one step down; the only way from a name to a path.

    Raises
    ------
    FileError
        A name is empty, hidden, longer than 255 bytes, has a separator or another character that needs care, or is a
        device of Windows.

    Examples
    --------
    >>> inside(Path("reports"), "2025-10-10.html").as_posix()
    'reports/2025-10-10.html'
    >>> inside(Path("reports"), "..")
    Traceback (most recent call last):
    backtest.errors.FileError: '..' cannot name a file; allowed: letters, digits and _ % = ~ . + -, no dot in front
    """
    for name in names:
        if not _NAME.fullmatch(name) or _RESERVED.fullmatch(name):
            shown = ascii(name if len(name) <= 60 else f"{name[:57]}...")
            raise FileError(f"{shown} cannot name a file; allowed: letters, digits and _ % = ~ . + -, no dot in front")
    return folder.joinpath(*names)


def kind_of(path: Path) -> str:
    """Return what a path itself is: file, folder, link, FIFO, socket or device; empty if there is nothing."""
    try:
        mode = path.lstat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return ""
    return next((kind for is_kind, kind in _KINDS if is_kind(mode)), "device")


def link_on_the_way(root: Path, path: Path) -> Path | None:
    """Return the first link among a path and the folders above it that lie below ``root``, None if there is none."""
    below = path.relative_to(root).parts
    steps = (root.joinpath(*below[: count + 1]) for count in range(len(below)))
    return next((step for step in steps if step.is_symlink()), None)


def open_regular(path: Path, most: int | None = None) -> BufferedReader:
    """Open a regular file for reading.

    Parameters
    ----------
    most
        Bytes that the file may have at most.

    Raises
    ------
    FileError
        It is a link, a folder, a FIFO, a device, or too large.
    OSError
        There is none, or it cannot be opened.
    """
    if (kind := kind_of(path)) not in {"file", ""}:
        raise FileError(f"{path}: a {kind}; allowed: a regular file")
    file = os.fdopen(os.open(path, _READ), "rb")
    found = os.fstat(file.fileno())
    if not stat.S_ISREG(found.st_mode) or (most is not None and found.st_size > most):
        file.close()
        raise FileError(f"{path}: {found.st_size:,} bytes; allowed: a regular file of at most {most or 0:,} bytes")
    return file


def read_regular(path: Path, most: int) -> bytes:
    """Return the contents of a regular file of at most ``most`` bytes; errors as of ``open_regular``."""
    with open_regular(path, most) as file:
        return file.read(most)


def check_replaceable(path: Path) -> None:
    """Refuse a place that a file written whole, by rename, would put out of use.

    Raises
    ------
    UsageError
        There is a link, a folder, a FIFO, a socket or a device.
    """
    if (kind := kind_of(path)) not in {"file", ""}:
        raise UsageError(f"{path} is a {kind}; name a regular file or a new one, or redirect stdout")
