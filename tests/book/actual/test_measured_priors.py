"""Priors measured on a true book: what was declared gives way, and a book drawn from them is like the one measured."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from backtest.assets import asset
from backtest.book.actual.measured_priors import BUCKETS, Measured, measured, with_measured
from backtest.book.shape import BookShape, gini
from backtest.catalogue.priors import Prior, read_priors
from backtest.run.prepare import prepare
from backtest.run.resolve import resolve
from backtest.studies.parameters import draw, parameters_of, scenario_of
from tests.book.actual.known import EVENT, Known
from tests.support.command import call

COINS = {"BTC": 120_000.0, "SOL": 220.0, "XRP": 2.8, "DOGE": 0.25, "LINK": 22.0}
FLAT = (1 / len(BUCKETS),) * len(BUCKETS)
FOUND = Measured(
    long_leverage_fracs=FLAT, short_leverage_fracs=(0.6, *[0.4 / (len(BUCKETS) - 1)] * (len(BUCKETS) - 1)),
    cross_frac=0.98, positions_per_account=4.0, hedged_frac=0.25, size_sigma=2.0, size_alpha=1.2, size_tail_frac=0.05,
    size_cap_frac=0.04, positions=9, accounts=3,
)  # fmt: skip


def priors_of(path: Path, found: Measured) -> tuple[Prior, ...]:
    path.write_text(with_measured(asset("data", "priors.toml").read_text("utf-8"), found, "the book"), "utf-8")
    return read_priors(path).rows


def test_measured_fields_take_the_place_of_declared_ones(tmp_path: Path) -> None:
    made = {row.id: row for row in priors_of(tmp_path / "measured.toml", FOUND)}
    shipped = {row.id: row for row in read_priors().rows}
    assert set(shipped) - set(made) == {"leverage"}
    assert set(made) - set(shipped) == {"long_leverage", "short_leverage", "size_sigma", "size_alpha", "size_tail_frac"}
    assert {name for name in shipped if name in made and made[name] != shipped[name]} == {
        "cross_share", "coins_per_account", "hedged_share", "leverage_by_coin", "delta_neutral_share",
        "largest_account",
    }  # fmt: skip
    cross, mix = made["cross_share"], made["short_leverage"]
    assert (cross.low, cross.high, cross.seen) == (pytest.approx(0.882), 1.0, "the book")
    assert "measured on 9 positions of 3 accounts of the book" in cross.source
    assert mix.shares is not None
    assert [(row.low, row.high) for row in mix.shares[:2]] == [(None, None), (0.036, 0.044)]
    assert made["long_leverage"].shares is not None
    assert (made["delta_neutral_share"].low, made["delta_neutral_share"].high) == (0, 0)


def test_a_true_book_is_measured_by_its_accounts(known: Known) -> None:
    found = measured(known.origin)
    assert found.positions == 843
    assert 0.5 < found.cross_frac < 1
    assert found.positions_per_account > 3
    assert sum(found.long_leverage_fracs) == pytest.approx(1)
    assert 0.5 < found.size_sigma < 2  # accounts of several draws with a sigma of 1.5


def test_the_command_writes_the_file_and_names_the_book_as_source(
    known: Known, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CRASHBOOK_HOME", str(known.home))
    answer = call("book", EVENT, "--fit", str(tmp_path / "measured.toml"), "--format", "json", "-q")
    assert answer.exit_code == 0, answer.stderr
    shown = {row["measured"]: row["value"] for row in json.loads(answer.stdout)}
    assert (shown["positions"], shown["accounts"]) == (843, known.book["account"].n_unique())
    assert sum(value for name, value in shown.items() if name.startswith("long_leverage_fracs")) == pytest.approx(
        1, abs=1e-3
    )
    made = {row.id: row for row in read_priors(tmp_path / "measured.toml").rows}
    assert made["size_sigma"].seen == "the true book 2025-10-10-reservoir.parquet at 2025-10-10 20:50 UTC"


def snapshot(accounts: int) -> pl.DataFrame:
    """Return a snapshot with a shape of its own: 60 % of the accounts hold three coins, shorts have little leverage."""
    rng = np.random.default_rng(5)
    several = rng.random(accounts) < 0.6
    usd = np.exp(7 + 1.6 * rng.standard_normal(accounts))
    large = usd > np.quantile(usd, 0.97)
    usd[large] = usd[large].min() * (1 - rng.random(large.sum())) ** (-1 / 1.1)
    long = rng.random(accounts) < 0.5
    leverage = np.clip(np.exp(np.where(long, np.log(6), np.log(1.5)) + 0.7 * rng.standard_normal(accounts)), 0.06, 20)
    each = np.where(several, 3, 1)
    owner, place = np.repeat(np.arange(accounts), each), np.concatenate([np.arange(count) for count in each])
    first = rng.integers(0, len(COINS), accounts)
    coin, names = (first[owner] + place) % len(COINS), np.array(list(COINS))
    held, turned = usd[owner] / each[owner], (place == 1) & (rng.random(accounts) < 0.2)[owner]
    return pl.DataFrame({
        "account": owner, "symbol": names[coin], "side": np.where(long[owner] ^ turned, "long", "short"),
        "mark_px": 1.0, "quantity_base": held, "account_value_usd": (usd / leverage)[owner],
        "leverage_type": np.where(several[owner], "cross", "isolated"),
    })  # fmt: skip


def quantiles(values: np.ndarray, weights: np.ndarray) -> list[float]:
    """Return the quartiles and the ends of values, by weight."""
    order = np.argsort(values)
    return np.interp([0.1, 0.25, 0.5, 0.75, 0.9], np.cumsum(weights[order]) / weights.sum(), values[order]).tolist()


def test_a_book_drawn_from_them_has_the_quantiles_of_the_book_they_were_measured_on(tmp_path: Path) -> None:
    true = snapshot(50_000)
    priors, found = priors_of(tmp_path / "measured.toml", measured(true)), measured(true)
    usd = {row[0]: row[1] / 2 for row in true.group_by("symbol").agg(pl.col("quantity_base").sum()).rows()}
    given: dict[str, Any] = {"coins": tuple(COINS), "positions": true.height, "open_interest_usd": usd, "step_s": 60.0}
    resolved = resolve("2025-10-10", given)
    chosen = parameters_of(priors, resolved, given, imported=False).rows
    middle = draw(chosen, resolved, 1)[0]
    prepared = prepare(replace(resolved, scenario=scenario_of(resolved.scenario, chosen, middle)))
    shape = BookShape(prepared.book, prepared.market.instruments, prepared.world.tiers,
                      prepared.world.walk.mark[:, 0], inclusive=False)  # fmt: skip
    book = prepared.book
    gain = shape.sign * (shape.value - book.entry_value)
    of_account = np.bincount(shape.account, shape.value) / np.bincount(shape.account, book.collateral + gain)
    leverage, side = of_account[shape.account], book.side
    rows = true.with_columns(whole=pl.col("quantity_base").sum().over("account"))
    rows = rows.with_columns(leverage=pl.col("whole") / pl.col("account_value_usd"))
    for name, sign in (("long", 1), ("short", -1)):
        mine = rows.filter(pl.col("side") == name)
        wanted = quantiles(mine["leverage"].to_numpy(), mine["quantity_base"].to_numpy())
        assert quantiles(leverage[side == sign], shape.notional[side == sign]) == pytest.approx(wanted, rel=0.25), name
    whole = shape.concentration()[0]
    sizes = np.sort(rows.unique("account")["whole"].to_numpy())
    assert whole.accounts == pytest.approx(len(sizes), rel=0.1)
    assert whole.gini_frac == pytest.approx(gini(sizes), abs=0.03)
    assert whole.cross_frac == pytest.approx(found.cross_frac, abs=0.08)
    drawn = np.bincount(shape.account, shape.notional)
    shares = [0.5, 0.75, 0.9, 0.99]
    assert np.quantile(drawn[drawn > 0], shares) == pytest.approx(np.quantile(sizes, shares), rel=0.15)
