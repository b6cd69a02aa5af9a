"""Accounts of several coins: the same positions, other owners; the number of coins, sides, ranks, modes."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backtest.book.accounts import cross_accounts, maintenance_of
from backtest.book.book import PositionBook
from backtest.book.pairing import pair_count
from backtest.errors import ConfigError
from tests.book.support import BTC, FIRST, SOL, TIERS, XRP, draw, watched

COINS = (BTC, SOL, XRP)
OPEN = {"BTC": 4e8, "SOL": 2e8, "XRP": 1e8}
PLAIN: dict[str, Any] = {"positions": 700, "open_interest_usd": OPEN}
DESK = watched("desk", "BTC", "long", 1.0, 98_000.0, 4.0)


def positions(book: PositionBook) -> list[tuple[int, ...]]:
    """Return what a position is, whoever owns it."""
    columns = (book.symbol, book.side, book.lots, book.entry_value, book.collateral, book.cohort)
    return sorted(zip(*(column.tolist() for column in columns), strict=True))


def owned(book: PositionBook) -> dict[int, dict[int, int]]:
    """Return the sides by symbol that each account holds."""
    out: dict[int, dict[int, int]] = {}
    for account, symbol, side in zip(book.account_id.tolist(), book.symbol.tolist(), book.side.tolist(), strict=True):
        assert symbol not in out.setdefault(account, {})
        out[account][symbol] = side
    return out


@pytest.mark.property
@settings(max_examples=60, deadline=None)
@given(
    count=st.integers(6, 400),
    each=st.floats(1, 3),
    hedged=st.floats(0, 1),
    cross=st.floats(0, 1),
    seed=st.integers(0, 2**31 - 1),
    inclusive=st.booleans(),
)
def test_joining_changes_owners_and_nothing_else(
    count: int, each: float, hedged: float, cross: float, seed: int, inclusive: bool
) -> None:
    shares: dict[str, Any] = {"hedged_frac": hedged, "cross_frac": cross} if each > 1 else {}
    fields: dict[str, Any] = {"positions": count, "open_interest_usd": OPEN, "watch": (DESK,), "inclusive": inclusive}
    plain, book = draw(COINS, seed, **fields), draw(COINS, seed, **fields, positions_per_account=each, **shares)
    assert positions(book) == positions(plain)
    assert book.market_lots == plain.market_lots
    sides = owned(book)
    assert sides[count + 1] == {0: 1}  # the watch account
    crossed = set(book.account_id[book.cross].tolist())
    assert all(len(sides[account]) > 1 for account in crossed)
    whole = cross_accounts(book.account_id, book.cross)
    assert set(whole.ids.tolist()) == crossed
    worth = np.array([FIRST[item.coin] * item.q_mark for item in COINS])
    value = book.lots * worth[book.symbol]
    equity = whole.total((book.collateral + book.side * (value - book.entry_value))[whole.rows])
    need = whole.total(maintenance_of(book.symbol, value, value, [TIERS[0]] * 3)[whole.rows])
    assert (equity > need if inclusive else equity >= need).all()


def test_without_joining_every_position_is_an_account_of_its_own_in_isolated_margin() -> None:
    book = draw(COINS, **PLAIN)
    assert len(owned(book)) == 700
    assert not book.cross.any()


@pytest.mark.parametrize(("each", "held"), [(2.0, {1: 100, 2: 300}), (1.5, {1: 232, 2: 234}), (3.0, {1: 400, 3: 100})])
def test_accounts_hold_as_many_coins_as_asked(each: float, held: dict[int, int]) -> None:
    """Of 200, 100 and 50 positions a side, 150 pairs hold 150 + 100 + 50 = 2 x 150, and 50 pairs three each.

    233 pairs hold 200 + 100 + 50 = 350 >= 349.5: 117 of them two, 116 one.
    """
    book = draw(COINS, **PLAIN, positions_per_account=each)
    assert Counter(map(len, owned(book).values())) == held


def test_positions_left_over_are_the_smallest_of_their_side() -> None:
    book = draw(COINS, **PLAIN, positions_per_account=2.0)
    rest = [account for account, sides in owned(book).items() if len(sides) == 1]
    outside = np.isin(book.account_id, rest)
    for side in (1, -1):
        mine = (book.symbol == 0) & (book.side == side)
        assert book.lots[mine & outside].max() <= book.lots[mine & ~outside].min()


def test_a_hedged_account_is_long_in_some_coins_and_short_in_others() -> None:
    for share, hedged in ((0.0, 0), (0.5, 150), (1.0, 300)):
        book = draw(COINS, **PLAIN, positions_per_account=2.0, hedged_frac=share)
        sides = owned(book)
        assert sum(len(set(held.values())) == 2 for held in sides.values()) == hedged
        said = f"accounts of several coins: 300 with 600 of 700 positions, {hedged} of them long and short"
        assert said in book.notes


def test_a_share_of_the_accounts_is_in_cross_margin_and_nothing_else_follows_from_it() -> None:
    alone = draw(COINS, **PLAIN, positions_per_account=2.0, hedged_frac=0.3)
    for share, accounts in ((0.25, 76), (1.0, 300)):
        book = draw(COINS, **PLAIN, positions_per_account=2.0, hedged_frac=0.3, cross_frac=share)
        assert np.array_equal(book.account_id, alone.account_id)
        assert positions(book) == positions(alone)
        assert book.digest != alone.digest
        assert len(cross_accounts(book.account_id, book.cross).ids) == accounts
    assert any(
        note.startswith("cross accounts: 300 with 600 of 700 positions; share of notional") for note in book.notes
    )


def test_who_holds_much_of_one_coin_holds_much_of_another() -> None:
    """Ranks from the top are in the same band, 1, 2-3, 4-7 ..., in every coin; no cap, so that few are equal."""
    book = draw(COINS, positions=6000, open_interest_usd=OPEN, positions_per_account=3.0, size_cap_frac=1.0)
    rank = {}
    for k in range(3):
        mine = np.flatnonzero((book.symbol == k) & (book.side == 1))
        joined = mine[np.isin(book.account_id[mine], book.account_id[(book.symbol == 2) & (book.side == 1)])]
        falling = joined[np.argsort(-book.lots[joined], kind="stable")]
        rank[k] = {int(book.account_id[row]): place + 1 for place, row in enumerate(falling)}
    assert len(rank[0]) > 100
    for account, place in rank[0].items():
        if place < 64:
            assert rank[1][account].bit_length() == rank[2][account].bit_length() == place.bit_length()


def test_pair_count_is_the_largest_that_fits() -> None:
    for enough in ([5, 5, 5], [9, 1, 1], [30, 20, 7]):
        for each in (Fraction(1), Fraction(3, 2), Fraction(2), Fraction(5, 2), Fraction(3)):
            fit = [pairs for pairs in range(1, 100) if sum(min(most, pairs) for most in enough) >= pairs * each]
            assert pair_count(enough, each) == max(fit)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"positions_per_account": 4.0}, "with 3 coins; an account holds one position a coin: allowed 1 to 3"),
        ({"cross_frac": 1.0}, "cross_frac = 1, but no account holds several coins; set positions_per_account above 1"),
        ({"hedged_frac": 0.5}, "hedged_frac = 0.5, but no account holds several coins"),
    ],
)
def test_accounts_that_cannot_be_are_refused(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as raised:
        draw(COINS, **PLAIN, **fields)
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)


def test_the_same_seed_gives_the_same_accounts() -> None:
    fields: dict[str, Any] = {**PLAIN, "positions_per_account": 2.5, "hedged_frac": 0.5, "cross_frac": 0.5}
    assert draw(COINS, 5, **fields).digest == draw(COINS, 5, **fields).digest != draw(COINS, 6, **fields).digest
