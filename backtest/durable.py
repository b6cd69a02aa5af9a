"""The only writer of files: a name appears when what it names is on the disk, whole, or it does not appear.

The order is that of every safe replacement: write under a hidden name in the same folder, flush the file to the disk,
rename, flush the folder. A process killed in between leaves a hidden ``.NAME.PROCESS.partial``, which the next writer
of the name removes; a power cut leaves the old file or the new one. Every change of the disk passes the functions of
``os`` that are called here, so a test can put a failing disk in their place.
"""

from __future__ import annotations

import errno
import io
import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from backtest.assets import check_replaceable, workspace

PARTIAL, OLD = ".partial", ".old"
BUFFER_BYTES = 1 << 20
FLUSHES_AT_ONCE = 8  # the disk answers several in the time of one
NO_FLUSH_OF_FOLDERS = {errno.EINVAL, errno.ENOTSUP}  # some network file systems cannot
_ON_DISK: set[Path] = set()  # names that this process has seen to the disk


def write_file(path: Path, data: bytes | memoryview) -> None:
    """Write a file whole, in place of one of its name.

    Raises
    ------
    OSError
        The disk refuses; what stood there before still does, or the new file does if its name could not be flushed.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_file(Path(folder, "a.txt"), b"one")
    ...     write_file(Path(folder, "a.txt"), b"two")
    ...     [(path.name, path.read_bytes()) for path in Path(folder).iterdir()]
    [('a.txt', b'two')]
    """
    with writing(path) as file:
        file.write(data)


@contextmanager
def writing(path: Path) -> Iterator[BinaryIO]:
    """Open a file to be written piece by piece; it appears under its name when the block ends without an error."""
    with draft(path) as partial, create(partial) as file:
        yield file


@contextmanager
def draft(path: Path) -> Iterator[Path]:
    """Give the hidden name under which a library may write a file; it takes its place when the block ends.

    Raises
    ------
    UsageError
        A link, a folder, a FIFO or a device stands in the place: it is neither followed nor replaced.
    """
    check_replaceable(path)
    partial = _partial(path)
    clear(path)
    try:
        yield partial
        _flush(partial)
        os.replace(partial, path)
        _flush(path.parent)
    except BaseException:
        with suppress(OSError):  # the first error is the one to tell
            remove(partial)
        raise


@contextmanager
def create(path: Path) -> Iterator[BinaryIO]:
    """Open a new file inside a draft; the end of the draft flushes it to the disk."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    with io.BufferedWriter(_Handle(handle), BUFFER_BYTES) as file:
        yield file


class _Handle(io.RawIOBase):
    """An open file as ``io.BufferedWriter`` takes it: every byte passes ``os.write``, which may take a part."""

    def __init__(self, handle: int) -> None:
        self.handle = handle

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        return os.write(self.handle, data)

    def close(self) -> None:
        if not self.closed:
            super().close()
            os.close(self.handle)


@contextmanager
def draft_folder(path: Path) -> Iterator[Path]:
    """Give a hidden folder to be filled; it takes its place, or that of an older one, when the block ends.

    Raises
    ------
    OSError
        The disk refuses, or a file stands in the place; nothing is left behind and an older folder stays.
    """
    partial = _partial(path)
    make_folder(path.parent)
    clear(path)
    try:
        os.mkdir(partial)
        yield partial
        _flush_all([*sorted(partial.iterdir()), partial])
        _take_place(partial, path)
    except BaseException:
        with suppress(OSError):
            remove(partial)
        raise


def _take_place(new: Path, path: Path) -> None:
    """Move a whole folder to its place; one that is there gives way in one step and returns if that fails."""
    old = _partial(path.with_name(f"{path.name}{OLD}"))
    replaces = path.is_dir() and not path.is_symlink()
    if replaces:
        os.replace(path, old)
    try:
        os.replace(new, path)
    except OSError:
        if replaces:
            os.replace(old, path)
        raise
    _flush(path.parent)
    if replaces:
        with suppress(OSError):  # the next writer of the name removes it
            remove(old)


def append_line(path: Path, line: bytes) -> None:
    """Append a line to a file in one write, so that two processes may append at once; a torn last line is closed first.

    Raises
    ------
    OSError
        The disk refuses; a part of the line may stand in the file.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
    try:
        size = os.fstat(handle).st_size
        torn = size > 0 and os.pread(handle, 1, size - 1) != b"\n"
        text = b"\n" * torn + line + b"\n"
        if os.write(handle, text) < len(text):  # a disk that is nearly full takes a part without an error
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.fsync(handle)
    finally:
        os.close(handle)
    if path.absolute() not in _ON_DISK:
        _flush(path.parent)
        _ON_DISK.add(path.absolute())


def make_folder(path: Path) -> None:
    """Make a folder and those above it, and flush their names: a file is lost with any folder above it.

    A process flushes the names of all folders up to the workspace once, since the one that made them may have been
    killed before it could.
    """
    names, home = [], workspace()
    for folder in (path, *path.parents):
        made = not folder.is_dir()
        if not made and (folder.absolute() in _ON_DISK or home not in folder.parents):
            break
        names.append((folder, made))
    for folder, made in reversed(names):
        if made:
            with suppress(FileExistsError):  # by another process; a file in the way fails when something is put below
                os.mkdir(folder)
    _flush_all([folder.parent for folder, _ in names])
    _ON_DISK.update(folder.absolute() for folder, _ in names)


def remove(path: Path) -> None:
    """Remove a file, or a folder with all that is in it; one that is absent is removed already."""
    try:
        if path.is_dir() and not path.is_symlink():
            for inner in path.iterdir():
                remove(inner)
            os.rmdir(path)
        else:
            os.unlink(path)
    except FileNotFoundError:
        return


def clear(path: Path) -> None:
    """Remove drafts of a name that ended processes left; every writing of the name does so first."""
    starts = (f".{path.name}.", f".{path.name}{OLD}.")
    with suppress(OSError):  # a folder that cannot be read cannot be written either: that error is the one to tell
        names = [name for name in os.listdir(path.parent) if name.endswith(PARTIAL) and name.startswith(starts)]
        own = [name for name in names if f"{name.removesuffix(PARTIAL).rpartition('.')[0]}." in starts]
        if own:
            _flush(path.parent)  # on the disk an older folder may still have its name: it must not be emptied there
        _sweep(path.with_name(name) for name in own)


def sweep(folder: Path) -> int:
    """Remove what processes that ended left half written below a folder; return how many files.

    A number of a process may have come round to this one, which has not begun to write.
    """
    return _sweep(folder.rglob(f".*{PARTIAL}"))


def _sweep(paths: Iterable[Path]) -> int:
    swept = 0
    for partial in paths:
        owner = partial.name.split(".")[-2]
        if owner.isdecimal() and (int(owner) == os.getpid() or not _alive(int(owner))):
            with suppress(OSError):
                remove(partial)
                swept += 1
    return swept


def _partial(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}{PARTIAL}")


def _flush_all(paths: Sequence[Path]) -> None:
    """Flush some files or folders, in any order."""
    if len(paths) < 2:
        for path in paths:
            _flush(path)
        return
    with ThreadPoolExecutor(FLUSHES_AT_ONCE) as pool:
        list(pool.map(_flush, paths))


def _flush(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in NO_FLUSH_OF_FOLDERS or not path.is_dir():
            raise
    finally:
        os.close(handle)


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True
