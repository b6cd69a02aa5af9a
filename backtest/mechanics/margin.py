"""Equity, tiered maintenance margin and the exact mark at which a position breaches.

All money in quanta. Notional of k lots at a mark of m mark quanta is ``k * m * q`` with
``q`` quanta per (mark quantum x lot), of an inverse contract ``k * round(num / m)``. Signed lots carry the sign of a
position's value: that of its side, for an inverse contract the opposite one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from backtest.mechanics.contract import Contract
from backtest.mechanics.exact import RATE_ONE, Bools, Floats, Ints, mul_rate_up
from backtest.mechanics.numeric import np

NEVER_LONG = -1  # no mark at or above zero breaches
NEVER_SHORT = 2**62
HIGHEST = 2**52  # mark quanta; no search goes further
CHUNK = 1 << 15


@dataclass(frozen=True, slots=True)
class Tiers:
    """A tiered maintenance schedule: floors and deductions in quanta, rates in 1e-9.

    Tier k holds from its floor inclusive. ``maintenance = ceil(notional * rate) - deduction``. ``on_entry``: the
    notional of a position is its entry value, whatever the mark; else its value at the mark.
    """

    floors: Ints
    rates_e9: Ints
    deductions: Ints
    on_entry: bool = False

    @staticmethod
    def of(rows: Sequence[tuple[int, int, int]], *, on_entry: bool = False) -> Tiers:
        """Build a schedule from (floor, rate, deduction) rows in ascending order."""
        table = np.array(rows, dtype=np.int64).reshape(-1, 3)
        floors, rates_e9, less = (np.ascontiguousarray(table[:, k]) for k in range(3))
        return Tiers(floors, rates_e9, less, on_entry)

    def notional(self, value: Ints, entry_value: Ints) -> Ints:
        """Return what the schedule counts of positions: entry values, or values at the mark."""
        return entry_value if self.on_entry else value

    def __len__(self) -> int:
        return len(self.floors)


def deductions(floors: Sequence[int], rates_e9: Sequence[int]) -> list[int]:
    """Return the deductions that make a tiered schedule continuous, in quanta.

    ``c_0 = 0``; ``c_k = c_(k-1) + floor_k * (r_k - r_(k-1))``; equal to marginal rates.

    Examples
    --------
    Binance BTCUSDT, 2024-10-24 (freqtrade snapshot c9ae5e1e): 50 and 950 USDT.

    >>> usd = 10**6
    >>> [c // usd for c in deductions([0, 50_000*usd, 600_000*usd, 3_000_000*usd],
    ...                               [4_000_000, 5_000_000, 6_500_000, 10_000_000])]
    [0, 50, 950, 11450]
    """
    total, out = 0, [0]
    for k in range(1, len(floors)):
        total += floors[k] * (rates_e9[k] - rates_e9[k - 1])
        out.append(total // RATE_ONE)
    return out


def tier_of(notional: Ints, tiers: Tiers) -> Ints:
    """Return the index of the tier each notional falls in; floors are inclusive."""
    if len(tiers) == 1:
        return np.zeros(notional.shape, dtype=np.int64)
    tier: Ints = np.zeros(notional.shape, dtype=np.int64)
    for floor in tiers.floors[1:].tolist():
        above = notional >= floor
        if not above.any():
            break
        tier += above
    return tier


def maintenance(notional: Ints, tiers: Tiers) -> Ints:
    """Return maintenance margin, rounded up and never below zero, in quanta.

    Examples
    --------
    12M USDT of BTCUSDT at Bybit: 1.5 % less 66,000 is 114,000.

    >>> usd = 10**6
    >>> bybit = Tiers.of([(0, 5_000_000, 0), (10_000_000*usd, 15_000_000, 66_000*usd)])
    >>> maintenance(np.array([12_000_000*usd]), bybit)[0] // usd
    np.int64(114000)
    """
    tier = tier_of(notional, tiers)
    required: Ints = np.maximum(mul_rate_up(notional, tiers.rates_e9[tier]) - tiers.deductions[tier], 0)
    return required


@dataclass(frozen=True, slots=True)
class TierTable:
    """The schedules of several symbols as one table; a cell is a tier of a symbol.

    ``floors`` are those of the tiers above the lowest, by tier and symbol: short schedules end in floors that nothing
    reaches. ``rates`` (1e-9) and ``deductions`` are by cell, symbol after symbol.
    """

    floors: Ints
    rates: Ints
    deductions: Ints
    on_entry: Bools
    any_on_entry: bool

    @staticmethod
    def of(schedules: Sequence[Tiers]) -> TierTable:
        """Build the table of some symbols in their order."""
        shape = (len(schedules), max(map(len, schedules)))
        floors, rates, less = (
            np.full(shape, np.iinfo(np.int64).max),
            np.zeros(shape, np.int64),
            np.zeros(shape, np.int64),
        )
        for symbol, tiers in enumerate(schedules):
            own = (symbol, slice(0, len(tiers)))
            floors[own], rates[own], less[own] = tiers.floors, tiers.rates_e9, tiers.deductions
        on_entry = np.array([tiers.on_entry for tiers in schedules])
        return TierTable(
            np.ascontiguousarray(floors[:, 1:].T), rates.ravel(), less.ravel(), on_entry, bool(on_entry.any())
        )

    def cells(self, symbol: Ints, notional: Ints) -> Ints:
        """Return the cell of each notional, its tier in the schedule of its symbol; floors are inclusive.

        Notional may have more axes than symbols, in front.
        """
        cell = symbol * (len(self.floors) + 1)
        for floors in self.floors:
            above = notional >= floors[symbol]
            cell = cell + above
            if not above.any():
                break
        return cell

    def maintenance(self, symbol: Ints, value: Ints, entry_value: Ints) -> Ints:
        """Return the maintenance margin of positions of several symbols, as ``maintenance`` does of one.

        Examples
        --------
        >>> table = TierTable.of([Tiers.of([(0, 50_000_000, 0)]), Tiers.of([(0, 10_000_000, 0), (500, 20_000_000, 5)])])
        >>> table.maintenance(np.array([0, 1, 1]), np.array([1000, 100, 1000]), np.zeros(3, dtype=int)).tolist()
        [50, 1, 15]
        """
        notional = np.where(self.on_entry[symbol], entry_value, value) if self.any_on_entry else value
        cell = self.cells(symbol, notional)
        required: Ints = np.maximum(mul_rate_up(notional, self.rates[cell]) - self.deductions[cell], 0)
        return required


@cache
def no_maintenance() -> Tiers:
    """Return the one schedule that asks for no maintenance."""
    return Tiers.of([(0, 0, 0)])


@dataclass(frozen=True, slots=True)
class BreachTest:
    """The breach test of positions as one whose maintenance follows the mark: cash in quanta, and the schedule."""

    cash: Ints
    tiers: Tiers


def breach_test(cash: Ints, entry_value: Ints, tiers: Tiers) -> BreachTest:
    """Return an equal breach test in which maintenance follows the mark.

    Maintenance on the entry value does not: it is taken off the cash, and nothing is asked for at the mark.

    Examples
    --------
    5 % of 1,000,000 and equity of 50,000 at a mark of 950,000 or, less the 50,000, of nothing.

    >>> test = breach_test(np.array([-900_000]), np.array([1_000_000]), Tiers.of([(0, 50_000_000, 0)], on_entry=True))
    >>> test.cash.tolist(), test.tiers is no_maintenance()
    ([-950000], True)
    """
    if not tiers.on_entry:
        return BreachTest(cash, tiers)
    return BreachTest(cash - maintenance(entry_value, tiers), no_maintenance())


def in_breach(cash: Ints, signed_lots: Ints, marks: Ints, contract: Contract, tiers: Tiers, inclusive: bool) -> Bools:
    """Return whether equity is below (``inclusive``: at or below) maintenance margin at the marks."""
    value = signed_lots * contract.values_per_lot(marks)
    required = maintenance(np.abs(value), tiers)
    equity = cash + value
    breached: Bools = equity <= required if inclusive else equity < required
    return breached


def breach_estimate(cash: Ints, signed_lots: Ints, q: int, tiers: Tiers) -> tuple[Floats, Ints]:
    """Return the mark at which equity equals maintenance, in float mark quanta, and the tier it lies in.

    Maintenance with continuous deductions is the largest of its tiers' lines, so the binding tier is the
    one whose line gives the earliest breach: the highest mark for a long, the lowest for a short.

    Source: liquidation price with the tier at the price itself, as Binance states the re-substitution for
    COIN-M (support FAQ b3c689c1f50a44cabb3a84e663b81d93).
    """
    best = np.empty(len(cash))
    tier = np.empty(len(cash), dtype=np.int64)
    for first in range(0, len(cash), CHUNK):  # pieces that stay in cache
        piece = slice(first, first + CHUNK)
        best[piece], tier[piece] = _estimate(cash[piece], signed_lots[piece], float(q), tiers)
    return best, tier


def _estimate(cash: Ints, signed_lots: Ints, q: float, tiers: Tiers) -> tuple[Floats, Ints]:
    up, money = signed_lots > 0, cash.astype(np.float64)
    alike = bool(up.all()) or not up.any()
    tier = np.zeros(len(cash), dtype=np.int64)
    least: Floats = np.full(len(cash), np.inf)  # less cash per lot is an earlier breach on either side
    for k, (rate, deduction) in enumerate(zip(tiers.rates_e9.tolist(), tiers.deductions.tolist(), strict=True)):
        long, short = 1.0 / (1.0 - rate / RATE_ONE), 1.0 / (1.0 + rate / RATE_ONE)
        line = money + deduction
        line *= (long if up[:1].all() else short) if alike else np.where(up, long, short)
        np.putmask(tier, line < least, k)
        np.minimum(least, line, out=least)
    with np.errstate(divide="ignore", invalid="ignore"):
        return -least / (signed_lots * q), tier


def breach_mark(
    cash: Ints,
    signed_lots: Ints,
    contract: Contract,
    tiers: Tiers,
    inclusive: bool,
    estimate: Floats | None = None,
) -> Ints:
    """Return the exact mark at which each position first breaches: highest for longs, lowest for shorts.

    A long that breaches at no positive mark gets ``NEVER_LONG``. The schedule is continuous: all marks beyond are
    in breach too; ``margin_stepped`` has the others. A float estimate (``breach_estimate`` unless given) is corrected
    by the exact comparison, so the result does not depend on floating point.

    Examples
    --------
    Long 10 lots, entry value 1,000,000, collateral 100,000, maintenance 5 %, 100 quanta per tick and lot:
    at 947 equity is 47,000 below 47,350; at 948 it is 48,000 above 47,400.

    >>> five = Tiers.of([(0, 50_000_000, 0)])
    >>> breach_mark(np.array([-900_000]), np.array([10]), Contract(100), five, inclusive=False).tolist()
    [947]
    """
    if estimate is None:
        estimate = contract.marks_at_values(breach_estimate(cash, signed_lots, 1, tiers)[0])
    long = signed_lots * contract.value_sign > 0
    loss = np.where(long, -1, 1)  # the direction in which equity falls
    marks = np.rint(np.fmin(np.fmax(estimate, 1.0), HIGHEST)).astype(np.int64)
    at = in_breach(cash, signed_lots, marks, contract, tiers, inclusive)
    beside = np.where(at, marks - loss, marks + loss)  # where the state mostly changes
    far = (in_breach(cash, signed_lots, np.minimum(beside, HIGHEST), contract, tiers, inclusive) == at).nonzero()[0]
    found: Ints = np.where(at, marks, beside)
    if far.size:
        found[far] = _search(marks[far], cash[far], signed_lots[far], loss[far], contract, tiers, inclusive)
    found[long & (found <= 0)] = NEVER_LONG
    found[found >= HIGHEST] = NEVER_SHORT
    return found


def _search(
    marks: Ints, cash: Ints, signed_lots: Ints, loss: Ints, contract: Contract, tiers: Tiers, inclusive: bool
) -> Ints:
    """Return the exact marks of the breach wherever they lie; ``loss`` is the direction in which equity falls."""

    def breached(rows: Ints, at: Ints) -> Bools:
        return in_breach(cash[rows], signed_lots[rows], at, contract, tiers, inclusive)

    held = np.flatnonzero(signed_lots)
    bad = breached(held, marks[held])
    # the breach lies between a mark in breach and a safe one: step away from the first mark until both are known
    near, far = marks.copy(), marks.copy()  # near: of the state of the first mark; far: of the other, or an end
    side = np.zeros(len(marks), dtype=np.int64)
    side[held] = np.where(bad, -loss[held], loss[held])
    todo, stride = held, 1
    while todo.size:
        far[todo] = np.clip(near[todo] + side[todo] * stride, 0, HIGHEST)
        same = (breached(todo, far[todo]) == (side[todo] != loss[todo])) & (far[todo] > 0) & (far[todo] < HIGHEST)
        todo = todo[same]
        near[todo] = far[todo]
        stride *= 2
    todo = held[np.abs(far[held] - near[held]) > 1]
    while todo.size:  # halve what is left
        middle = near[todo] + (far[todo] - near[todo]) // 2
        same = breached(todo, middle) == (side[todo] != loss[todo])
        near[todo[same]], far[todo[~same]] = middle[same], middle[~same]
        todo = todo[np.abs(far[todo] - near[todo]) > 1]
    return np.where(side == loss, far, near)  # of the two the one in breach
