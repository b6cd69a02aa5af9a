"""Cross accounts of a drawn book: share of notional, coins, sides, ranks; what has no effect is noted."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backtest.book.accounts import cross_accounts, maintenance_of
from backtest.book.book import PositionBook
from backtest.book.holders import cross_share, draw_holders
from backtest.errors import ConfigError
from backtest.mechanics.exact import Floats, Ints, half_even
from backtest.scenario.fields import BY_NAME
from tests.book.support import BTC, FIRST, SOL, TIERS, USD, XRP, draw, scenario, watched

COINS = (BTC, SOL, XRP)
OPEN = {"BTC": 4e8, "SOL": 2e8, "XRP": 1e8}
PLAIN: dict[str, Any] = {"positions": 700, "open_interest_usd": OPEN}
HALF: dict[str, Any] = {**PLAIN, "cross_frac": 0.5, "positions_per_account": 2.0}
DESK = watched("desk", "BTC", "long", 1.0, 98_000.0, 4.0)


def owned(book: PositionBook) -> dict[int, dict[int, int]]:
    """Return the sides by symbol that each account holds."""
    out: dict[int, dict[int, int]] = {}
    for account, symbol, side in zip(book.account_id.tolist(), book.symbol.tolist(), book.side.tolist(), strict=True):
        assert symbol not in out.setdefault(account, {})
        out[account][symbol] = side
    return out


def value_of(book: PositionBook) -> Ints:
    """Return notional at the first mark in quanta."""
    return book.lots * np.array([FIRST[item.coin] * item.q_mark for item in COINS])[book.symbol]


def of_accounts(book: PositionBook, values: Ints) -> Floats:
    """Return the sum of values of each account with a cross position, the largest id last."""
    sums = np.bincount(book.account_id, values)
    return sums[np.unique(book.account_id[book.cross])]


@pytest.mark.property
@settings(max_examples=30, deadline=None)
@given(
    count=st.integers(12, 400),
    each=st.floats(2, 3),
    hedged=st.floats(0, 1),
    cross=st.floats(0.01, 1),
    neutral=st.floats(0, 1),
    exponent=st.floats(0, 2),
    seed=st.integers(0, 2**31 - 1),
    inclusive=st.booleans(),
)
def test_sides_are_equal_shares_exact_and_every_account_is_solvent(
    count: int, each: float, hedged: float, cross: float, neutral: float, exponent: float, seed: int, inclusive: bool
) -> None:
    book = draw(
        COINS, seed, positions=count, open_interest_usd=OPEN, watch=(DESK,), inclusive=inclusive, hedged_frac=hedged,
        cross_frac=cross, positions_per_account=each, delta_neutral_frac=neutral, leverage_exponent=exponent,
    )  # fmt: skip
    sides = owned(book)
    assert sides[count + 1] == {0: 1}  # the watch account
    assert count - (cross == 1) * (count % 2) == len(book) - 1
    for k, item in enumerate(COINS):
        total = round(OPEN[item.coin] * USD / (FIRST[item.coin] * item.q_mark))
        part = half_even(*(np.array(cross.as_integer_ratio(), dtype=object) * [total, 1]))
        for side in (1, -1):
            mine = (book.symbol == k) & (book.side == side)
            assert book.lots[mine & book.crowd].sum() == total
            assert book.lots[mine & book.cross].sum() == part
    crossed = cross_accounts(book.account_id, book.cross)
    assert {account for account, held in sides.items() if len(held) > 1} == set(crossed.ids.tolist())
    assert len(crossed.rows) == book.cross.sum()
    value = value_of(book)
    equity = book.collateral + book.side * (value - book.entry_value)
    need = maintenance_of(book.symbol, value, value, [TIERS[0]] * 3)
    assert (equity > need if inclusive else equity >= need).all()
    assert (book.collateral > 0).all()


def test_without_a_share_in_cross_accounts_every_position_is_alone() -> None:
    book = draw(COINS, **PLAIN)
    assert len(owned(book)) == 700
    assert not book.cross.any()
    assert draw(COINS, **PLAIN, positions_per_account=3.0).digest == book.digest


@pytest.mark.parametrize(
    ("each", "cross", "positions", "accounts"),
    [(2.0, 0.5, 466, 232), (2.0, 1.0, 700, 350), (3.0, 0.5, 524, 176), (2.5, 1.0, 700, 280)],
)
def test_accounts_of_both_kinds_have_the_same_mean_size(
    each: float, cross: float, positions: int, accounts: int
) -> None:
    """Of 350 positions a side, 350 x 0.5 x 2 / (0.5 + 0.5 x 2) = 233 are of 116 accounts of two, and 117 alone.

    With three an account 350 x 0.5 x 3 / (0.5 + 0.5 x 3) = 262 are of 88, three each as far as they go.
    """
    book = draw(COINS, **PLAIN, positions_per_account=each, cross_frac=cross)
    assert book.cross.sum() == positions
    assert len(np.unique(book.account_id[book.cross])) == accounts
    held = {len(coins) for coins in owned(book).values() if len(coins) > 1}
    assert max(held) - min(held) <= 1
    shares = value_of(book)[book.cross].sum() / value_of(book).sum()
    assert shares == pytest.approx(cross, abs=1e-4)


def test_coins_are_held_by_open_interest_at_most_by_all_pairs_and_evenly_at_all_ranks() -> None:
    """1,000 pairs of two hold 2,000 positions: 1,000 of BTC, the rest 2 to 1."""
    one = scenario(positions=4000, open_interest_usd=OPEN)
    held = draw_holders(one, 1.0, 2.0, [4e8, 2e8, 1e8], np.random.default_rng(1))
    assert held.pairs == 1000
    assert [len(ranks) for ranks in held.ranks] == [1000, 667, 333]
    for ranks in held.ranks:
        inside = np.bincount(ranks // 50, minlength=20)
        assert inside.max() - inside.min() <= 4


@pytest.mark.parametrize("positions", range(8, 40))
def test_two_coins_are_held_by_every_pair(positions: int) -> None:
    for share in (0.3, 0.7, 1.0):
        held = draw_holders(scenario(positions=positions), share, 2.0, [1.0, 1.0], np.random.default_rng(1))
        assert [len(ranks) for ranks in held.ranks] == [held.pairs] * 2
        assert held.rows <= positions


def test_a_hedged_account_is_long_in_some_coins_and_short_in_others() -> None:
    for share, hedged in ((0.0, 0), (0.5, 116), (1.0, 232)):
        book = draw(COINS, **HALF, hedged_frac=share)
        sides = owned(book)
        assert sum(len(set(held.values())) == 2 for held in sides.values()) == hedged
        said = f"cross accounts: 232 with 466 positions and 0.500 of notional, {hedged} of them long and short"
        assert said in book.notes


def test_all_positions_of_an_account_share_one_draw_of_leverage() -> None:
    """Of two coins of one highest leverage: the account's notional over equity is in its bucket, nowhere else."""
    mix = {"default": ((1.0, 2.0, 0.5), (3.0, 4.0, 0.5))}
    book = draw((BTC, SOL), positions=4000, open_interest_usd=4e7, leverage_mix=mix, cross_frac=1.0,
                positions_per_account=2.0)  # fmt: skip
    value = value_of(book)
    whole, equity = (
        of_accounts(book, value),
        of_accounts(book, book.collateral + book.side * (value - book.entry_value)),
    )
    leverage = whole / equity
    low = leverage < 2.01
    assert leverage[low].min() >= 0.999
    assert leverage[~low].min() >= 2.999
    assert leverage.max() <= 4.001
    assert whole[low].sum() / whole.sum() == pytest.approx(0.5, abs=0.03)
    cohorts = {
        (account, cohort) for account, cohort in zip(book.account_id.tolist(), book.cohort.tolist(), strict=True)
    }
    assert len(cohorts) == len(owned(book))


