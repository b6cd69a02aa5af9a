"""Types as a user meets them: the marker file, a script under ``mypy --strict``, a typo that is an error."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from backtest.api.run import Run
from backtest.schema.tables import TABLES, VIEWS
from tests.api import user_script

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "tests" / "api" / "user_script.py"


def mypy(*paths: Path) -> list[str]:
    """Return the errors of scripts under ``mypy --strict``, as found from the root of the project."""
    words = ["--strict", "--no-error-summary", "--hide-error-context", "--config-file", str(ROOT / "pyproject.toml")]
    done = subprocess.run(
        [sys.executable, "-m", "mypy", *words, *map(str, paths)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return done.stdout.splitlines()


def test_the_package_is_typed() -> None:
    assert (ROOT / "backtest" / "py.typed").read_text("utf-8") == ""


def test_a_run_has_each_table_and_view_as_an_attribute() -> None:
    names = {name for name in dir(Run) if type(vars(Run.__mro__[1]).get(name)).__name__ == "Frame"}
    assert names == {*TABLES, *VIEWS}


def test_a_user_s_script_runs(capsys: pytest.CaptureFixture[str]) -> None:
    user_script.main()
    assert capsys.readouterr().out.startswith("Binance")


def test_a_user_s_script_is_typed_and_a_typo_is_an_error(tmp_path: Path) -> None:
    text = SCRIPT.read_text("utf-8")
    wrong = tmp_path / "wrong.py"
    wrong.write_text(
        text.replace("run.adl_fills", "run.adl_fils")
        .replace("meta.venue.name", "meta.venue.nme")
        .replace("scenario.ranking", "scenario.rankng"),
        "utf-8",
    )
    errors = mypy(SCRIPT, wrong)
    assert [line for line in errors if wrong.name not in line] == []
    found = "\n".join(errors)
    assert '"Run" has no attribute "adl_fils"' in found
    assert '"Venue" has no attribute "nme"; maybe "name"?' in found
    assert '"Scenario" has no attribute "rankng"; maybe "ranking"?' in found
