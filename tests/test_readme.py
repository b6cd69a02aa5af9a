"""The README's commands give the output that stands there."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.readme import README, rendered, same


@pytest.mark.slow
def test_commands_print_what_the_readme_shows(tmp_path: Path) -> None:
    text = README.read_text("utf-8")
    assert same(rendered(text, tmp_path)) == same(text)


def test_every_verb_is_shown() -> None:
    from backtest.cli import main

    text = README.read_text("utf-8")
    assert [name for name in main.commands if f"crashbook {name}" not in text] == []
