"""The synthetic book: exact totals, shares within one account, limits, survival, the seed."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from backtest.book.book import PositionBook
from backtest.book.distributions import (
    apportion,
    bucket_name,
    fill_buckets,
    leverages,
    sizes,
    upper_quantile,
)
from backtest.errors import ConfigError, RangeError
from backtest.mechanics.contract import Contract
from backtest.mechanics.exact import RATE_ONE
from backtest.mechanics.margin import in_breach, tier_of
from backtest.venue.instrument import Instrument
from backtest.venue.margin_table import MarginSchedule
from tests.book.support import BTC, FIRST, SOL, TIERS, XRP, draw, rows_of, watched

DEFAULT = ((0.0, 3.0, 0.36), (3.0, 7.0, 0.49), (7.0, 0.0, 0.15))
SIDES = (1, -1)
LOOSE = MarginSchedule(TIERS.tiers, (100.0, 100.0, 100.0))


def facts(book: PositionBook, item: Instrument, symbol: int, side: int) -> dict[str, Any]:
    """Return rows of a side with value, equity and leverage at the first mark."""
    rows = rows_of(book, symbol, side)
    value = rows["lots"] * FIRST[item.coin] * item.q_mark
    equity = rows["collateral"] - side * (rows["entry_value"] - value)
    return {**rows, "value": value, "equity": equity, "leverage": value / equity}


def assert_sound(book: PositionBook, instruments: tuple[Instrument, ...], inclusive: bool) -> None:
    """Check what holds for every synthetic book."""
    assert book.label == "synthetic"
    assert book.market_lots == (0,) * len(instruments)
    assert book.account_id.tolist() != []
    assert len(set(book.account_id.tolist())) == len(book)
    assert (book.lots > 0).all()
    assert (book.entry_value > 0).all()
    assert (book.collateral > 0).all()
    for k, item in enumerate(instruments):
        for side in SIDES:
            rows = facts(book, item, k, side)
            limits = np.array(TIERS[1])[tier_of(rows["value"], TIERS[0])]
            assert (rows["value"] <= rows["equity"] * limits).all()
            cash, signed = rows["collateral"] - side * rows["entry_value"], side * rows["lots"]
            at = np.full(len(signed), FIRST[item.coin])
            assert not in_breach(cash, signed, at, Contract(item.q_mark), TIERS[0], inclusive).any()


@pytest.mark.property
@settings(max_examples=30, deadline=None)
@given(
    positions=st.integers(4, 300),
    open_usd=st.floats(2e5, 1e9),
    cap=st.floats(0, 1),
    alpha=st.floats(0.1, 3),
    tail=st.floats(0, 0.5),
    spread=st.floats(0, 0.3),
    seed=st.integers(0, 2**31 - 1),
    inclusive=st.booleans(),
)
def test_every_book_is_balanced_solvent_and_within_its_limits(
    positions: int, open_usd: float, cap: float, alpha: float, tail: float, spread: float, seed: int, inclusive: bool
) -> None:
    pair = (BTC, SOL)
    book = draw(
        pair, seed, inclusive=inclusive, positions=positions, open_interest_usd={"BTC": open_usd, "SOL": open_usd / 7},
        size_cap_frac=cap, size_alpha=alpha, size_tail_frac=tail, entry_spread_frac=spread,
    )  # fmt: skip
    assert len(book) == positions
    assert_sound(book, pair, inclusive)
    for k, (item, usd) in enumerate(zip(pair, (open_usd, open_usd / 7), strict=True)):
        total = round(usd * 10**6 / (FIRST[item.coin] * item.q_mark))
        for side in SIDES:
            lots = rows_of(book, k, side)["lots"]
            assert lots.sum() == total
            assert lots.max() <= max(math.floor(cap * total), -(-total // len(lots)))


def test_open_interest_is_lots_at_the_first_mark_rounded_half_to_even() -> None:
    """A lot of 0.001 BTC at 100,000 is 100 USD: 10,250 USD are 102.5 lots, hence 102."""
    for usd, lots in ((10_250.0, 102), (10_350.0, 104), (10_349.0, 103)):
        assert rows_of(draw(positions=20, open_interest_usd=usd), 0, 1)["lots"].sum() == lots


def test_positions_follow_open_interest_and_an_odd_one_is_long() -> None:
    book = draw((BTC, SOL), positions=101, open_interest_usd={"BTC": 3e6, "SOL": 1e6})
    counts = [len(rows_of(book, k, side)["lots"]) for k in (0, 1) for side in SIDES]
    assert counts == [38, 38, 13, 12]
    assert book.account_id.tolist() == list(range(1, 102))


def test_a_small_coin_has_two_positions_at_least() -> None:
    book = draw((BTC, SOL), positions=50, open_interest_usd={"BTC": 1e9, "SOL": 1e4})
    assert [len(rows_of(book, 1, side)["lots"]) for side in SIDES] == [1, 1]


def test_two_positions_make_a_book_and_the_cap_says_that_it_gave_way() -> None:
    book = draw(positions=2)
    assert book.lots.tolist() == [100_000, 100_000]
    assert "BTC long: the largest share is not size_cap_frac 0.03 but the least that 1 can hold, 1" in book.notes


@pytest.mark.property
@settings(max_examples=25, deadline=None)
@given(count=st.integers(2, 400), seed=st.integers(0, 2**31), usd=st.floats(1e6, 1e9), reach=st.floats(0, 0.05))
def test_shares_of_notional_are_met_within_one_account(count: int, seed: int, usd: float, reach: float) -> None:
    book = draw(seed=seed, positions=count, open_interest_usd=usd, tiers=LOOSE, reach_frac=reach, size_cap_frac=0.2)
    names = [bucket_name(row) for row in DEFAULT]
    assert book.cohorts == ("0-3x", "3-7x", "7x+") == tuple(names)
    for side in SIDES:
        rows = rows_of(book, 0, side)
        held = [int(rows["lots"][rows["cohort"] == k].sum()) for k in range(3)]
        for have, (_, _, share) in zip(held, DEFAULT, strict=True):
            assert abs(have - share * sum(held)) <= rows["lots"].max()


def test_leverage_lies_in_the_bucket_it_is_counted_in() -> None:
    book = draw(positions=2000, open_interest_usd=1e8, tiers=LOOSE)
    for side in SIDES:
        rows = facts(book, BTC, 0, side)
        for k, (low, high) in enumerate([(0.5, 3), (3, 7), (7, 100)]):
            mine = rows["leverage"][rows["cohort"] == k]
            assert mine.min() >= low * (1 - 1e-6)
            assert mine.max() <= high
            assert mine.max() / mine.min() > (high / low) ** 0.7  # spread over the bucket, not piled up


def test_large_positions_keep_to_the_limit_of_their_tier_and_the_rest_make_up_for_it() -> None:
    """Above 1M USD leverage is at most 5: only smaller positions are in the bucket above 7."""
    book = draw(positions=400, open_interest_usd=6e7, size_sigma=1.0, size_alpha=2.0)
    for side in SIDES:
        rows = facts(book, BTC, 0, side)
        high = rows["cohort"] == 2
        assert rows["value"].max() >= 10**12
        assert rows["value"][high].max() < 10**12
        assert abs(rows["value"][high].sum() / rows["value"].sum() - 0.15) <= rows["value"].max() / rows["value"].sum()
    assert not any("notional" in note for note in book.notes)


def test_a_share_that_the_tiers_cannot_carry_is_noted() -> None:
    book = draw(positions=20, open_interest_usd=1e9, leverage_mix={"BTC": ((0.0, 3.0, 0.5), (7.0, 0.0, 0.5))})
    assert book.cohorts == ("0-3x", "7x+")
    why = "tier limits and the path since entry allow no more"
    assert f"BTC long: 7x+ holds 0.000 of notional, not 0.500; {why}" in book.notes
    floor = draw(positions=20, open_interest_usd=1e9, leverage_mix={"default": ((7.0, 9.0, 1.0),)})
    assert f"BTC long: positions of 7-9x with less leverage than that: 10; {why}" in floor.notes
    assert_sound(floor, (BTC,), inclusive=False)


def test_the_mixture_of_a_coin_is_its_own() -> None:
    mix = {"default": DEFAULT, "BTC": ((0.0, 2.0, 0.5), (2.0, 0.0, 0.5))}
    book = draw((BTC, SOL), leverage_mix=mix)
    assert book.cohorts == ("0-2x", "2x+", "0-3x", "3-7x", "7x+")
    assert set(book.cohort[book.symbol == 0].tolist()) == {0, 1}
    assert set(book.cohort[book.symbol == 1].tolist()) == {2, 3, 4}


@pytest.mark.property
@settings(max_examples=30, deadline=None)
@given(reach=st.floats(0, 0.4), seed=st.integers(0, 2**31), inclusive=st.booleans())
def test_nobody_is_there_who_was_liquidated_since_entry(reach: float, seed: int, inclusive: bool) -> None:
    """At the worst mark since entry no position is in breach; the total is as stated all the same."""
    profile = (np.array([950_000, 1_000_000, 1_050_000]), np.array([1.0, 2.0, 1.0]))
    book = draw(seed=seed, profiles=[profile], reach_frac=reach, inclusive=inclusive)
    for side in SIDES:
        rows = rows_of(book, 0, side)
        worst = np.full(len(rows["lots"]), round(1_000_000 * (1 - side * reach)))
        cash = rows["collateral"] - side * rows["entry_value"]
        assert not in_breach(cash, side * rows["lots"], worst, Contract(BTC.q_mark), TIERS[0], inclusive).any()
        assert rows["lots"].sum() == 100_000


def test_the_path_counts_only_since_the_entry() -> None:
    """Longs of the first price have seen the mark 20 % lower; those of the second have not."""
    book = draw(
        profiles=[(np.array([990_000, 1_000_000]), np.ones(2))], lows=[np.array([800_000, 1_000_000])], tiers=LOOSE,
        leverage_mix={"default": ((0.0, 0.0, 1.0),)}, positions=2000, open_interest_usd=1e8,
    )  # fmt: skip
    rows = facts(book, BTC, 0, 1)
    late = rows["entry_value"] == rows["lots"] * 1_000_000 * BTC.q_tick
    assert 400 < late.sum() < 600
    assert rows["leverage"][late].max() > 50
    assert rows["leverage"][~late].max() < 5


def test_entries_follow_the_traded_volume() -> None:
    prices = np.array([999_000, 1_000_000, 1_001_000])
    book = draw(profiles=[(prices, np.array([1.0, 0.0, 3.0]))], positions=4000, open_interest_usd=1e9)
    low = [rows_of(book, 0, side)["entry_value"] == rows_of(book, 0, side)["lots"] * 99_900 * 1000 for side in SIDES]
    assert [0.2 < rows.mean() < 0.3 for rows in low] == [True, True]
    assert not any("pre-roll" in note for note in book.notes)


def test_without_a_profile_entries_are_lognormal_around_the_first_mark_and_it_is_said() -> None:
    mix = {"BTC": ((0.0, 2.0, 1.0),)}
    book = draw(positions=4000, open_interest_usd=1e9, entry_spread_frac=0.02, leverage_mix=mix)
    ratio = book.entry_value / (book.lots * 1_000_000 * BTC.q_mark)
    assert abs(float(np.log(ratio).mean())) < 0.002
    assert abs(float(np.log(ratio).std()) - 0.02) < 0.001
    assert book.notes == ("BTC: pre-roll short; entries are lognormal around the first mark, sigma 0.02",)


def test_collateral_is_at_least_initial_margin_at_entry_even_for_old_winners() -> None:
    """Entered at half the mark, a long at 10x would have posted less than nothing: its entry is moved up."""
    book = draw(profiles=[(np.array([500_000]), np.ones(1))], positions=400, tiers=LOOSE)
    rows = facts(book, BTC, 0, 1)
    assert (rows["collateral"] * 100 >= rows["entry_value"] * (1 - 1e-6)).all()
    mild = rows["leverage"] < 1.9
    assert (rows["entry_value"][mild] == rows["lots"][mild] * 500_000 * BTC.q_tick).all()
    assert (rows["entry_value"][rows["leverage"] > 3] > rows["lots"][rows["leverage"] > 3] * 500_000 * BTC.q_tick).all()


def test_same_seed_same_bytes_and_another_seed_another_book() -> None:
    assert draw(seed=5).digest == draw(seed=5).digest
    assert draw(seed=5).digest != draw(seed=6).digest


def test_another_coin_changes_no_row_of_the_first() -> None:
    """Three coins of equal open interest with 50 positions each: the rows of each are those it has alone."""
    alone = [draw((item,), positions=50, open_interest_usd=1e6) for item in (BTC, SOL, XRP)]
    for order in ((0, 1, 2), (2, 0, 1)):
        items = [(BTC, SOL, XRP)[k] for k in order]
        together = draw(items, positions=150, open_interest_usd=1e6)
        for place, k in enumerate(order):
            for side in SIDES:
                mine, other = rows_of(alone[k], 0, side), rows_of(together, place, side)
                assert (other.pop("account_id") - mine.pop("account_id") == 50 * place).all()
                assert all((mine[name] == other[name]).all() for name in mine)


def test_sizes_do_not_follow_account_ids() -> None:
    rows = facts(draw(positions=4000, open_interest_usd=1e9), BTC, 0, 1)
    for column in ("lots", "leverage", "entry_value"):
        assert abs(np.corrcoef(rows["account_id"], np.log(rows[column]))[0, 1]) < 0.1


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"positions": 3}, "positions = 3 for 2 coins; each needs a long and a short: at least 4"),
        ({"open_interest_usd": {"BTC": 1e6}}, "open_interest_usd has no value for SOL"),
        ({"open_interest_usd": {"BTC": 1e6, "SOL": 0.5}}, "open_interest_usd of SOL is 0.5, below one lot; .* least 2"),
        ({"open_interest_usd": 1e3, "positions": 99}, r"open_interest_usd of BTC is 10 lots \(0.01 BTC\) a side, "),
        ({"leverage_mix": {"BTC": DEFAULT}}, "leverage_mix has no rows for SOL"),
    ],
)
def test_a_book_that_cannot_be_is_refused_in_one_line(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said) as raised:
        draw((BTC, SOL), **fields)
    assert "\n" not in str(raised.value)


def test_too_much_open_interest_for_integers_is_refused() -> None:
    with pytest.raises(RangeError, match="BTC long: open interest at the highest entry is too large"):
        draw(open_interest_usd=1e12, entry_spread_frac=1.0)


LONG = watched("mine", "BTC", "long", 3.0, 101_000.0, 3.0, hedged=True)
SHORT = watched("desk", "BTC", "short", 1.5, 99_000.0, 2.0)


def test_watch_accounts_come_on_top_of_a_crowd_that_stays_as_it_is() -> None:
    without, book = draw(), draw(watch=(LONG, SHORT))
    assert book.market_lots == (-1500,)
    assert book.cohorts[-1] == "watch"
    assert (book.watched, book.names, book.hedged) == ((101, 102), {101: "mine", 102: "desk"}, frozenset({101}))
    for side, added in ((1, 3000), (-1, 1500)):
        before, after = rows_of(without, 0, side), rows_of(book, 0, side)
        for name, column in before.items():
            assert after[name][:-1].tolist() == column.tolist()
        assert after["account_id"][-1] == (101 if side > 0 else 102)
        assert after["lots"][-1] == added
    assert book.crowd.sum() == len(without)
    whose = "of watch accounts on top of the others, which stay as they are; the market holds the other side"
    assert f"BTC long: 3,000 lots (3 BTC) {whose}" in book.notes


def test_a_watch_account_may_be_larger_than_its_side() -> None:
    book = draw(watch=(watched("whale", "BTC", "long", 250.0, 100_000.0, 2.0),))
    assert rows_of(book, 0, 1)["lots"].sum() == 350_000
    assert book.market_lots == (-250_000,)


@pytest.mark.property
@settings(deadline=None)
@given(st.data())
def test_apportion_meets_the_total_within_the_bounds(data: st.DataObject) -> None:
    weights = data.draw(st.lists(st.floats(1e-6, 1e9), min_size=1, max_size=30))
    low = data.draw(st.integers(1, 5))
    high = data.draw(st.integers(low, 10**12))
    total = data.draw(st.integers(low * len(weights), high * len(weights)))
    parts = apportion(np.array(weights), total, low, high)
    assert int(parts.sum()) == total
    assert low <= parts.min()
    assert parts.max() <= high
    assert (np.diff(parts[np.argsort(weights, kind="stable")]) >= -1).all()


@pytest.mark.property
@given(st.lists(st.floats(0.01, 1e3), min_size=1, max_size=20), st.integers(1000, 10**9))
def test_apportion_without_bounds_is_proportion_within_one(weights: list[float], total: int) -> None:
    shares = np.array(weights) * (total / math.fsum(weights))
    assume(shares.min() >= 1)
    assert np.abs(apportion(np.array(weights), total, 1, total) - shares).max() < 1 + 1e-6


def test_normal_quantiles_agree_with_the_standard_library() -> None:
    survival = np.concatenate([np.linspace(0.001, 0.999, 999), [1e-10, 1e-6, 1 - 1e-6]])
    exact = [-NormalDist().inv_cdf(p) for p in survival.tolist()]
    assert np.abs(upper_quantile(survival) - exact).max() < 1e-5


def test_sizes_have_the_stated_body_and_tail() -> None:
    found = sizes(100_000, sigma=1.5, alpha=0.9, tail_frac=0.05, rng=np.random.default_rng(1))
    assert (np.diff(found) >= 0).all()
    assert math.isclose(float(np.median(found)), 1.0, rel_tol=1e-3)
    body, tail = np.log(found[[15_866, 84_134]]), np.log(found[[95_000, 99_500]])
    assert np.allclose(body, [-1.5, 1.5], atol=1e-3)
    assert math.isclose(float(tail[1] - tail[0]), math.log(10) / 0.9, rel_tol=1e-2)  # a tenth is left, alpha 0.9
    assert np.isfinite(sizes(1000, 5.0, 0.1, 0.5, np.random.default_rng(1))).all()
    assert np.isfinite(sizes(1000, 0.01, 0.1, 0.0, np.random.default_rng(1))).all()


def test_a_bucket_without_a_share_stays_empty() -> None:
    mix = ((0.0, 3.0, 0.5), (3.0, 7.0, 0.0), (7.0, 0.0, 0.5))
    bucket = fill_buckets(np.array([3, 3, 3, 3]), np.full(4, 50.0), mix)
    assert bucket.tolist() == [2, 2, 0, 0]


def test_leverage_is_spread_over_notional_and_not_over_accounts() -> None:
    """One account of 90 lots and ten of 1: log-uniform over lots puts the ten into the last tenth of 1x to 10x."""
    lots = np.array([90, *[1] * 10])
    one, rng = np.zeros(11, dtype=np.int64), np.random.default_rng(2)
    found = leverages(lots, np.full(11, 10.0), one, ((1.0, 10.0, 1.0),), rng)
    assert (found[1:] > 10**0.9).all()
    assert 1 <= found[0] <= 10**0.9


@pytest.mark.parametrize(("end", "lowest", "highest"), [(0.0, 0.5, 50), (7.0, 0.5, 7), (1.0, 0.5, 1), (0.8, 0.4, 0.8)])
def test_a_bucket_from_zero_begins_at_one_half_or_half_its_end(end: float, lowest: float, highest: float) -> None:
    one, rng = np.zeros(2000, dtype=np.int64), np.random.default_rng(3)
    found = leverages(one + 1, np.full(2000, 50.0), one, ((0.0, end, 1.0),), rng)
    assert lowest <= found.min() < 1.01 * lowest
    assert highest / 1.01 < found.max() <= highest


def test_initial_margin_rates_round_up() -> None:
    """A limit of 3x is a third: 0.333333334 of notional and never less."""
    tiers = MarginSchedule(TIERS.tiers, (3.0, 3.0, 3.0))
    book = draw(tiers=tiers, leverage_mix={"default": ((2.9, 0.0, 1.0),)})
    value = book.lots * FIRST["BTC"] * BTC.q_mark
    equity = book.collateral - book.side * (book.entry_value - value)
    assert (3 * equity >= value).all()
    assert math.ceil(RATE_ONE / 3.0) == 333_333_334


def test_a_small_book_with_cross_accounts_has_the_concentration_of_a_large_one() -> None:
    """The 30 largest longs hold the same share of 3,000 positions and of 100,000, within a twentieth."""
    fields: dict[str, Any] = {"cross_frac": 0.7, "positions_per_account": 2.0, "open_interest_usd": 1e10}
    shares = []
    for positions in (3_000, 100_000):
        lots = np.sort(rows_of(draw((BTC, SOL), positions=positions, **fields), 0, 1)["lots"])
        shares.append(lots[-30:].sum() / lots.sum())
    assert shares[0] == pytest.approx(shares[1], rel=0.05)


def test_sizes_that_stand_for_more_accounts_have_their_sum() -> None:
    rng = np.random.default_rng(4)
    whole = sizes(20_000, 1.0, 2.0, 0.05, rng)
    merged = sizes(500, 1.0, 2.0, 0.05, rng, merged=40.0)
    assert (np.diff(merged) >= 0).all()
    assert merged.sum() == pytest.approx(whole.sum(), rel=0.02)
    assert merged[-5:].sum() == pytest.approx(whole[-5:].sum(), rel=0.5)
