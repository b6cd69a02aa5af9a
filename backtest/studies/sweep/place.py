"""Where the rows of a sweep are kept: a folder, or any address that fsspec knows, such as s3://bucket/sweep."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import msgspec

from backtest.assets import inside, read_regular, workspace
from backtest.durable import make_folder, write_file
from backtest.errors import CrashbookError, UsageError
from backtest.studies.sweep.row import Row

ROWS, SUFFIX = "rows", ".json"
LARGEST_ROW = 1 << 20  # bytes


class Place(Protocol):
    """Files by name below one address; a file appears whole or not at all."""

    @property
    def address(self) -> str:
        """Return the address as a reader would write it."""

    def names(self) -> set[str]:
        """Return the names of the rows that are kept."""

    def read(self, name: str) -> bytes:
        """Return the contents of a row."""

    def write(self, name: str, data: bytes, folder: str = "") -> None:
        """Write a file."""


class Folder:
    """Rows in a folder of the disk."""

    def __init__(self, path: Path) -> None:
        self.path = path
        make_folder(path / ROWS)

    @property
    def address(self) -> str:
        """Return the path of the folder."""
        return str(self.path)

    def names(self) -> set[str]:
        """Return the names of the rows that are kept; hidden and foreign files are none."""
        return {path.stem for path in (self.path / ROWS).glob(f"[0-9a-f]*{SUFFIX}")}

    def read(self, name: str) -> bytes:
        """Return the contents of a row."""
        return read_regular(inside(self.path, ROWS, f"{name}{SUFFIX}"), LARGEST_ROW)

    def write(self, name: str, data: bytes, folder: str = "") -> None:
        """Write a file."""
        write_file(inside(self.path, *filter(None, (folder, name))), data)


class Cloud:
    """Rows at an address of fsspec; credentials come from where its driver finds them and are never kept."""

    def __init__(self, address: str) -> None:
        try:
            import fsspec
        except ImportError as error:
            raise UsageError(f"{address}: needs the extra cloud: pip install 'crashbook[cloud]'") from error
        self.address = address.rstrip("/")
        try:
            self.system, self.root = fsspec.core.url_to_fs(self.address)
        except (ImportError, ValueError) as error:
            raise UsageError(f"{address}: {error}; install the driver of this kind of address") from error

    def names(self) -> set[str]:
        """Return the names of the rows that are kept."""
        self.system.invalidate_cache()
        folder = f"{self.root}/{ROWS}"
        found = self._asked(self.system.ls, folder, detail=False) if self._asked(self.system.exists, folder) else []
        names = [str(path).rpartition("/")[2] for path in found]
        return {name.removesuffix(SUFFIX) for name in names if name.endswith(SUFFIX)}

    def read(self, name: str) -> bytes:
        """Return the contents of a row."""
        return bytes(self._asked(self.system.cat_file, f"{self.root}/{ROWS}/{name}{SUFFIX}"))

    def write(self, name: str, data: bytes, folder: str = "") -> None:
        """Write an object; a store shows it when all of it was taken."""
        self._asked(self.system.pipe_file, "/".join(filter(None, (self.root, folder, name))), data)

    def _asked(self, verb: Any, *arguments: Any, **options: Any) -> Any:
        """Call the driver; what it refuses becomes one line."""
        try:
            return verb(*arguments, **options)
        except Exception as error:  # each driver has errors of its own
            reason = str(error).partition("\n")[0] or type(error).__name__
            raise CrashbookError(f"{self.address}: {reason}; check address, credentials and network") from error


def place_of(address: str | None, name: str) -> Place:
    """Return the place of a sweep's results: an address or a folder that the user names, else ``sweeps/NAME``."""
    if address is None:
        return Folder(inside(workspace(), "sweeps", name))
    return Cloud(address) if "://" in address else Folder(Path(address))


def rows_kept(place: Place, keys: Mapping[int, str], *, folders: bool) -> dict[int, Row]:
    """Return the rows of finished scenarios by number; one that cannot be read, or holds an error, is run again.

    With ``folders`` so is one that left no run folder.
    """
    names = place.names()
    out = {}
    for number, key in keys.items():
        if key in names and (row := _row(place, key)) is not None and not row.error and (row.run_id or not folders):
            out[number] = row
    return out


def _row(place: Place, key: str) -> Row | None:
    try:
        row = msgspec.json.decode(place.read(key), type=Row)
    except (CrashbookError, OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return None
    return row if row.key == key else None
