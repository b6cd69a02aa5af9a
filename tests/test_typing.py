"""Types as a user meets them: the marker file, a script that runs, which ``mypy`` checks with ``api/user_typos.py``."""

from __future__ import annotations

from pathlib import Path

import pytest

from backtest.api.run import Run
from backtest.schema.tables import TABLES, VIEWS
from tests.api import user_script

ROOT = Path(__file__).parents[1]


def test_the_package_is_typed() -> None:
    assert (ROOT / "backtest" / "py.typed").read_text("utf-8") == ""


def test_a_run_has_each_table_and_view_as_an_attribute() -> None:
    names = {name for name in dir(Run) if type(vars(Run.__mro__[1]).get(name)).__name__ == "Frame"}
    assert names == {*TABLES, *VIEWS}


def test_a_user_s_script_runs(capsys: pytest.CaptureFixture[str]) -> None:
    user_script.main()
    assert capsys.readouterr().out.startswith("Binance")