def test_who_is_large_in_one_coin_is_large_in_another() -> None:
    book = draw(COINS, positions=6000, open_interest_usd=OPEN, positions_per_account=3.0, cross_frac=1.0,
                size_cap_frac=1.0)  # fmt: skip
    value, rank = value_of(book), {}
    for k in range(3):
        mine = np.flatnonzero((book.symbol == k) & (book.side == 1))
        falling = mine[np.argsort(-value[mine], kind="stable")]
        rank[k] = {int(book.account_id[row]): place + 1 for place, row in enumerate(falling)}
    for account, place in rank[0].items():
        if place < 64:
            assert rank[1][account].bit_length() == rank[2][account].bit_length() == place.bit_length()


def test_no_account_holds_more_of_a_side_than_the_cap() -> None:
    book = draw(COINS, positions=6000, open_interest_usd=OPEN, positions_per_account=2.0, cross_frac=0.7)
    for k in range(3):
        for side in (1, -1):
            lots = book.lots[(book.symbol == k) & (book.side == side)]
            assert lots.max() <= 0.03 * lots.sum()


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"cross_frac": 1.0}, "cross_frac = 1 with positions_per_account = 1; accounts of several coins hold 2 or"),
        (
            {"cross_frac": 0.5, "positions_per_account": 2.0, "positions": 11},
            "positions = 11 for 3 coins with cross_frac = 0.5; each coin and side needs a position in a cross account",
        ),
    ],
)
def test_accounts_that_cannot_be_are_refused(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as raised:
        draw(COINS, **PLAIN | fields)
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)


def test_one_coin_has_no_cross_accounts_and_it_is_noted() -> None:
    fields: dict[str, Any] = {"cross_frac": 0.6, "positions_per_account": 3.0, "hedged_frac": 0.2}
    book = draw((BTC,), **fields)
    assert book.digest == draw((BTC,)).digest
    assert book.notes[:2] == (
        "cross_frac = 0.6 has no effect: one coin is simulated, and no account holds several",
        "hedged_frac = 0.2 has no effect: no account holds several coins",
    )
    few = cross_share(scenario(cross_frac=0.7, positions_per_account=4.0), 2)
    assert few == (0.7, 2.0, ["accounts of several coins hold 2 and not positions_per_account 4: no more coins"])


def test_nothing_is_noted_of_defaults_without_effect() -> None:
    usual = {name: BY_NAME[name].default for name in ("cross_frac", "positions_per_account", "hedged_frac")}
    assert cross_share(scenario(**usual), 1) == (0.0, 3.0, [])
    assert cross_share(scenario(**usual), 2) == (0.7, 2.0, [])


def test_the_same_seed_gives_the_same_accounts() -> None:
    fields: dict[str, Any] = {**PLAIN, "positions_per_account": 2.5, "hedged_frac": 0.5, "cross_frac": 0.5}
    assert draw(COINS, 5, **fields).digest == draw(COINS, 5, **fields).digest != draw(COINS, 6, **fields).digest
