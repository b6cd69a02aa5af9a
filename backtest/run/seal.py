"""Digests of files: JSON that carries the SHA-256 of its own text, and the SHA-256 of a file.

A seal has no key: it shows damage by accident, and nothing against somebody who wants to deceive.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from backtest.assets import open_regular

_CLOSE, _SEAL = "\n}\n", ',\n "sha256": "'


def sealed(body: Mapping[str, Any]) -> str:
    """Return a JSON object as text with the SHA-256 of that text as a last key, so that any changed byte shows.

    Examples
    --------
    >>> text = sealed({"seed": 1})
    >>> is_sealed(text), is_sealed(text.replace("1", "2", 1))
    (True, False)
    """
    return _with_digest(json.dumps(body, indent=1, sort_keys=True, ensure_ascii=False) + "\n")


def is_sealed(text: str) -> bool:
    """Return whether a text is as ``sealed`` wrote it."""
    return text == _with_digest(text.rpartition(_SEAL)[0] + _CLOSE)


def _with_digest(text: str) -> str:
    digest = hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
    return f'{text.removesuffix(_CLOSE)}{_SEAL}{digest}"{_CLOSE}'


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a regular file.

    Raises
    ------
    FileError
        It is a link or no file.
    """
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def reason(error: OSError) -> str:
    """Return the system's text for an error; Arrow wraps it in its own."""
    return os.strerror(error.errno) if error.errno else str(error)
