"""The sheet: order, the market's lots, the digest, watch accounts."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtest.book.book import COLUMNS, PositionBook, assemble
from backtest.book.watch import watch_rows
from backtest.errors import BookError, ConfigError
from backtest.mechanics.exact import exact_sum
from backtest.scenario.reading import check_values
from backtest.scenario.watched import WatchedPosition
from tests.book.support import BTC, SOL, TIERS, marks, watched

ROWS: list[tuple[int, ...]] = [  # account_id, symbol, side, lots, cost, wallet, cohort, cross
    (7, 1, -1, 4, 400, 40, 0, 0),
    (9, 0, -1, 3, 300, 30, 1, 0),
    (2, 0, 1, 5, 500, 50, 0, 0),
    (1, 1, 1, 4, 404, 44, 1, 0),
    (1, 0, 1, 6, 606, 66, 1, 0),
]
DESK = watched("desk", "BTC", "short", 25.0, 98_000.0, 4.0, hedged=True)


def columns(rows: list[tuple[int, ...]]) -> dict[str, npt.NDArray[np.int64]]:
    return {name: np.array([row[k] for row in rows], dtype=np.int64) for k, name in enumerate(COLUMNS)}


def book(rows: list[tuple[int, ...]] = ROWS, **more: Any) -> PositionBook:
    return assemble(columns(rows), 2, ["a", "b"], "imported", **more)


def test_rows_are_sorted_by_symbol_longs_first_account() -> None:
    found = book()
    assert list(zip(found.symbol.tolist(), found.side.tolist(), found.account_id.tolist(), strict=True)) == [
        (0, 1, 1), (0, 1, 2), (0, -1, 9), (1, 1, 1), (1, -1, 7),
    ]  # fmt: skip
    assert found.entry_value.tolist() == [606, 500, 300, 404, 400]
    assert len(found) == 5


def test_market_takes_what_accounts_leave_open() -> None:
    assert book().market_lots == (-8, 0)


def test_columns_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="read-only"):
        book().lots[0] = 9


@given(st.permutations(ROWS))
def test_order_of_input_does_not_matter(rows: list[tuple[int, ...]]) -> None:
    assert book(rows).digest == book().digest


@pytest.mark.parametrize(
    "change",
    [
        {"names": {1: "mine"}},
        {"hedged": frozenset({1})},
        {"watched": [1]},
        {"rows": [(7, 1, -1, 4, 400, 41, 0, 0), *ROWS[1:]]},
        {"rows": [(7, 1, -1, 4, 400, 40, 0, 1), *ROWS[1:]]},
    ],
)
def test_digest_covers_everything_that_reaches_results(change: dict[str, Any]) -> None:
    assert book(**change).digest != book().digest


def test_second_position_on_a_side_is_refused() -> None:
    with pytest.raises(BookError, match="account 7 holds two positions on one side of a symbol"):
        book([*ROWS, (7, 1, -1, 1, 100, 10, 0, 0)])


@given(st.lists(st.integers(-(2**63), 2**63 - 1)))
def test_exact_sum_never_wraps(numbers: list[int]) -> None:
    assert exact_sum(np.array(numbers, dtype=np.int64)) == sum(numbers)


def rows_for(*watches: WatchedPosition, inclusive: bool = False) -> Any:
    pair = (BTC, SOL)
    return watch_rows(watches, pair, [TIERS] * 2, marks(*pair), inclusive=inclusive, first_id=11, cohort=3)


def test_watch_collateral_is_entry_value_over_leverage() -> None:
    """25 BTC at 98,000 are 2,450,000 USD; a quarter of it is 612,500; its tier allows 5x."""
    found = rows_for(DESK)
    assert {name: column.tolist() for name, column in found.columns.items()} == {
        "account_id": [11], "symbol": [0], "side": [-1], "lots": [25_000],
        "entry_value": [2_450_000 * 10**6], "collateral": [612_500 * 10**6], "cohort": [3], "cross": [0],
    }  # fmt: skip
    assert found.names == {11: "desk"}
    assert found.hedged == {11}
    assert found.notes == ()


def test_an_entry_price_far_off_the_first_mark_is_noted() -> None:
    (note,) = rows_for(watched("odd", "SOL/USDT:USDT", "short", 1.0, 2000.0, 2.0)).notes
    assert note.startswith("watch 'odd': entry price 2000 is ")
    assert note.endswith(" times off the first mark; is it right?")


def test_watch_size_is_floored_to_lots_and_the_rest_noted() -> None:
    found = rows_for(watched("odd", "SOL/USDT:USDT", "long", 1.2345, 200.0, 3.0))
    assert found.columns["lots"].tolist() == [123]
    assert found.columns["entry_value"].tolist() == [246 * 10**6]
    assert found.columns["collateral"].tolist() == [82 * 10**6]
    assert found.hedged == frozenset()
    assert found.notes == ("watch 'odd': 0.0045 SOL below a lot of 0.01 left out",)


@pytest.mark.parametrize(
    ("watch", "said"),
    [
        (watched("a", "ETH", "long", 1.0, 4000.0, 2.0), "watch 'a': ETH is not simulated; allowed: BTC, SOL"),
        (watched("b", "BTC", "long", 0.0009, 1e5, 2.0), "watch 'b': size_base 0.0009 is below one lot of 0.001 BTC"),
        (watched("c", "BTC", "long", 25.0, 1e5, 5.5), "watch 'c': leverage 5.5 on 2,500,000 USD of BTC; .* at most 5"),
        (watched("d", "BTC", "long", 0.1, 120_000.0, 10.0), "watch 'd': already in breach .* first mark 100000"),
        (watched("e", "BTC", "long", 1e9, 1e5, 2.0), "watch 'e': worth over 1.1e12 USD, too large for int64"),
        (watched("f", "BTC", "long", float("inf"), 1e5, 2.0), "watch 'f': size_base, entry_px and leverage must be"),
    ],
)
def test_watch_that_cannot_be_is_refused_by_name(watch: WatchedPosition, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as raised:
        rows_for(DESK, watch)
    assert "\n" not in str(raised.value)


BOTH = (
    watched("pair", "BTC", "long", 1.0, 100_000.0, 20.0, margin_mode="cross"),
    watched("pair", "SOL", "short", 100.0, 150.0, 10.0, hedged=True, margin_mode="cross"),
)


def test_watch_tables_of_one_name_are_one_cross_account() -> None:
    """The SOL short is bankrupt alone: 1,500 posted, 5,000 lost at 200. With 5,000 of BTC behind it 1,500 are left."""
    found = rows_for(DESK, *BOTH, watched("other", "BTC", "long", 1.0, 100_000.0, 2.0))
    assert found.columns["account_id"].tolist() == [11, 12, 12, 13]
    assert found.columns["cross"].tolist() == [0, 1, 1, 0]
    assert (found.names, found.hedged) == ({11: "desk", 12: "pair", 13: "other"}, {11, 12})


def test_a_watched_cross_account_is_in_breach_as_a_whole() -> None:
    """Maintenance is 700 on 100,000 of BTC and 80 on 20,000 of SOL; a short from 130 with 1,300 has lost 7,000."""
    short = watched("pair", "SOL", "short", 100.0, 130.0, 10.0, margin_mode="cross")
    for posted, fine in ((6_480.01, True), (6_479.99, False)):
        long = watched("pair", "BTC", "long", 1.0, 100_000.0, 100_000 / posted, margin_mode="cross")
        if fine:
            assert len(rows_for(long, short).names) == 1
        else:
            with pytest.raises(ConfigError, match="watch 'pair': already in breach of maintenance margin"):
                rows_for(long, short)


def table(**more: Any) -> dict[str, Any]:
    return {"name": "pair", "coin": "BTC", "side": "long", "size_base": 1, "entry_px": 1e5, "leverage": 2, **more}


@pytest.mark.parametrize(
    ("second", "said"),
    [
        (table(coin="SOL", margin_mode="isolated"), "two .* share a name; give each its own, or margin_mode"),
        (table(margin_mode="cross"), "share name, coin and side; merge them"),
        (table(name="other", margin_mode="both"), "margin_mode = 'both'; allowed: isolated, cross"),
    ],
)
def test_only_the_positions_of_a_cross_account_share_a_name(second: dict[str, Any], said: str) -> None:
    first = table(margin_mode="cross")
    with pytest.raises(ConfigError, match=said):
        check_values({"watch": [first, second]}, "mine.toml")
    pair = check_values({"watch": [first, table(coin="SOL", side="short", margin_mode="cross")]}, "mine.toml")["watch"]
    assert [(watch.name, watch.margin_mode) for watch in pair] == [("pair", "cross")] * 2


def test_watch_at_maintenance_follows_the_comparison_of_the_venue() -> None:
    """Long 0.1 BTC from 100,000 with 40 USD: equity 40 is the 0.4 % maintenance of 10,000."""
    edge = watched("edge", "BTC", "long", 0.1, 100_000.0, 100.0)
    wide = (TIERS[0], (250.0, 20.0, 5.0))
    tight = watched("edge", "BTC", "long", 0.1, 100_000.0, 250.0)
    assert rows_for(edge).columns["collateral"].tolist() == [100 * 10**6]
    fields = {"first_id": 1, "cohort": 0}
    assert (
        watch_rows([tight], [BTC], [wide], marks(BTC), inclusive=False, **fields).columns["collateral"][0] == 40 * 10**6
    )
    with pytest.raises(ConfigError, match="in breach"):
        watch_rows([tight], [BTC], [wide], marks(BTC), inclusive=True, **fields)
