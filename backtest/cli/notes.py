"""Notes on a run after its summary: four lines on what was measured, modelled or borrowed, the rest on request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from backtest.cli import terminal
from backtest.cli.messages import filled, print_line

if TYPE_CHECKING:
    from backtest.run.run import StoredRun

INPUTS = ("prices", "mark", "book")


def print_note(text: str) -> None:
    """Print a note on stderr, wrapped to the terminal."""
    print_line(filled(f"note: {text}", terminal.error_columns()))


def print_notes(run: StoredRun, *, on_disk: bool, everything: bool) -> None:
    """Print where prices, mark, book and funding come from, and all notes if they are wanted."""
    if on_disk:
        print_note("this run was on disk already; --fresh simulates it again")
    for line in four_lines(run):
        print_note(line)
    notes = run.meta.notes
    for text in notes if everything else ():
        print_note(text)
    if notes and not everything:
        print_note(f"{len(notes)} more; --notes prints them")


def four_lines(run: StoredRun) -> list[str]:
    """Return whether prices, mark, book and funding of a run are measured, modelled or borrowed."""
    labels = run.meta.labels.by_name()
    lines = [f"{name}: {labels[name].badge}, {labels[name].text}" for name in INPUTS]
    rows = [row for row in run.coverage.to_dicts() if row["series"] == "funding"]
    of = {row["label"]: row["source"] or row["note"] for row in rows}
    funding = "; ".join(f"{label}, {text}" if text else label for label, text in of.items())
    return [*lines, f"funding: {funding or 'none'}"]
