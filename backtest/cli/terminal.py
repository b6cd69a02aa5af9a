"""The terminals that stdout and stderr are, in one place: everything that wraps asks here."""

from __future__ import annotations

import shutil
import sys


def columns() -> int | None:
    """Return the width of the terminal that stdout is, None if it is none: then every row stays on one line."""
    return shutil.get_terminal_size().columns if sys.stdout is not None and sys.stdout.isatty() else None


def error_columns() -> int | None:
    """Return the width of the terminal that stderr is, None if it is none: then every note stays on one line."""
    return shutil.get_terminal_size().columns if sys.stderr is not None and sys.stderr.isatty() else None
