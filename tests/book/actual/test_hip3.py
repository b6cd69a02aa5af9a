"""A market of a builder: its own dex, account values and fills, no vault behind it, from archive to replay."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import polars as pl
import pytest

from backtest.api.run import open_run
from backtest.book.actual.write import book_path
from tests.fetch.reservoir import by_hand
from tests.support.command import call

EVENT = "2026-01-30"
LAST_S = 11 * 60  # of the core are enough


def archive(root: Path) -> Path:
    """Write a snapshot before the crash of silver, its fills, and bars of the end of the crash."""
    at = int(dt.datetime(2026, 1, 30, 9, tzinfo=dt.UTC).timestamp() * 1000)
    held = [
        by_hand.position(1, "xyz:SILVER", 100.0, 115.0, 110.0, account_value=1500.0, liquidation_price=99.0),
        by_hand.position(2, "xyz:SILVER", -60.0, 112.0, 110.0, account_value=9000.0, account_mode=None),
        by_hand.position(3, "xyz:SILVER", -40.0, 112.0, 110.0, account_value=9000.0),
        by_hand.position(1, "BTC", 5.0, 80_000.0, 80_000.0, account_value=70_000.0),
    ]
    values = [
        {"user": by_hand.user(who), "dex": dex, "collateral_token": "USDC", "account_value": value}
        for who, dex, value in (
            (1, "hyperliquid", 70_000.0),
            (1, "xyz", 1500.0),
            (2, "xyz", 9000.0),
            (3, "xyz", 9000.0),
        )
    ]
    fills = by_hand.trade(1, "10:00:00", "xyz:SILVER", "1.5", "109", (1, "100"), (2, "-60"))
    closed = by_hand.fill("21:55:00", 1, "xyz:SILVER", "sell", "101.5", "92", "101.5", direction="Close Long",
                          is_liquidation=True, liquidation_method="market", liquidation_mark_px="92.1")  # fmt: skip
    sold = [k if k % 50 == 0 or k == LAST_S - 1 else None for k in range(LAST_S)]
    prices = [None if k is None else round(110 * (1 - 0.25 * k / LAST_S), 2) for k in sold]
    bars = by_hand.bars("xyz:SILVER", "21:49:00", prices)
    dex = root / "by_dex/xyz"
    by_hand.write(root / f"global/snapshots/perp/all/date={EVENT}/880000000_{at}.parquet", by_hand.POSITIONS, held)
    by_hand.write(root / f"global/snapshots/account_values/date={EVENT}/880000000_{at}.parquet", by_hand.VALUES, values)
    by_hand.write(dex / f"fills/perp/all/date={EVENT}/fills.parquet", by_hand.FILLS, [*fills, closed])
    by_hand.write(dex / f"fills/perp/liquidations/date={EVENT}/fills.parquet", by_hand.FILLS, [closed])
    by_hand.write(dex / f"candles/1s/date={EVENT}/candles.parquet", by_hand.BARS, bars)
    return root


def test_silver_is_read_rolled_and_replayed_on_the_book_of_its_own_dex(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(by_hand, "DAY", EVENT)
    root = archive(tmp_path / "archive")
    for words in (
        ["fetch", EVENT, "--archive", f"reservoir={root}", "-q"],
        ["book", "roll", "--from", EVENT, "--to", f"{EVENT}T21:50", "-q"],
        ["replay", EVENT, "--book", "reservoir", "--draws", "0", "-q"],
    ):
        answer = call(*words)
        assert answer.exit_code == 0, answer.stderr
    book = pl.read_parquet(book_path(EVENT))
    assert book.select("symbol", "side", "quantity_base").rows() == [
        ("XYZ-SILVER", "long", 101.5), ("XYZ-SILVER", "short", 61.5), ("XYZ-SILVER", "short", 40.0),
    ]  # fmt: skip
    assert book["collateral_usd"][0] == pytest.approx(1500 + 100 * 5)
    run = open_run()
    assert run.meta.venue.id == "xyz"
    assert run.fund_events.height == 0
    causes = run.query("adl_bankrupts").to_dicts()
    assert [(row["bankrupt"], row["replayed_frac"]) for row in causes] == [("account", 1.0)]
    outcome = call("query", "actual_accounts", "--format", "json", "-q")
    assert '"outcome":"both"' in outcome.stdout.replace(" ", "")
