"""The mechanism page, section 7: lots by weight, none beyond its position, and water-filling of factor leverage."""

from fractions import Fraction

from .slow_ledger import Position
from .slow_pro_rata import shares
from .slow_state import State, mark_value

Paid = dict[Position, int]
BY_SHARE = (
    "pro_rata", "capped_pro_rata", "pro_rata_pnl", "pro_rata_equity", "pro_rata_leverage", "min_max", "water_filling",
)  # fmt: skip


def shared(state: State, held: Paid, wanted: int) -> Paid:
    """Return the lots each pays of those wanted, by the allocation of the profile."""
    allocation = state.profile["adl_allocation"]
    if allocation == "pro_rata" or wanted >= sum(held.values()):
        return shares(held, wanted)
    if allocation == "capped_pro_rata":
        return by_halves(held, wanted)
    if allocation == "water_filling":
        return rounded(level_of_leverages(state, held, wanted), wanted)
    if allocation == "min_max":
        return one_by_one(held, {row: state.equity(row) for row in held}, wanted)
    weights = {row: weight_of(state, row, allocation) for row in held}
    part = capped({row: lots for row, lots in held.items() if weights[row]}, weights, wanted)
    paid = rounded(part, int(sum(part.values())))
    rest = {row: lots for row, lots in held.items() if not weights[row]}
    return paid | shares(rest, wanted - sum(paid.values()))


def weight_of(state: State, row: Position, allocation: str) -> int:
    """Return the weight of a candidate: its profit, its account's equity, or lots by leverage in thousandths."""
    lots = abs(state.lots(row, row.symbol))
    value = state.value(row.symbol, lots)
    if allocation == "pro_rata_pnl":
        return max(0, state.kind(row.symbol) * row.side * (value - state.ledger.cost[row][row.symbol]))
    if allocation == "pro_rata_equity":
        return state.equity(row)
    leverage = int(Fraction(1000 * value, state.equity(row)))
    return lots * min(max(leverage, 1), 1_000_000)


def capped(held: Paid, weights: Paid, wanted: int) -> dict[Position, Fraction]:
    """Return what each pays by weight: who would pay more than it holds pays that, the others share the rest.

    >>> capped({"a": 3, "b": 9, "c": 9}, {"a": 3, "b": 1, "c": 1}, 8)
    {'a': Fraction(3, 1), 'b': Fraction(5, 2), 'c': Fraction(5, 2)}
    """
    full: set[Position] = set()
    while True:
        total = sum(weights[row] for row in held if row not in full)
        left = wanted - sum(held[row] for row in full)
        part = {
            row: Fraction(lots) if row in full else Fraction(left * weights[row], total) for row, lots in held.items()
        }
        above = {row for row in held if part[row] > held[row]}
        if not above:
            return part
        full |= above


def by_halves(held: Paid, wanted: int) -> Paid:
    """Return what each pays by its lots, no more than half of them; what is left is shared again in the same way.

    >>> by_halves({"a": 8, "b": 4, "c": 1}, 5), by_halves({"a": 8, "b": 4, "c": 1}, 8)
    ({'a': 3, 'b': 2, 'c': 0}, {'a': 5, 'b': 3, 'c': 0})
    """
    halves = {row: lots // 2 for row, lots in held.items()}
    able = {row: half for row, half in halves.items() if half}
    if not able:
        return shares(held, wanted)
    if wanted <= sum(able.values()):
        return dict.fromkeys(held, 0) | rounded(capped(able, held, wanted), wanted)
    again = by_halves({row: held[row] - halves[row] for row in held}, wanted - sum(able.values()))
    return {row: halves[row] + again[row] for row in held}


def one_by_one(held: Paid, equity: Paid, wanted: int) -> Paid:
    """Return lots handed out in turn, each to whom it leaves the smallest part of its equity, the first of equal ones.

    Whatever each pays of its share rounded down, it pays before anybody pays more than its share.

    >>> one_by_one({"a": 9, "b": 9, "c": 1}, {"a": 3, "b": 1, "c": 100}, 6)
    {'a': 4, 'b': 1, 'c': 1}
    """
    paid = {row: int(part) for row, part in capped(held, equity, wanted).items()}
    for _ in range(wanted - sum(paid.values())):
        row = min((row for row in held if paid[row] < held[row]), key=lambda row: Fraction(paid[row] + 1, equity[row]))
        paid[row] += 1
    return paid


def level_of_leverages(state: State, held: Paid, wanted: int) -> dict[Position, Fraction]:
    """Return what each closes until no factor leverage is above one level: looked for between all its corners."""
    each = mark_value(state.world, next(iter(held)).symbol, 1, state.step.mark[next(iter(held)).symbol])
    exposure = {row: exposure_of(state, row) for row in held}
    equity = {row: state.equity(row) for row in held}

    def closed(level: Fraction) -> dict[Position, Fraction]:
        return {
            row: min(max(Fraction(exposure[row] - level * equity[row]) / each, Fraction(0)), Fraction(held[row]))
            for row in held
        }

    corners = {Fraction(exposure[row], equity[row]) for row in held}
    corners |= {Fraction(exposure[row] - held[row] * each, equity[row]) for row in held}
    high = min(level for level in corners if sum(closed(level).values()) <= wanted)
    missing = wanted - sum(closed(high).values())
    if not missing:
        return closed(high)
    low = max(level for level in corners if level < high)
    between = sum(closed(low).values()) - sum(closed(high).values())  # linear from corner to corner
    return closed(high - (high - low) * missing / between)


def exposure_of(state: State, row: Position) -> int:
    """Return the net value of all positions of a position's account, above zero on its side."""
    net = 0
    for other in state.open_rows(state.account_of[row]):
        lots = state.lots(other, other.symbol)
        net += state.kind(other.symbol) * mark_value(state.world, other.symbol, lots, state.step.mark[other.symbol])
    return state.kind(row.symbol) * row.side * net


def rounded(part: dict[Position, Fraction], wanted: int) -> Paid:
    """Return whole lots: parts rounded down, the largest remainders one lot more, equal ones in order."""
    paid = {row: int(share) for row, share in part.items()}
    by_remainder = sorted(part, key=lambda row: part[row] - paid[row], reverse=True)
    for row in by_remainder[: wanted - sum(paid.values())]:
        paid[row] += 1
    return paid
