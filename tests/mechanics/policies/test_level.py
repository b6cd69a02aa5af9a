"""The exact level against plain fractions: ends that floats cannot tell apart, clones, amounts beyond 64 bits."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtest.mechanics.adl.policies import level
from backtest.mechanics.adl.policies.level import level_amounts, level_lots
from backtest.mechanics.exact import Ints

Row = tuple[int, int, int]  # first, slope, most
ROWS = st.lists(
    st.tuples(
        st.integers(-(2**40), 2**40) | st.sampled_from((0, 1, 10**9, 10**9 + 1)),
        st.integers(1, 2**40) | st.sampled_from((1, 2, 3, 10**9, 10**9 + 1)),
        st.integers(0, 20) | st.integers(0, 2**30),
    ),
    min_size=1,
    max_size=9,
)


def columns(rows: list[Row]) -> tuple[Ints, Ints, Ints]:
    first, slope, most = (np.array(column, dtype=np.int64) for column in zip(*rows, strict=True))
    return first, slope, most


def parts(rows: list[Row], unit: int, wanted: int) -> list[Fraction]:
    """Return what each pays at the level, looked for among all ends in exact fractions."""

    def at(t: Fraction) -> list[Fraction]:
        return [min(max((first + t * slope) / unit, Fraction(0)), Fraction(most)) for first, slope, most in rows]

    ends = {Fraction(-first, slope) for first, slope, _ in rows}
    ends |= {Fraction(most * unit - first, slope) for first, slope, most in rows}
    low = max((t for t in ends if sum(at(t)) <= wanted), default=min(ends))
    high = min((t for t in ends if sum(at(t)) >= wanted), default=max(ends))
    below, above = sum(at(low)), sum(at(high))
    return at(low) if above == below else at(low + (high - low) * (wanted - below) / (above - below))


def agrees(rows: list[Row], unit: int, wanted: int) -> None:
    """Assert that the lots are those of the exact level: floors, and one more for the largest remainders."""
    paid = level_lots(*columns(rows), unit, wanted).tolist()
    exact = parts(rows, unit, wanted)
    floors = [int(part) for part in exact]
    by_remainder = sorted(range(len(rows)), key=lambda i: floors[i] - exact[i])
    for i in by_remainder[: wanted - sum(floors)]:
        floors[i] += 1
    assert paid == floors
    assert sum(paid) == wanted


@pytest.mark.property
@given(ROWS, st.sampled_from((1, 7, 10**6)), st.floats(0, 1))
def test_lots_are_those_of_the_exact_level(rows: list[Row], unit: int, share: float) -> None:
    agrees(rows, unit, int(share * sum(most for *_, most in rows)))


@pytest.mark.property
@given(st.integers(1, 10**12), st.integers(-3, 3), st.integers(1, 40), st.integers(0, 119))
def test_ends_that_floats_cannot_tell_apart_are_in_exact_order(slope: int, more: int, most: int, wanted: int) -> None:
    # Two ends differ by a part in 1e15 or less, beside a clone: as floats they are one number.
    near = (0, 3 * slope * 10**5 + more, 3 * most)
    agrees([near, (0, slope * 10**5, most), (0, slope * 10**5, most)], 1, min(wanted, 5 * most))


def test_every_margin_gives_the_same_lots(monkeypatch: pytest.MonkeyPatch) -> None:
    # 400 participants, 100 of them clones; all ends ordered by fractions, and only those near the level.
    numbers = np.random.default_rng(5)
    first, slope = numbers.integers(-(10**9), 10**9, 400), numbers.integers(1, 10**9, 400)
    most = numbers.integers(0, 50, 400)
    for column in (first, slope, most):
        column[300:] = column[7]
    found = [level_lots(first, slope, most, 10**6, wanted) for wanted in range(0, int(most.sum()) + 1, 997)]
    monkeypatch.setattr(level, "MARGINS", level.MARGINS[-1:])
    again = [level_lots(first, slope, most, 10**6, wanted) for wanted in range(0, int(most.sum()) + 1, 997)]
    assert len(found) > 5
    assert all((a == b).all() for a, b in zip(found, again, strict=True))


def test_a_level_that_floats_miss_is_found() -> None:
    # Once the last line has ended, the slopes of the others are 8 in floats and not 5: a level of 83, not of 200.
    agrees([(0, 2, 1000), (0, 2, 100), (0, 1, 100), (0, 2**55, 2**40)], 1, 2**40 + 600)


def test_weights_beyond_64_bits_are_exact() -> None:
    huge = np.array([3 * 2**70, 2**70, 2**70 + 1], dtype=object)
    most, none = np.array([2**50, 2**50, 2**50]), np.zeros(3, dtype=np.int64)
    paid = level_lots(none, huge, most, 1, 1001).tolist()
    assert paid == [601, 200, 200]  # 600.6, and twice 200.2
    assert level_lots(none, huge, most, 1, 3 * 2**50).tolist() == most.tolist()


def test_amounts_in_floats_fill_to_one_level() -> None:
    # Weights 4, 2, 1 with limits 4, 6 and 6: at the level 1.5 the first has paid 4, the others 3 and 1.5.
    weights, most = np.array([4.0, 2.0, 1.0]), np.array([4.0, 6.0, 6.0])
    assert level_amounts(np.zeros(3), weights, most, 8.5).tolist() == [4.0, 3.0, 1.5]
    assert level_amounts(np.zeros(3), weights, most, 99.0).tolist() == most.tolist()
    assert level_amounts(np.zeros(0), np.zeros(0), np.zeros(0), 0.0).tolist() == []
