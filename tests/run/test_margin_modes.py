"""Accounts in portfolio margin: kept in the book and deleveraged, never liquidated, and told with their share."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from backtest.api.replay import replay
from backtest.api.run import Run

HEAD = ("account", "symbol", "side", "quantity_base", "entry_px", "leverage", "margin_mode", "cohort")
BOOK = [
    ("alone", "BTC", "long", 20.0, 121_000.0, 30, "isolated", "portfolio_margin"),
    ("both", "BTC", "long", 20.0, 121_000.0, 30, "cross", "portfolio_margin"),
    ("both", "SOL", "long", 2000.0, 220.0, 15, "cross", "portfolio_margin"),
    ("other", "BTC", "long", 20.0, 121_000.0, 30, "cross", "standard"),
    ("other", "SOL", "long", 2000.0, 220.0, 15, "cross", "standard"),
    ("winner", "BTC", "short", 30.0, 125_000.0, 20, "isolated", "portfolio_margin"),
    ("safe", "BTC", "short", 30.0, 100_000.0, 1, "isolated", "standard"),
    ("safe", "SOL", "short", 4000.0, 200.0, 1, "isolated", "standard"),
]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    with pytest.MonkeyPatch.context() as setting:
        setting.setenv("CRASHBOOK_HOME", str(tmp_path_factory.mktemp("home")))
        frame = pl.DataFrame(BOOK, schema=HEAD, orient="row")
        fields: dict[str, Any] = {
            "coins": ("BTC", "SOL"),
            "vaults": (),
            "vault_capital_usd": 0.0,
            "liquidity_factor": 0.0,
        }
        return {
            mode: replay("2025-10-10", positions=frame, portfolio_margin=mode, **fields) for mode in ("kept", "cross")
        }


def closed(run: Run, table: str) -> set[str]:
    names = dict(run.accounts.select("account_id", "name").rows())
    return {names[number] for number in getattr(run, table)["account_id"]}


def test_they_are_deleveraged_and_never_liquidated(runs: dict[str, Run]) -> None:
    kept = runs["kept"]
    assert closed(kept, "liquidations") == {"other"}
    assert closed(kept, "adl_fills") >= {"winner"}
    left = dict(
        kept.positions.join(kept.accounts, on="account_id").group_by("name").agg(pl.col("final_lots").sum()).rows()
    )
    assert left["alone"] > 0
    assert left["both"] > 0
    assert all(audit.passed for audit in kept.audits())


def test_they_can_be_liquidated_as_cross_accounts(runs: dict[str, Run]) -> None:
    assert closed(runs["cross"], "liquidations") == {"alone", "both", "other"}


def test_the_headline_tells_their_share_of_the_notional(runs: dict[str, Run]) -> None:
    (kept,), (cross,) = (
        [line for line in runs[mode].meta.headline if "portfolio margin" in line] for mode in ("kept", "cross")
    )
    # 20 + 20 + 30 of 120 BTC, 2,000 of 8,000 SOL: about 56 %
    assert kept.startswith("3 accounts in portfolio margin, 5")
    assert kept.endswith("stay: they are deleveraged, not liquidated")
    assert cross.endswith("are liquidated as cross accounts are")
