"""A store of the S3 kind on loopback, and a folder copied into it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

BUCKET = "crashes"


@contextmanager
def store_served(patch: pytest.MonkeyPatch) -> Iterator[Callable[[str], str]]:
    """Serve a store and give addresses in its bucket; drivers find it by their usual settings."""
    server_of = pytest.importorskip("moto.server", reason="moto is not installed").ThreadedMotoServer
    pytest.importorskip("boto3", reason="boto3 is not installed")
    s3fs = pytest.importorskip("s3fs", reason="s3fs is not installed")
    s3fs.S3FileSystem.clear_instance_cache()  # of a store that was served before
    server = server_of(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    settings = {"ACCESS_KEY_ID": "testing", "SECRET_ACCESS_KEY": "testing", "DEFAULT_REGION": "us-east-1"}
    for name, value in {**settings, "ENDPOINT_URL": f"http://{host}:{port}"}.items():
        patch.setenv(f"AWS_{name}", value)
    client().create_bucket(Bucket=BUCKET)
    yield lambda name: f"s3://{BUCKET}/{name}"
    server.stop()


def client() -> Any:
    """Return a client of the store that is served, which is none of the program's drivers."""
    import boto3

    return boto3.client("s3")


def upload(folder: Path, name: str) -> None:
    """Copy a folder into the bucket, below a name."""
    objects = client()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            key = f"{name}/{path.relative_to(folder).as_posix()}"
            objects.put_object(Bucket=BUCKET, Key=key, Body=path.read_bytes())
