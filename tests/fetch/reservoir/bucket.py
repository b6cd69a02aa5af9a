"""A bucket of the S3 kind on loopback whose owner lets those pay who ask: without the flag the answer is 403."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

BUCKET = "crash-archive"
REFUSAL = b"<?xml version='1.0'?><Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"


class Gate:
    """Passes requests on to a store if they say who pays, counts them, and can be shut with another refusal."""

    def __init__(self, store: Callable[..., Iterable[bytes]]) -> None:
        self.store, self.requests, self.refused, self.code = store, 0, 0, ""
        self.passing = 0  # requests that still pass once it is shut
        self.client: Any = None  # of the owner, to change what is stored

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        self.requests += 1
        shut = self.code and not self.passing
        self.passing -= bool(self.code and self.passing)
        if environ.get("HTTP_X_AMZ_REQUEST_PAYER") == "requester" and not shut:
            return self.store(environ, start)
        self.refused += 1
        body = REFUSAL.replace(b"AccessDenied", self.code.encode() or b"AccessDenied")
        start("403 Forbidden", [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))])
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]


@contextmanager
def serve(archive: Path, setting: pytest.MonkeyPatch) -> Iterator[Gate]:
    """Serve a folder as a bucket; the usual places tell clients where it is and who they are."""
    boto3 = pytest.importorskip("boto3", reason="boto3 is not installed")
    pytest.importorskip("s3fs", reason="s3fs is not installed")
    server_module = pytest.importorskip("moto.server", reason="moto is not installed")
    from werkzeug.serving import make_server

    gate = Gate(server_module.DomainDispatcherApplication(server_module.create_backend_app))
    server = make_server("127.0.0.1", 0, gate, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    settings = {
        "ACCESS_KEY_ID": "AKIAOFTHETESTS",
        "SECRET_ACCESS_KEY": "secret-of-the-tests",
        "DEFAULT_REGION": "us-east-1",
    }
    for name, value in {**settings, "ENDPOINT_URL": f"http://127.0.0.1:{server.server_port}"}.items():
        setting.setenv(f"AWS_{name}", value)
    try:
        gate.client = client = boto3.client("s3")
        gate.code = ""
        paid = {"RequestPayer": "requester"}
        client.meta.events.register(
            "before-sign.s3", lambda request, **rest: request.headers.__setitem__("x-amz-request-payer", "requester")
        )
        client.create_bucket(Bucket=BUCKET)
        for path in sorted(archive.rglob("*.parquet")):
            client.put_object(Bucket=BUCKET, Key=path.relative_to(archive).as_posix(), Body=path.read_bytes(), **paid)
        yield gate
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
