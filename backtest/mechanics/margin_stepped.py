"""Margin schedules that step: one rate on the whole position, so that maintenance jumps where a tier begins.

A position whose value falls may leave a tier and with it a breach, one whose value rises may enter a breach. Inside one
tier the comparison changes once, so that its breaches fill one range of values: all marks in breach are at most one
range per tier, each with exact integer ends. It holds for any schedule; ``breach_mark`` is faster for continuous ones.
"""

from __future__ import annotations

from collections.abc import Iterator

from backtest.mechanics.contract import Contract
from backtest.mechanics.exact import LIMIT, RATE_ONE, Ints
from backtest.mechanics.margin import HIGHEST, NEVER_LONG, NEVER_SHORT, Tiers, breach_mark
from backtest.mechanics.numeric import np


def steps_up(tiers: Tiers) -> bool:
    """Return whether maintenance jumps by more than rounding where some tier begins, as a position moves with its mark.

    Examples
    --------
    >>> steps_up(Tiers.of([(0, 5_000_000, 0), (10**9, 10_000_000, 5_000_000)]))
    False
    >>> steps_up(Tiers.of([(0, 5_000_000, 0), (10**9, 10_000_000, 0)]))
    True
    """
    if tiers.on_entry:
        return False
    floors, rates, less = (column.tolist() for column in (tiers.floors, tiers.rates_e9, tiers.deductions))
    jumps = (floors[k] * (rates[k] - rates[k - 1]) - (less[k] - less[k - 1]) * RATE_ONE for k in range(1, len(floors)))
    return any(abs(jump) > RATE_ONE for jump in jumps)


def risk_limits(base: int, step: int, rate: int, rate_step: int, steps: int) -> list[tuple[int, int]]:
    """Return what a position must exceed for each rate of a risk limit table, and the rate.

    ``k = max(0, ceil((risk - base) / step))`` steps are added, so that a limit includes its end. Amounts in the unit of
    ``base``, rates in that of ``rate``.

    Source: BitMEX, app/riskLimitsExamples; the rule is derived from its tables.

    Examples
    --------
    XBTUSD, the table of 2021: up to 200 XBT 0.5 %, to 350 1 %, to 500 1.5 %, above 2 %.

    >>> risk_limits(200, 150, 50, 50, 3)
    [(0, 50), (200, 100), (350, 150), (500, 200)]
    """
    return [(0, rate), *((base + k * step, rate + (k + 1) * rate_step) for k in range(steps))]


