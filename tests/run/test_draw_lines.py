"""What the summary says of draws: bands, published totals, cliffs, what the headlines follow; or that none are."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np
import polars as pl
import pytest

from backtest.catalogue.events import get_event
from backtest.run.draw_lines import cliffs_of
from backtest.run.drawn import Draw, DrawnField, Draws
from backtest.run.pinned import distances, pinned
from backtest.run.published import published_totals
from backtest.run.summary import block
from tests.run.foreign import some_draws
from tests.support.hostile import run_of


def meta_of(*coins: str, venue: str = "hyperliquid") -> Any:
    """Return as much of a run's description as published figures are chosen by."""
    contracts = [SimpleNamespace(symbol=f"{coin}/USDC:USDC") for coin in coins]
    return SimpleNamespace(event=get_event("2025-10-10"), contracts=contracts, venue=SimpleNamespace(id=venue))


def test_totals_are_of_the_coins_that_ran() -> None:
    five = {total.metric: total.usd for total in published_totals(meta_of("BTC", "SOL", "XRP", "DOGE", "LINK"))}
    assert five["adl_notional_usd"] == pytest.approx(966.5e6, rel=1e-3)
    assert five["liquidated_notional_usd"] == pytest.approx(820.5e6, rel=1e-3)
    bitcoin = {total.metric: total for total in published_totals(meta_of("BTC"))}
    assert bitcoin["adl_notional_usd"].usd == pytest.approx(621e6, rel=1e-2)
    assert bitcoin["adl_notional_usd"].coins == ("BTC",)
    assert published_totals(meta_of("BTC", venue="bybit")) == ()


def draws_of(count: int, ratio: Any) -> Draws:
    """Return draws of a number from 0 to 1, whose ADL of BTC is ``ratio`` of it times the published one."""
    total = published_totals(meta_of("BTC"))
    fields = (DrawnField(name="cross", prior="cross", field="cross_frac", source="", mark="U", seen=""),
              DrawnField(name="other", prior="other", field="hedged_frac", source="", mark="U", seen=""))  # fmt: skip
    places = (np.arange(count) + 0.5) / count
    others = np.random.default_rng(1).permutation(places)
    made = some_draws().draws[0]
    return msgspec.structs.replace(
        some_draws(),
        fields=fields,
        draws=tuple(
            Draw(seed=k, values={"cross": float(place), "other": float(other)}, headlines=made.headlines)
            for k, (place, other) in enumerate(zip(places, others, strict=True))
        ),
        compared={each.rows[0].fact: tuple(each.usd * ratio(place) for place in places) for each in total},
    )


def test_a_number_is_pinned_down_where_the_closest_draws_lie_together() -> None:
    found = pinned(draws_of(80, lambda place: 10 ** (2 * (place - 0.5))), meta_of("BTC"))
    assert found is not None
    assert [one.name for one in found] == ["cross"]
    assert 0.3 < found[0].low < 0.5 < found[0].high < 0.7


def test_nothing_is_pinned_down_by_draws_that_are_all_alike_or_few() -> None:
    assert pinned(draws_of(80, lambda place: 2.0), meta_of("BTC")) is not None
    assert pinned(draws_of(10, lambda place: place), meta_of("BTC")) is None
    assert pinned(draws_of(80, lambda place: place), meta_of("BTC", venue="bybit")) is None
    far = distances(draws_of(2, lambda place: 0.0), meta_of("BTC"))
    assert far is not None
    assert far.tolist() == [1.0, 1.0]


@pytest.mark.parametrize(("low", "near"), [(-4.0, True), (5.0, True), (-6.0, False), (20.0, False)])
def test_a_pool_within_a_tenth_of_its_capital_of_zero_stands_on_a_cliff(low: float, near: bool) -> None:
    run: Any = SimpleNamespace(meta=SimpleNamespace(scenario=SimpleNamespace(vaults=())))
    s = {"pool": "vault", "pool_start_usd": 50.0, "pool_low_usd": low}
    assert bool(cliffs_of(run, s)) == near
    assert cliffs_of(run, {**s, "pool_start_usd": 0.0, "pool_low_usd": 0.0}) == []


def test_of_several_vaults_each_has_its_own_cliff() -> None:
    names = ("pool", "serves", "equity_usd")
    rows = [("vault", "A/U:U+B/U:U", 50), ("vault", "A/U:U+B/U:U", 20), ("vault", "C/U:U", 10), ("vault", "C/U:U", -1)]
    frame = pl.DataFrame(rows, schema=names, orient="row")
    run: Any = SimpleNamespace(
        meta=SimpleNamespace(scenario=SimpleNamespace(vaults=("one", "other"))), query=lambda name: frame
    )
    s = {"pool": "vault", "pool_start_usd": 60.0, "pool_low_usd": 19.0}
    assert [(one.pool, one.low, one.capital) for one in cliffs_of(run, s)] == [("vault of C", -1, 10)]


def test_a_summary_has_the_draws_before_the_run_and_says_where_there_are_none(
    workspace: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = run_of()
    assert "  band        none: nothing was drawn but this book (--draws 16 gives bands)\n" in block(run)
    monkeypatch.setattr(run, "studies", msgspec.structs.replace(run.studies, draws=some_draws()))
    text = block(run)
    lines = [line.strip() for line in text.splitlines()]
    at = {words: next(k for k, line in enumerate(lines) if line.startswith(words)) for words in
          ("over 2 draws", "cliffs", "follows", "not drawn", "seed 1")}  # fmt: skip
    assert list(at.values()) == sorted(at.values())
    assert lines[at["over 2 draws"]] == "over 2 draws  median (5 to 95 %) of 2 priors and the seed, books of 200"
    assert lines[at["cliffs"]].endswith("ADL in 100%; the vault dies in 100%, is near zero in 0%")
    assert lines[at["not drawn"]].endswith("seed was given")
    assert at["seed 1"] < next(k for k, line in enumerate(lines) if "liquidations" in line)
    assert "90 %" not in text
    assert "pinned down" not in text  # two draws cannot tell
