"""Voluntary exits of a replay: drawn once from the seed, equal on both sides to the lot, in time, and conserved."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from backtest.engine.world import Positions
from backtest.run.execute import execute
from backtest.run.exits import draw_exits
from backtest.run.prepare import prepare
from backtest.run.resolve import resolve
from backtest.scenario.reading import check_values
from tests.support.plain import LONG_STEPS

NOBODY = np.array([], dtype=np.int64)


def crowd(count: int = 400) -> Positions:
    """Return a book of two symbols whose sides are equal."""
    lots = np.random.default_rng(3).integers(1, 1000, count)
    return Positions(
        account=np.arange(4 * count), symbol=np.repeat([0, 1], 2 * count), side=np.tile(np.repeat([1, -1], count), 2),
        lots=np.concatenate([lots, lots[::-1], lots, lots]), entry_value=np.full(4 * count, 10**6),
        collateral=np.full(4 * count, 10**5),
    )  # fmt: skip


def drawn(book: Positions, share: float, half_life_s: float, seed: int = 1, kept: np.ndarray = NOBODY) -> object:
    ends_s = np.arange(1, 241) * 60.0
    return draw_exits(book, share, half_life_s, ends_s, kept, np.random.default_rng(seed))


def test_both_sides_lose_the_share_to_the_lot_and_no_position_more_than_it_has() -> None:
    book = crowd()
    found = drawn(book, 0.3, 900)  # sixteen half-lives: all but a 65,536th
    for symbol in (0, 1):
        mine = book.symbol[found.long] == symbol
        whole = int(book.lots[book.block(symbol, 1)].sum())
        assert int(found.lots[mine].sum()) == pytest.approx(0.3 * whole, rel=0.01)
    assert (book.symbol[found.long] == book.symbol[found.short]).all()
    assert (book.side[found.long] == 1).all()
    assert (book.side[found.short] == -1).all()
    for rows in (found.long, found.short):
        assert (np.bincount(rows, found.lots, len(book)) <= book.lots).all()
    assert (np.diff(found.step) >= 0).all()
    assert found.lots.min() > 0


def test_half_of_the_rest_leaves_in_each_half_life() -> None:
    book = crowd()
    found = drawn(book, 0.5, 3600)
    left = np.cumsum(np.bincount(found.step, found.lots, 241)) / (0.5 * book.lots[book.side > 0].sum())
    assert left[[60, 120, 180, 240]] == pytest.approx([0.5, 0.75, 0.875, 0.9375], abs=0.02)


def test_the_draw_follows_its_generator_and_leaves_watched_positions() -> None:
    book = crowd()
    first, again, other = (drawn(book, 0.2, 1800, seed) for seed in (1, 1, 2))
    assert first.long.tolist() == again.long.tolist()
    assert first.long.tolist() != other.long.tolist()
    stayed = np.unique(first.long)[:5]
    assert not np.isin(stayed, drawn(book, 1.0, 900, kept=stayed).long).any()


def test_a_replay_conserves_and_says_who_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRASHBOOK_HOME", str(tmp_path))
    given = {"voluntary_exit_frac": 0.4, "voluntary_exit_half_life_s": 900.0, "positions": 400, **LONG_STEPS}
    ready = prepare(resolve("2025-10-10", check_values({"coins": "BTC,SOL", **given}, "here")))
    assert ready.world.exits is not None
    run = execute(ready)
    assert [audit.name for audit in run.audits() if not audit.passed] == []
    assert run.summary()["residual_usd"] == 0
    gone = run.sql("select count(*) from positions where fate = 'exited' and final_lots = 0").item()
    assert gone > 50
    paid, lots = run.sql("select sum(amount_usd), sum(lots) from ledger where cause = 'exit'").row(0)
    assert (float(paid), lots) == (0.0, 0)
    assert "Voluntary exits (a prior, U): 40% of each side's lots wants to leave" in "".join(run.meta.assumptions)
    assert prepare(resolve("2025-10-10", {"positions": 500})).world.exits is None