def breaches_around(
    cash: Ints,
    signed_lots: Ints,
    contract: Contract,
    tiers: Tiers,
    inclusive: bool,
    marks: Ints,
    reach: tuple[int, int] = (0, HIGHEST),
) -> tuple[Ints, Ints]:
    """Return the nearest mark in breach at or below each position's mark, and the nearest at or above.

    Parameters
    ----------
    signed_lots
        With the sign of the position's value, as in ``in_breach``.
    marks
        Mark of each position, in mark quanta; both results equal it where it is in breach itself.
    reach
        Lowest and highest mark of interest; what lies beyond may be left out.

    Returns
    -------
    tuple
        ``NEVER_LONG`` where no mark from zero up, ``NEVER_SHORT`` where no mark up to 2**52 is in breach.

    Examples
    --------
    A long of 10 lots, 100 quanta per tick and lot, at 1 % up to 950,000 and 5 % above, bankrupt at 920,000: at 960 its
    40,000 are below 48,000; at 950 its 30,000 are above 9,500, and at 929 its 9,000 below 9,290.

    >>> table = Tiers.of([(0, 10_000_000, 0), (950_001, 50_000_000, 0)])
    >>> long = np.array([-920_000]), np.array([10]), Contract(100), table, False
    >>> [int(mark[0]) for mark in breaches_around(*long, np.array([940]))]
    [929, 951]
    """
    lots = np.abs(signed_lots)
    below = np.full(len(lots), NEVER_LONG, dtype=np.int64)
    above = np.full(len(lots), NEVER_SHORT, dtype=np.int64)
    ends = sorted((contract.value_per_lot(reach[0]), contract.value_per_lot(reach[1])))
    for at, low, high in _ranges(cash, signed_lots, np.maximum(lots, 1), tiers, inclusive, (ends[0], ends[1])):
        first, last = contract.marks_between(-(-low // lots[at]), high // lots[at], HIGHEST - 1)
        some = first <= last
        at, first, last = at[some], first[some], last[some]
        mark = marks[at]
        below[at] = np.maximum(below[at], np.where(first <= mark, np.minimum(last, mark), NEVER_LONG))
        above[at] = np.minimum(above[at], np.where(last >= mark, np.maximum(first, mark), NEVER_SHORT))
    return below, above


def _ranges(
    cash: Ints, signed_lots: Ints, lots: Ints, tiers: Tiers, inclusive: bool, reach: tuple[int, int]
) -> Iterator[tuple[Ints, Ints, Ints]]:
    """Yield per tier the positions that reach it and the range of their values in breach there, both ends included.

    ``reach`` holds the least and the highest value of a lot.

    With sign w of the position's value, r and c of the tier, a value V is in breach where ``w V + cash`` is below
    ``max(ceil(V r) - c, 0)``: for w = +1 up to one V, for w = -1 from one V on.
    """
    floors = [*tiers.floors.tolist(), LIMIT]
    top = np.minimum(reach[1], LIMIT // lots) * lots
    bottom = np.minimum(reach[0], LIMIT // lots) * lots
    for k, (rate, less) in enumerate(zip(tiers.rates_e9.tolist(), tiers.deductions.tolist(), strict=True)):
        at = np.flatnonzero((top >= floors[k]) & (bottom < floors[k + 1]))
        if not at.size:
            continue
        low = np.full(len(at), floors[k], dtype=np.int64)
        high = np.full(len(at), floors[k + 1] - 1, dtype=np.int64)
        up = signed_lots[at] > 0
        gains, loses = at[up], at[~up]
        high[up] = np.minimum(high[up], _last_gaining(cash[gains], rate, less, inclusive))
        low[~up] = np.maximum(low[~up], _first_losing(cash[loses], rate, less, inclusive))
        yield at, low, high


def _last_gaining(cash: Ints, rate: int, less: int, inclusive: bool) -> Ints:
    """Return the highest V with ``V + cash < max(ceil(V r) - c, 0)``, by one tier's line, or -1.

    ``V - ceil(V r) = floor(V (1 - r)) < T`` holds for integers where ``V < T / (1 - r)``.
    """
    free = RATE_ONE - rate
    most = LIMIT * free // RATE_ONE  # beyond it the result would leave 62 bits, and no value reaches it
    due = np.clip(-cash - less + int(inclusive), -1, most)
    whole, rest = np.divmod(due, free)
    by_line = whole * RATE_ONE + (rest * RATE_ONE - 1) // free
    out: Ints = np.maximum(np.maximum(by_line, -cash - int(not inclusive)), -1)
    return out


def _first_losing(cash: Ints, rate: int, less: int, inclusive: bool) -> Ints:
    """Return the lowest V with ``cash - V < max(ceil(V r) - c, 0)``, by one tier's line.

    ``V + ceil(V r) = ceil(V (1 + r)) > T`` holds for integers where ``V > T / (1 + r)``.
    """
    more = RATE_ONE + rate
    whole, rest = np.divmod(cash + less - int(inclusive), more)
    by_line = whole * RATE_ONE + rest * RATE_ONE // more + 1
    out: Ints = np.maximum(np.minimum(by_line, cash + int(not inclusive)), 0)
    return out


def first_breach_mark(
    cash: Ints, signed_lots: Ints, contract: Contract, tiers: Tiers, inclusive: bool, marks: Ints
) -> Ints:
    """Return the first mark in breach in the direction of loss: from each position's mark on where a schedule steps.

    ``NEVER_LONG`` for a long, ``NEVER_SHORT`` for a short that none of these marks breaches. Of a continuous schedule
    it is the highest (a short's: the lowest) of all marks in breach, wherever the mark is.
    """
    if not steps_up(tiers):
        return breach_mark(cash, signed_lots, contract, tiers, inclusive)
    below, above = breaches_around(cash, signed_lots, contract, tiers, inclusive, marks)
    return np.where(signed_lots * contract.value_sign > 0, below, above)
