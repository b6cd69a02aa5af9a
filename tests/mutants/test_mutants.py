"""The list of mutants fits the code: each place stands once, the change parses, every part of the code has some."""

from __future__ import annotations

import ast
from collections import Counter

import pytest

from tests.mutants.catalogue import PARTS, ROOT, Mutant, load

MUTANTS = load()


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_changes_one_place_and_still_parses(mutant: Mutant) -> None:
    text = (ROOT / mutant.file).read_text("utf-8")
    changed = mutant.applied(text)
    if mutant.file.endswith(".py"):
        assert ast.dump(ast.parse(changed)) != ast.dump(ast.parse(text))
    assert all((ROOT / test.split("::")[0]).exists() for test in mutant.tests)


def test_mutants_are_spread_over_the_code() -> None:
    parts = Counter(
        next((part for part in PARTS if mutant.file.startswith(f"backtest/{part}/")), "") for mutant in MUTANTS
    )
    parts["sql"] += sum(mutant.file.startswith("queries/") for mutant in MUTANTS)
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS) >= 60
    assert {part: parts[part] for part in PARTS if parts[part] < 6} == {}
