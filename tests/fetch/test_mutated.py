"""Answers changed at random never break the client and never become a wrong row; ``tests.fetch.mutated`` has more."""

from __future__ import annotations

import pytest

from tests.fetch.mutated import CASES_IN_CI, SEED_IN_CI, run


def test_mutated_answers_never_break_the_client_nor_become_wrong_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    happened = run(CASES_IN_CI, SEED_IN_CI, monkeypatch)
    assert sum(happened.values()) == CASES_IN_CI
    assert min(happened["whole"], happened["refused"], happened["partial"]) > 0
