"""Files at an address of fsspec, such as s3://bucket/lake: the driver, its errors in one line, whole files.

Credentials come from where the driver finds them and are never kept.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from backtest.errors import CrashbookError, UsageError

Answer = TypeVar("Answer")
OBJECTS = {
    "s3",
    "s3a",
    "gs",
    "gcs",
    "az",
    "abfs",
    "abfss",
    "adl",
    "oci",
    "oss",
    "memory",
}  # show a file when it is whole


def opened(address: str) -> tuple[Any, str]:
    """Return the driver of an address, and the path in it.

    Raises
    ------
    UsageError
        The extra ``cloud`` or the driver of this kind of address is missing.
    """
    try:
        import fsspec
    except ImportError as error:
        raise UsageError(f"{address}: needs the extra cloud: pip install 'crashbook[cloud]'") from error
    try:
        system, root = fsspec.core.url_to_fs(address)
    except (ImportError, ValueError) as error:
        raise UsageError(f"{address}: {error}; install the driver of this kind of address") from error
    return system, str(root).rstrip("/")


def asked(address: str, call: Callable[[], Answer]) -> Answer:
    """Call the driver; what it refuses becomes one line."""
    try:
        return call()
    except Exception as error:  # each driver has errors of its own
        raise CrashbookError(f"{address}: {line_of(error)}; check address, credentials and network") from error


def line_of(error: BaseException) -> str:
    """Return the first line of an error, or its kind."""
    return str(error).partition("\n")[0] or type(error).__name__


def put(address: str, name: str, data: bytes | memoryview) -> None:
    """Write a file below an address: it appears whole, in place of one of its name.

    Raises
    ------
    CrashbookError
        The address does not take it; nothing is there, or what was there before.

    Examples
    --------
    >>> put("memory://example/lake", "a/b.txt", b"one")
    >>> get("memory://example/lake", "a/b.txt"), get("memory://example/lake", "a/c.txt")
    (b'one', None)
    """
    system, root = opened(address)
    kinds = {system.protocol} if isinstance(system.protocol, str) else {*system.protocol}
    path = f"{root}/{name}"

    def write() -> None:
        if kinds & OBJECTS:
            system.pipe_file(path, bytes(data))
            return
        folder, _, last = path.rpartition("/")
        system.makedirs(folder, exist_ok=True)
        system.pipe_file(f"{folder}/.{last}.partial", bytes(data))
        system.mv(f"{folder}/.{last}.partial", path)

    asked(f"{address}/{name}", write)


def get(address: str, name: str) -> bytes | None:
    """Return the contents of a file below an address, None where there is none."""
    system, root = opened(address)

    def read() -> bytes | None:
        system.invalidate_cache()
        try:
            return bytes(system.cat_file(f"{root}/{name}"))
        except FileNotFoundError:
            return None

    return asked(f"{address}/{name}", read)
