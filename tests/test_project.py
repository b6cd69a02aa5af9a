"""The shape of the project: layers, lazy imports, constraints, documents."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from dataclasses import fields
from pathlib import Path

import pytest

from backtest.scenario.fields import BY_NAME, Scenario

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "backtest"
ONLY = {"ccxt": "fetch/rest/ccxt_info.py", "matplotlib": "report/figures/"}


def test_ccxt_and_matplotlib_are_imported_in_one_place_each() -> None:
    texts = {path.relative_to(PACKAGE).as_posix(): path.read_text("utf-8") for path in PACKAGE.rglob("*.py")}
    for library, place in ONLY.items():
        imported = re.compile(rf"^\s*(?:import|from) {library}\b", re.MULTILINE)
        users = {name for name, text in texts.items() if imported.search(text)}
        assert users
        assert all(user.startswith(place) for user in users)


def test_importing_the_package_is_light() -> None:
    heavy = ["numpy", "polars", "duckdb", "pandas", "matplotlib", "ccxt", "pyarrow"]
    code = f"import sys, backtest, backtest.cli; print([name for name in {heavy} if name in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_scenario_fields_and_parameters_are_the_same() -> None:
    assert [field.name for field in fields(Scenario)] == list(BY_NAME)


def test_constraints_are_bare_pins() -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    assert lines
    assert [line for line in lines if not re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.+!_]+", line)] == []


def test_build_backend_is_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert all("==" in requirement for requirement in project["build-system"]["requires"])


@pytest.mark.parametrize("name", ["pyproject.toml", "README.md", "backtest", "data", "queries", "reports", "tests"])
def test_top_level_shows_the_layout(name: str) -> None:
    assert (ROOT / name).exists()
