"""Priors measured on a true book: what was declared gives way, all else stays, and the file is one of priors."""

from __future__ import annotations

from pathlib import Path

import pytest

from backtest.assets import asset
from backtest.book.actual.measured_priors import Measured, measured, with_measured
from backtest.catalogue.priors import read_priors
from tests.book.actual.conftest import Known

FOUND = Measured(leverage_fracs=(0.3, 0.5), cross_frac=0.98, positions_per_account=4.0, hedged_frac=0.25, positions=9)


def test_measured_fields_take_the_place_of_declared_ones(tmp_path: Path) -> None:
    file = tmp_path / "measured.toml"
    file.write_text(with_measured(asset("data", "priors.toml").read_text("utf-8"), FOUND, "the book"), "utf-8")
    made, shipped = ({row.id: row for row in read_priors(path).rows} for path in (file, None))
    assert list(made) == list(shipped)
    cross, mix = made["cross_share"], made["leverage"]
    assert (cross.low, cross.high, cross.seen) == (pytest.approx(0.882), 1.0, "the book")
    assert "measured on 9 positions of the book" in cross.source
    assert mix.shares is not None
    assert [(row.low, row.high) for row in mix.shares] == [(0.27, 0.33), (0.45, 0.55), (None, None)]
    assert {name for name, row in made.items() if row != shipped[name]} == {
        "cross_share", "coins_per_account", "hedged_share", "leverage",
    }  # fmt: skip


def test_a_true_book_is_measured_by_its_accounts(known: Known) -> None:
    found = measured(known.origin)
    assert found.positions == 843
    assert 0.5 < found.cross_frac < 1
    assert found.positions_per_account > 3
    assert sum(found.leverage_fracs) <= 1
