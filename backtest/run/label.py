"""The name that a user gives a run: a line beside its tables, no part of its identity."""

from __future__ import annotations

from pathlib import Path

from backtest.assets import read_regular
from backtest.durable import write_file
from backtest.errors import FileError, RunError, UsageError
from backtest.run.seal import reason
from backtest.run.share import share_beside

LABEL = "label.txt"
LONGEST = 60  # characters


def check_label(text: str) -> str:
    """Return a label without blanks around it.

    Raises
    ------
    UsageError
        It is empty, too long, or has characters that would garble a terminal.

    Examples
    --------
    >>> check_label(" larger vault ")
    'larger vault'
    """
    label = text.strip()
    if not 0 < len(label) <= LONGEST or not label.isprintable():
        raise UsageError(f"--label {label[:LONGEST]!a}: allowed: 1 to {LONGEST} printable characters")
    return label


def read_label(folder: Path) -> str:
    """Return the label of a run, empty without one; a damaged one counts as none."""
    try:
        label = read_regular(folder / LABEL, 4 * LONGEST).decode().strip()
    except (OSError, ValueError, FileError):
        return ""
    return label if len(label) <= LONGEST and label.isprintable() else ""


def write_label(folder: Path, label: str) -> None:
    """Write the label of a run, in place of an older one.

    Raises
    ------
    RunError
        If the file cannot be written; it stays as it was.
    """
    try:
        write_file(folder / LABEL, f"{check_label(label)}\n".encode())
        share_beside(folder, LABEL)
    except OSError as error:
        raise RunError(f"cannot write {folder / LABEL}: {reason(error)}; free space or choose CRASHBOOK_HOME") from None
