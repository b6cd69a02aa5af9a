"""The terminal that stdout is, in one place: everything that wraps asks here."""

from __future__ import annotations

import shutil
import sys


def columns() -> int | None:
    """Return the width of the terminal that stdout is, None if it is none: then every row stays on one line."""
    return shutil.get_terminal_size().columns if sys.stdout is not None and sys.stdout.isatty() else None
