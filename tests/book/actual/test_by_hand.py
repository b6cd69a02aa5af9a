"""What the engine does not make: modes, a vault, kPEPE, a flip, unknown accounts, numbers that are none."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from backtest.book.actual.archive_rows import Unit
from backtest.book.actual.roll import roll
from backtest.book.actual.true_book import TrueBook, true_book
from backtest.errors import BookError
from backtest.fetch.reservoir.place import Folder
from backtest.fetch.reservoir.plan import Wanted, plan_of
from backtest.fetch.reservoir.pull import pull, read_parts
from backtest.mechanics.margin import Tiers
from tests.fetch.reservoir import by_hand

CORE = dt.datetime(2025, 10, 10, 20, 50), dt.datetime(2025, 10, 10, 21, 30)  # noqa: DTZ001
UNITS = {
    "BTC": Unit(Decimal("0.00001"), Tiers.of([(0, 12_500_000, 0)])),
    "kPEPE": Unit(Decimal(1), Tiers.of([(0, 50_000_000, 0)])),
}


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, pl.DataFrame]:
    with pytest.MonkeyPatch.context() as setting:
        setting.setenv("CRASHBOOK_HOME", str(tmp_path_factory.mktemp("home")))
        archive = by_hand.venue(tmp_path_factory.mktemp("archive"))
        pull(plan_of(Folder(archive), Wanted.of(CORE, (), ("BTC",))), "x")
        found = {name: read_parts("x", name) for name in ("positions", "account_values", "fills")}
        return {name: frame for name, frame in found.items() if frame is not None}


def book(parts: dict[str, pl.DataFrame], **changes: Any) -> TrueBook:
    given = {**parts, **changes}
    return true_book(given["positions"], given["account_values"], given["fills"], UNITS, CORE[0])


def row(made: TrueBook, who: int, symbol: str) -> dict[str, Any]:
    return made.rows.row(
        by_predicate=(pl.col("account") == by_hand.user(who)) & (pl.col("symbol") == symbol), named=True
    )


def test_a_flip_opens_at_its_own_price_and_what_it_realised_is_in_the_account(parts: dict[str, pl.DataFrame]) -> None:
    made = book(parts)
    flipped = row(made, 2, "BTC")
    # cash 50,000 + 300 of unrealised loss; fees 1.5 and 2, 300 realised in BTC and 20 in kPEPE, as the venue says
    assert (flipped["side"], flipped["quantity_base"], flipped["entry_px"]) == ("long", 0.2, 116_000)
    assert flipped["collateral_usd"] == pytest.approx(50_000 - 0.3 * 1000 - 1.5 - 2 + 300 + 20)
    seller = row(made, 1, "BTC")
    assert (seller["quantity_base"], seller["entry_px"]) == (0.3, 120_000)
    assert row(made, 6, "KPEPE")["quantity_base"] == 300_000


def test_an_isolated_position_has_the_collateral_of_its_liquidation_price(parts: dict[str, pl.DataFrame]) -> None:
    alone = row(book(parts), 3, "BTC")
    assert alone["margin_mode"] == "isolated"
    # at 113,500 it has lost 450, and 1.25 % of 11,350 is left
    assert alone["collateral_usd"] == pytest.approx(450 + 0.0125 * 11_350)


def test_modes_are_counted_with_their_notional_and_stay_in_the_book(parts: dict[str, pl.DataFrame]) -> None:
    made = book(parts)
    unified = row(made, 4, "BTC")
    assert (unified["cohort"], unified["collateral_usd"]) == ("unified", 7000)
    assert row(made, 7, "KPEPE")["cohort"] == "dex_abstraction"
    assert dict(made.left_out.select("left_out", "positions").rows()) == {
        "no account value: opened after the snapshot": 1,
    }
    assert made.counts["accounts in portfolio_margin"] == 1
    assert made.counts["notional of portfolio_margin, USD"] == pytest.approx(11_800)
    kept = row(made, 5, "BTC")
    assert (kept["quantity_base"], kept["cohort"], kept["collateral_usd"]) == (0.1, "portfolio_margin", 3000)


def test_liquidation_prices_that_differ_from_the_venues_are_counted(parts: dict[str, pl.DataFrame]) -> None:
    made = book(parts)
    assert made.counts["liquidation prices compared"] == 4
    assert made.counts["liquidation prices off by more than 0.1 %"] == 3  # the one of the isolated position is met


def test_a_hole_in_the_fills_is_named_and_the_position_is_still_exact(parts: dict[str, pl.DataFrame]) -> None:
    whole = book(parts)
    assert (whole.counts["fills after a gap"], whole.differences) == (0, {})
    pepe = pl.col("coin") == "kPEPE"
    later = parts["fills"].filter(pepe).with_columns(
        pl.col("timestamp") + pl.duration(minutes=1), start_position=pl.col("start_position") + 5
    )  # fmt: skip
    made = book(parts, fills=pl.concat([parts["fills"].filter(~pepe), later], how="vertical_relaxed"))
    assert made.counts["fills after a gap"] == 2
    assert row(made, 6, "KPEPE")["quantity_base"] == 300_005
    assert made.differences == {"KPEPE": 10}


@pytest.mark.parametrize(("column", "value", "reason"), [
    ("size", float("nan"), "a number that cannot be read"),
    ("entry_price", 0.0, "a number that cannot be read"),
    ("market", "NEW", "no bars, lot or margin table of the coin"),
])  # fmt: skip
def test_rows_that_cannot_be_used_are_counted_by_reason(
    parts: dict[str, pl.DataFrame], column: str, value: Any, reason: str
) -> None:
    mine = (pl.col("user") == by_hand.user(6)) & (pl.col("market") == "kPEPE")
    changed = parts["positions"].with_columns(pl.when(mine).then(pl.lit(value)).otherwise(column).alias(column))
    made = book(parts, positions=changed, fills=parts["fills"].head(0))
    assert reason in made.left_out["left_out"].to_list()
    assert by_hand.user(6) not in made.rows["account"].to_list()


def test_an_account_without_value_is_left_to_the_market(parts: dict[str, pl.DataFrame]) -> None:
    poor = parts["account_values"].with_columns(
        account_value=pl.when(pl.col("user") == by_hand.user(6)).then(-5.0).otherwise("account_value")
    )
    assert "account value of zero or less" in book(parts, account_values=poor).left_out["left_out"].to_list()
    with pytest.raises(BookError, match="no position of the snapshot is left"):
        book(parts, account_values=parts["account_values"].with_columns(account_value=pl.lit(0.0)))


def test_fills_at_one_time_count_in_the_order_given() -> None:
    at = CORE[0]
    known = {"user": "a", "coin": "X", "timestamp": at, "lot_base": 0.1, "realized_usd": 0.0, "fee_usd": 0.0}
    moves = [(5, 0, 10.0), (5, 5, 20.0), (-4, 10, 30.0), (-6, 6, 15.0), (-2, 0, 12.0), (1, -2, 10.0)]
    fills = pl.DataFrame([{**known, "lots": lots, "start_lots": start, "px": px} for lots, start, px in moves])
    none = pl.DataFrame(schema={"user": pl.String, "coin": pl.String, "lots": pl.Int64, "entry_px": pl.Float64})
    after = roll(none, fills)
    assert after.positions.select("lots", "entry_px").rows() == [(-1, 12.0)]
    # entry 15 of ten: 4 at 30, 6 at 15, then a short of 2 at 12, of which 1 at 10
    assert after.cash["own_realized_usd"].to_list() == pytest.approx([0.1 * (4 * 15 + 2)])
    assert after.breaks.height == 0
