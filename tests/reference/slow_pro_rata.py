"""The mechanism page, section 7: a wave without ranks, which every candidate pays by its share."""

from collections.abc import Callable, Iterator
from fractions import Fraction

from .slow_ledger import Position, slice_of
from .slow_state import Claim, State


def shares(held: dict[Position, int], wanted: int) -> dict[Position, int]:
    """Return the lots each pays of those wanted: its part rounded down, the largest remainders one lot more.

    >>> shares({"a": 5, "b": 3, "c": 2}, 7), shares({"a": 4, "b": 4}, 1), shares({"a": 4}, 9)
    ({'a': 4, 'b': 2, 'c': 1}, {'a': 1, 'b': 0}, {'a': 4})
    """
    total = sum(held.values())
    if wanted >= total:
        return dict(held)
    part = {row: Fraction(wanted * lots, total) for row, lots in held.items()}
    paid = {row: int(share) for row, share in part.items()}
    # Sorting is stable: equal remainders stay in the order of the ids.
    by_remainder = sorted(part, key=lambda row: part[row] - paid[row], reverse=True)
    for row in by_remainder[: wanted - sum(paid.values())]:
        paid[row] += 1
    return paid


def in_turn(claims: list[Claim], paid: dict[Position, int]) -> Iterator[tuple[Claim, Position, int, int]]:
    """Yield claim, payer, lots and bankruptcy amount of every slice: claims in their order, payers in theirs."""
    left = dict(paid)
    for claim in claims:
        lots, amount = claim.lots, claim.amount
        for row in paid:
            taken = min(lots, left[row])
            if taken:
                due = slice_of(amount, taken, lots)
                yield claim, row, taken, due
                lots, amount = lots - taken, amount - due
                left[row] -= taken


def pay_in_proportion(
    state: State,
    shared: Callable[[dict[Position, int], int], dict[Position, int]],
    claims: list[Claim],
    candidates: list[Position],
    losers: list[Position],
    wanted: int,
    cost: Callable[[Claim, int, int], int],
) -> list[tuple[Claim, Position, int]]:
    """Return the slices of a wave: claim, payer, lots; who cannot bear its part is skipped and recorded.

    `shared` divides lots among holdings; `losers` pay only what the others do not hold. `cost` is what a slice of some
    lots and a bankruptcy amount costs its payer.
    """
    payers, skipped = sorted(candidates, key=lambda row: row.account), set()
    while True:
        held = {row: abs(state.lots(row, row.symbol)) for row in payers if row not in skipped}
        winning = shared({row: lots for row, lots in held.items() if row not in losers}, wanted)
        rest = wanted - sum(winning.values())
        losing = shared({row: lots for row, lots in held.items() if row in losers}, rest)
        paid = {row: (winning | losing)[row] for row in held}
        slices = list(in_turn(claims, paid))
        costs = dict.fromkeys(held, 0)
        for claim, row, lots, due in slices:
            costs[row] += cost(claim, lots, due)
        broken = {row for row in held if state.equity(row) < costs[row]}
        if not broken:
            break
        skipped |= broken
    state.skipped += [[state.step.number, row.symbol, row.account] for row in payers if row in skipped]
    return [(claim, row, lots) for claim, row, lots, _ in slices]
