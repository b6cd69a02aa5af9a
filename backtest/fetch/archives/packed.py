"""Packed CSV files, ``.zip``, ``.gz`` or ``.lz4``, read as one bounded stream; nothing is unpacked to disk."""

from __future__ import annotations

import hashlib
import io
import os
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote

from backtest.errors import DataError
from backtest.lake.place import shown

UNPACKED_LIMIT_BYTES = 1 << 30
MAGIC = {".zip": b"PK", ".gz": b"\x1f\x8b", ".lz4": b"\x04\x22\x4d\x18"}
FETCH_AGAIN = "delete it and fetch it again"
DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, ValueError)


class Bounded(io.RawIOBase):
    """A stream that gives at most ``limit_bytes`` and names its file in every complaint."""

    def __init__(self, stream: BinaryIO, path: Path, limit_bytes: int) -> None:
        self._stream, self._path, self._left = stream, path, limit_bytes

    def readable(self) -> bool:
        """Say that the stream can be read."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Fill the buffer; 0 at the end."""
        try:
            data = self._stream.read(len(buffer))
        except DAMAGE as error:
            raise damaged(self._path, str(error)) from error
        self._left -= len(data)
        if self._left < 0:
            raise _too_large(self._path)
        buffer[: len(data)] = data
        return len(data)


@contextmanager
def unpacked(path: Path, limit_bytes: int = UNPACKED_LIMIT_BYTES) -> Iterator[io.BufferedReader]:
    """Give the one CSV inside a packed file as a stream of bytes.

    Parameters
    ----------
    limit_bytes
        Most bytes the stream may hold, by declaration or in fact.

    Raises
    ------
    DataError
        The file is of another kind than its name, is damaged, or holds more than it may; also while the stream is read.
    """
    opener = OPENERS.get(path.suffix)
    if opener is None:
        raise DataError(f"{shown(path)}: not a packed file; allowed: {', '.join(OPENERS)}; give an archive file")
    with ExitStack() as stack:
        try:
            stream = stack.enter_context(opener(path, limit_bytes))
        except FileNotFoundError as error:
            raise DataError(f"{shown(path)}: no such file; give the folder that holds it") from error
        except DAMAGE as error:
            raise damaged(path, str(error)) from error
        yield io.BufferedReader(Bounded(stream, path, limit_bytes), buffer_size=1 << 20)


@contextmanager
def _open_zip(path: Path, limit_bytes: int) -> Iterator[BinaryIO]:
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        wanted = f"{path.stem}.csv"
        if len(members) != 1:
            raise DataError(f"{shown(path)}: holds {len(members)} files; allowed: {wanted} alone; {FETCH_AGAIN}")
        (member,) = members
        # orig_filename is the name in the archive, before zipfile makes it harmless
        if wanted not in {member.orig_filename, quote(member.orig_filename, safe="")}:
            name = ascii(member.orig_filename)
            raise DataError(f"{shown(path)}: holds the file {name}; allowed: {wanted}; {FETCH_AGAIN}")
        if member.flag_bits & 1:
            raise DataError(f"{shown(path)}: its file is encrypted; allowed: plain files; {FETCH_AGAIN}")
        if member.file_size > limit_bytes:
            raise _too_large(path)
        with archive.open(member) as stream:
            yield stream  # type: ignore[misc]


@contextmanager
def _open_stream(path: Path, limit_bytes: int) -> Iterator[BinaryIO]:
    import pyarrow as pa

    with path.open("rb") as file:
        start = file.read(4)
    if not start.startswith(MAGIC[path.suffix]):
        raise DataError(f"{shown(path)}: not a {path.suffix} file; {FETCH_AGAIN}")
    with pa.input_stream(str(path), compression=COMPRESSION[path.suffix]) as stream:
        yield stream


COMPRESSION = {".gz": "gzip", ".lz4": "lz4"}
OPENERS: dict[str, Callable[[Path, int], AbstractContextManager[BinaryIO]]] = {
    ".zip": _open_zip,
    ".gz": _open_stream,
    ".lz4": _open_stream,
}


def damaged(path: Path, reason: str) -> DataError:
    """Return the complaint about a file that breaks off or does not unpack."""
    text = " ".join(reason.split()) or "it breaks off"
    return DataError(f"{shown(path)}: not a whole {path.suffix} file ({text}); {FETCH_AGAIN}")


def _too_large(path: Path) -> DataError:
    return DataError(f"{shown(path)}: unpacks to more than is allowed for its kind; {FETCH_AGAIN}")


def has_magic(path: Path, suffix: str) -> bool:
    """Return whether a file begins as files of its kind do: a web page or an error text does not."""
    with path.open("rb") as file:
        return file.read(4).startswith(MAGIC[suffix])


def verify(path: Path, name: str, checksum: str) -> None:
    """Compare a file with the text of its ``.CHECKSUM``, ``<sha256>  <file name>``.

    Parameters
    ----------
    path, name
        Where the file lies, and its publisher's name of it.

    Raises
    ------
    DataError
        The text is not such a line, is of another file, or the file differs.
    """
    fields, place = checksum.split(), shown(path.with_name(name))
    if len(fields) != 2 or len(fields[0]) != 64:
        raise DataError(f"{place}.CHECKSUM: not a line of SHA-256 and file name; {FETCH_AGAIN}")
    if name not in {fields[1].removeprefix("*"), quote(fields[1].removeprefix("*"), safe="")}:
        raise DataError(f"{place}.CHECKSUM: is of {fields[1]!a}; allowed: {name}; {FETCH_AGAIN}")
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != fields[0].lower():
        raise DataError(f"{place}: SHA-256 {digest[:12]}... is not {fields[0][:12]}... of its .CHECKSUM; {FETCH_AGAIN}")


def read_text(path: Path, limit_bytes: int = 4096) -> str:
    """Return a small text file."""
    try:
        with path.open("rb") as file:
            return file.read(limit_bytes).decode("utf-8", "replace")
    except OSError as error:
        raise DataError(f"{shown(path)}: cannot be read: {os.strerror(error.errno or 0)}; check its rights") from error
