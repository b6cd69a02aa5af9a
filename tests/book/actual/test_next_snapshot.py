"""A roll beside the snapshot after it: what profit, fees and funding do not explain is said by account."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import polars as pl
import pytest

from backtest.book.actual.archive_rows import Unit
from backtest.book.actual.next_snapshot import Compared, compared
from backtest.book.actual.true_book import true_book
from backtest.fetch.reservoir.snapshots import Rollable, of_folder
from backtest.mechanics.margin import Tiers
from tests.fetch.reservoir import two_snapshots
from tests.fetch.reservoir.by_hand import user

UNITS = {"BTC": Unit(Decimal("0.00001"), Tiers.of([(0, 12_500_000, 0)]))}
AT = dt.datetime(2025, 10, 10, 20, 50)  # noqa: DTZ001
RATES = pl.DataFrame({"coin": ["BTC"], "ts": [AT], "rate": [0.001]})


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Rollable:
    return of_folder(two_snapshots.archive(tmp_path_factory.mktemp("archive")), AT)


def beside(found: Rollable, rates: pl.DataFrame) -> Compared:
    assert found.later is not None
    first, later = found.first, found.later
    return compared(
        first.positions, first.values, found.fills, UNITS, later.positions, later.values, later.at, rates
    )  # fmt: skip


def test_deposits_and_withdrawals_are_what_profit_and_fees_do_not_explain(found: Rollable) -> None:
    made = beside(found, RATES.head(0))
    assert made.accounts.select("user", pl.col("unexplained_usd").round(6)).rows() == [
        (user(1), 500.0), (user(2), -100.0), (user(3), 0.0),
    ]  # fmt: skip
    assert made.counts["unexplained, more than rolled (deposits), USD"] == pytest.approx(500)
    assert made.counts["unexplained, less (withdrawals), USD"] == pytest.approx(100)
    # the position of 4 was opened by a fill that is missing
    assert made.positions.rows() == [(user(4), "BTC", 0, 10_000)]


def test_funding_at_known_rates_is_no_deposit(found: Rollable) -> None:
    made = beside(found, RATES)
    # at 100,500: 1 is long 0.5 after its sale and pays 50.25, 2 receives it, 3 pays 20.10
    assert dict(made.accounts.select("user", pl.col("unexplained_usd").round(6)).rows()) == {
        user(1): 550.25, user(2): -150.25, user(3): 20.1,
    }  # fmt: skip


def test_a_rolled_account_has_paid_the_funding_that_the_lake_knows(found: Rollable) -> None:
    def cash(rates: pl.DataFrame | None) -> dict[str, float]:
        until = AT + dt.timedelta(minutes=1)
        made = true_book(found.first.positions, found.first.values, found.fills, UNITS, until, rates=rates)
        return dict(made.rows.select("account", "collateral_usd").rows())

    plain, charged = cash(None), cash(RATES)
    assert {who: round(plain[who] - charged[who], 6) for who in plain} == {
        user(1): 50.25, user(2): -50.25, user(3): 20.1, user(5): -20.1,
    }  # fmt: skip
