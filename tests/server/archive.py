"""A folder of archive files over HTTP, whole or by range."""

from __future__ import annotations

import re
from pathlib import Path

from tests.server.wire import Answer, Raw

RANGE = re.compile(r"bytes=(\d*)-(\d*)$")


def serve_file(folder: Path | None, path: str, wanted: str | None) -> Answer:
    """Answer a GET of a file below ``folder``; ``wanted`` is the Range header."""
    file = None if folder is None else (folder / path.lstrip("/")).resolve()
    if file is None or folder is None or not file.is_relative_to(folder.resolve()) or not file.is_file():
        return 404, b'<?xml version="1.0"?><Error><Code>NoSuchKey</Code></Error>'
    content = file.read_bytes()
    headers = {"Accept-Ranges": "bytes", "ETag": f'"{len(content):x}-{file.stat().st_mtime_ns:x}"'}
    found = RANGE.match(wanted or "")
    if not found or found.groups() == ("", ""):
        return 200, Raw(content, headers)
    first, last = found.groups()
    low = int(first) if first else max(len(content) - int(last), 0)
    high = min(int(last), len(content) - 1) if first and last else len(content) - 1
    if low > high:
        return 416, Raw(b"", headers | {"Content-Range": f"bytes */{len(content)}"})
    return 206, Raw(content[low : high + 1], headers | {"Content-Range": f"bytes {low}-{high}/{len(content)}"})
