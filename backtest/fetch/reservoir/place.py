"""Where the archive lies: a folder or an S3 bucket, listed and read by ranges of bytes; every refusal is one line."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from backtest.assets import inside, open_regular
from backtest.errors import DataError, UsageError
from backtest.fetch.reservoir.layout import REGION

CREDENTIALS = "set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; whoever asks pays for the bytes"
# Codes of S3 and what they mean here; the status where there is no code.
REFUSALS = {
    "ExpiredToken": "the credentials have expired; sign in again",
    "InvalidToken": "the session token is not valid; sign in again",
    "InvalidAccessKeyId": "the access key is not known; give another one",
    "SignatureDoesNotMatch": "the secret key does not fit the access key; correct it",
    "AccessDenied": "access denied (403); the account must be allowed to read and to pay for requests",
    "403": "access denied (403); the account must be allowed to read and to pay for requests",
    "AuthorizationHeaderMalformed": f"the bucket lies in another region; set AWS_DEFAULT_REGION={REGION}",
    "PermanentRedirect": f"the bucket lies in another region; set AWS_DEFAULT_REGION={REGION}",
    "301": f"the bucket lies in another region; set AWS_DEFAULT_REGION={REGION}",
    "RequestTimeTooSkewed": "the clock of this machine is wrong; set it",
    "SlowDown": "too many requests; try again later",
    "NoSuchBucket": "there is no such bucket; check its name",
}


@dataclass(frozen=True, slots=True, order=True)
class Listed:
    """A file of the archive as a listing gives it; ``tag`` changes with its content."""

    key: str
    size: int
    tag: str


class Place(Protocol):
    """An archive that can be listed and read; ``name`` is how messages call it."""

    name: str

    def listing(self, folder: str) -> list[Listed]:
        """Return the Parquet files of one folder by name, none if there is no such folder."""
        ...

    def read(self, key: str, start: int, stop: int) -> bytes:
        """Return the bytes ``[start, stop)`` of a file."""
        ...


class Folder:
    """An archive in a folder with the layout of the bucket."""

    def __init__(self, root: Path) -> None:
        self.root, self.name = root, str(root)

    def listing(self, folder: str) -> list[Listed]:
        """Return the files of a folder; size and time of change tell whether one is another."""
        at = inside(self.root, *folder.split("/"))
        paths = sorted(at.glob("*.parquet")) if at.is_dir() else []
        stats = [(path, path.stat()) for path in paths]
        return [Listed(f"{folder}/{path.name}", each.st_size, f"{each.st_mtime_ns:x}") for path, each in stats]

    def read(self, key: str, start: int, stop: int) -> bytes:
        """Return bytes of a regular file."""
        with open_regular(inside(self.root, *key.split("/"))) as file:
            file.seek(start)
            return file.read(stop - start)


class Bucket:
    """An archive in an S3 bucket whose owner lets those pay who ask: each request says so.

    Credentials come from where AWS clients find them (environment, profile, instance); none is kept here.
    """

    def __init__(self, address: str) -> None:
        try:
            import s3fs
        except ImportError:
            raise UsageError(f"{address}: needs s3fs; install crashbook[cloud]") from None
        self.name, self.root = address, address.removeprefix("s3://").rstrip("/")
        region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or REGION
        self.system = s3fs.S3FileSystem(
            requester_pays=True, use_listings_cache=False, skip_instance_cache=True,
            client_kwargs={"region_name": region}, config_kwargs={"retries": {"max_attempts": 3}},
        )  # fmt: skip

    def listing(self, folder: str) -> list[Listed]:
        """Return the objects below a folder."""
        try:
            with self._refusals(folder):
                rows = self.system.ls(f"{self.root}/{folder}/", detail=True)
        except FileNotFoundError:
            return []
        found = [(str(row["name"]).removeprefix(f"{self.root}/"), row) for row in rows]
        return sorted(
            Listed(key, int(row["size"]), str(row.get("ETag", "")).strip('"'))
            for key, row in found
            if key.endswith(".parquet")
        )

    def read(self, key: str, start: int, stop: int) -> bytes:
        """Return bytes of an object by one request."""
        try:
            with self._refusals(key):
                return bytes(self.system.cat_file(f"{self.root}/{key}", start=start, end=stop))
        except FileNotFoundError:
            raise DataError(f"{self.name}/{key}: it is listed but cannot be read; try again") from None

    @contextmanager
    def _refusals(self, key: str) -> Iterator[None]:
        """Turn what the client raises into one line; a file that is absent stays FileNotFoundError."""
        try:
            yield
        except FileNotFoundError as error:
            if _code_of(error) != "NoSuchBucket":
                raise
            raise DataError(f"{self.name}: {REFUSALS['NoSuchBucket']}") from None
        except Exception as error:
            raise DataError(f"{self.name}/{key}: {refusal_of(error)}") from None


def refusal_of(error: BaseException) -> str:
    """Return why an S3 client failed and what to do, without a word that it was given.

    Examples
    --------
    >>> refusal_of(PermissionError("Access Denied"))
    'access denied (403); the account must be allowed to read and to pay for requests'
    """
    code = _code_of(error)
    if code in REFUSALS:
        return REFUSALS[code]
    kind = type(error).__name__
    if "Credentials" in kind or "Token" in kind or "Profile" in kind:
        return f"no usable credentials of AWS ({kind}); {CREDENTIALS}"
    if isinstance(error, PermissionError):
        return REFUSALS["403"]
    if "Connect" in kind or "Timeout" in kind or isinstance(error, ConnectionError):
        return f"cannot be reached ({kind}); check the network and try again"
    return f"the request failed ({code or kind}); try again"


def _code_of(error: BaseException | None) -> str:
    """Return the code that S3 answered with, of an error or of what caused it."""
    while error is not None:
        response: Any = getattr(error, "response", None)
        if isinstance(response, dict):
            return str(response.get("Error", {}).get("Code", ""))
        error = error.__cause__ or error.__context__
    return ""


def open_place(root: str) -> Place:
    """Return the archive at a folder or an address ``s3://BUCKET``.

    Raises
    ------
    UsageError
        There is no such folder, or the address is of another kind.
    """
    if root.startswith("s3://"):
        return Bucket(root)
    folder = Path(root)
    if "://" in root or not folder.is_dir():
        raise UsageError(f"no archive at '{ascii(root)[1:-1]}'; give a folder of its layout or s3://BUCKET")
    return Folder(folder)
