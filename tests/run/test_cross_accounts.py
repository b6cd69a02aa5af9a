"""Cross accounts and hedges from the book to the audits: matched against isolated margin, under several rules."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import polars as pl
import pytest

from backtest.api.replay import replay
from backtest.api.run import Run
from tests.support.plain import PLAIN_BOOK

FALL: dict[str, Any] = {
    "start": dt.datetime.fromisoformat("2025-10-10T21:12"), "end": dt.datetime.fromisoformat("2025-10-10T21:24"),
    "step_s": 20.0, "mark_half_life_s": 30.0,
}  # fmt: skip
HIGH = {**PLAIN_BOOK["leverage_mix"], "BTC": ((0.0, 3.0, 0.2), (3.0, 7.0, 0.3), (7.0, 0.0, 0.5))}  # BTC fell less
SMALL: dict[str, Any] = {"positions": 400, "coins": ("BTC", "SOL"), **FALL}
JOINED: dict[str, Any] = {**SMALL, "positions_per_account": 2.0, "cross_frac": 1.0}
FUND: dict[str, Any] = {
    "close_price": "bankruptcy", "vault_capital_usd": 0.0, "fund_start_usd": 5e6, "fund_takeover": "bankruptcy",
    "liquidation_rule": "full_position",
}  # fmt: skip
RULES: tuple[dict[str, Any], ...] = (
    {}, FUND, {"ranking": "binance", "liquidation_rule": "tier_by_tier"},
    {"liquidation_rule": "reduce_once", "vault_capital_usd": 0.0},
)  # fmt: skip
ONE_FIRST: dict[str, Any] = {
    "venue": "okx", "cross_allocation": "one_first", "cross_order": "loss", "liquidation_rule": "reduce_once",
}  # fmt: skip
FATES = (
    "SELECT position_id, lots, entry_value_usd, collateral_usd, final_lots, final_cash_usd FROM positions ORDER BY 1"
)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Return the run of isolated accounts whose book the tests regroup."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CRASHBOOK_HOME", str(tmp_path_factory.mktemp("base")))
        return replay(**SMALL | {"positions": 600}, **{**PLAIN_BOOK, "leverage_mix": HIGH})


@pytest.fixture(scope="module")
def joined(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Return a run of cross accounts with two positions each, in OKX's lots, which are multiples of the others'."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CRASHBOOK_HOME", str(tmp_path_factory.mktemp("joined")))
        return replay(**JOINED, venue="okx", book_of="hyperliquid")


def failed(run: Run) -> list[str]:
    return [audit.name for audit in run.audits() if not audit.passed]


@pytest.mark.parametrize("rules", [*RULES[:2], ONE_FIRST], ids=["vault", "fund", "one_first"])
def test_cross_and_isolated_accounts_hold_the_same_positions_and_losses_spread_in_one(
    joined: Run, rules: dict[str, Any]
) -> None:
    columns = ("side", "quantity_base", "entry_px", "collateral_usd")
    coin = pl.col("symbol").str.split("/").list.first()
    rows = joined.positions.sort("position_id").select(*columns, account="account_id", symbol=coin)
    alone, cross = (
        replay(positions=rows.with_columns(margin_mode=pl.lit(mode)), coins=SMALL["coins"], **FALL, **rules)
        for mode in ("isolated", "cross")
    )
    given = (
        "SELECT position_id, account_id, symbol, side, lots, entry_value_usd, collateral_usd FROM positions ORDER BY 1"
    )
    assert alone.sql(given).equals(cross.sql(given))
    assert failed(cross) == []
    effects = cross.query("cross_contagion").group_by("margin_mode").agg(pl.col("contagion", "supported").sum())
    found = {mode: (contagion, supported) for mode, contagion, supported in effects.rows()}
    assert min(found["cross"]) > 5
    assert found.get("isolated", (0, 0))[0] == 0
    assert alone.query("cross_contagion")["contagion"].sum() == 0
    if rules is ONE_FIRST:  # rounds of one position after the other
        several = "SELECT 1 FROM liquidations GROUP BY step, account_id HAVING count(DISTINCT symbol) > 1"
        assert cross.sql(several).height > 0


def test_a_loss_in_one_coin_takes_a_position_that_its_own_price_would_have_spared() -> None:
    """A SOL long of 30x pulls down an unlevered part of BTC; with the hedge on the other side it takes nothing."""
    lines = "account,symbol,side,quantity_base,entry_px,collateral_usd,margin_mode\n"
    lines += "1,BTC,long,1,117000,30000,{mode}\n1,SOL,long,600,205,4000,{mode}\n2,BTC,short,1,117000,400000,\n"
    lines += "3,SOL,short,600,205,400000,\n"
    runs = {
        mode: replay(
            positions=pl.read_csv(lines.format(mode=mode).encode(), infer_schema=False),
            coins=("BTC", "SOL"),
            **FALL,
        )
        for mode in ("isolated", "cross")
    }
    lost = "SELECT symbol FROM liquidations WHERE account_id = 1 GROUP BY symbol ORDER BY symbol"
    assert [row[0][:3] for row in runs["isolated"].sql(lost).rows()] == ["SOL"]
    assert [row[0][:3] for row in runs["cross"].sql(lost).rows()] == ["BTC", "SOL"]
    several = runs["cross"].query("multi_coin_breaches")
    assert several["account_id"].to_list()[:1] == [1]
    assert failed(runs["cross"]) == []


def hedged(base: Run, modes: tuple[str, ...]) -> pl.DataFrame:
    """Return the positions of a run regrouped: account n holds of every coin the n-th largest long and 12th more short.

    Accounts are net long, so that some fall even with both legs.
    """
    rank = pl.col("lots").rank("ordinal", descending=True).over("symbol", "side").cast(pl.Int64)
    rank = rank - pl.when(pl.col("side") == "short").then(12).otherwise(0)
    rows = base.positions.sort("position_id").select(
        "symbol", "side", "quantity_base", "entry_px", "collateral_usd", account=rank
    )
    drawn = np.random.default_rng(3).integers(len(modes), size=rows.height)
    return rows.with_columns(margin_mode=pl.Series([modes[k] for k in drawn]))


@pytest.mark.parametrize("modes", [("isolated",), ("cross", "isolated")], ids="-".join)
def test_accounts_long_and_short_in_one_coin_add_up_under_every_rule(base: Run, modes: tuple[str, ...]) -> None:
    book = hedged(base, modes)
    causes, own = set[str](), 0
    for rules in RULES if "cross" in modes else RULES[:1]:  # books of both hold isolated accounts too
        run = replay(positions=book, coins=SMALL["coins"], **FALL, **rules)
        assert failed(run) == []
        causes |= set(run.sql("SELECT DISTINCT cause FROM ledger")["cause"])
        own += run.sql("SELECT count(*) FROM adl_fills WHERE rank = 0 AND bankrupt = account_id::VARCHAR").item()
        netted = run.sql("SELECT count(*) FROM positions WHERE fate = 'netted' AND final_lots = lots").item()
        assert netted == 0
    assert ("net" in causes) == ("cross" in modes)
    assert (own > 0) == ("isolated" in modes)


def test_a_cross_position_without_another_is_an_isolated_one(base: Run) -> None:
    rows = base.positions.sort("position_id").select(
        "symbol", "side", "quantity_base", "entry_px", "collateral_usd", account="account_id"
    )
    plain = replay(positions=rows, coins=SMALL["coins"], **FALL)
    cross = replay(positions=rows.with_columns(margin_mode=pl.lit("cross")), coins=SMALL["coins"], **FALL)
    assert plain.run_id != cross.run_id
    assert plain.sql(FATES).equals(cross.sql(FATES))
