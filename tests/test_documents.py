"""Every command in every page prints what the page shows."""

from __future__ import annotations

from pathlib import Path

import pytest

from backtest.cli.program import crashbook
from tests.documents import ROOT, masked, pages, rendered
from tests.notebooks import notebooks, read, stored, texts
from tests.notebooks import run as run_cells


@pytest.mark.slow
@pytest.mark.parametrize("page", pages(), ids=lambda page: page.relative_to(ROOT).as_posix())
def test_commands_print_what_the_page_shows(page: Path, tmp_path: Path) -> None:
    assert masked(rendered(page, tmp_path)) == masked(page.read_text("utf-8"))


def test_every_command_is_shown() -> None:
    text = "".join(page.read_text("utf-8") for page in pages())
    assert [name for name in crashbook.modules if f"crashbook {name}" not in text] == []


def test_the_first_page_is_read_in_one_sitting() -> None:
    assert len((ROOT / "README.md").read_text("utf-8").splitlines()) <= 150


@pytest.mark.parametrize("path", notebooks(), ids=lambda path: path.stem)
def test_a_notebook_shows_what_its_cells_give(path: Path) -> None:
    notebook = read(path)
    assert texts(run_cells(notebook)) == texts(stored(notebook)), "python -m tests.notebooks writes the outputs"
