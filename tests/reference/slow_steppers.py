"""The mechanism page, section 5, partial steppers: how many lots go to the book, and whether the rest waits.

A stepper is two functions. The first names the lots ordered before any price is known, as the impact counts them. The
second names, at the order's turn, the lots that the book takes and whether what is left waits. Both see positions
with an equity of zero or more at the mark of their breach.
"""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

from .slow_ledger import E9
from .slow_path import end_of
from .slow_state import Claim, State, counted, is_below, margin_of, mark_value, trade_value
from .slow_venues import all_rounds, fill_or_void, fill_rounds, part_of_blocks


@dataclass(frozen=True)
class Terms:
    """What an order meets at its turn: its lots, its fill price in ticks, the limit test and the lots free."""

    lots: int
    price: int
    within_limit: bool
    free: int


Ordered = Callable[[State, Claim], int]
Sent = Callable[[State, Claim, Terms], tuple[int, bool]]


def stepper(state: State) -> tuple[Ordered, Sent]:
    """Return the two functions of the profile's stepper."""
    return STEPPERS[state.profile.get("liquidation_rule", "full_position")]


def lot_value(state: State, claim: Claim) -> int:
    """Return the value in quanta of one lot at the mark of the breach."""
    return mark_value(state.world, claim.symbol, 1, claim.mark)


def tiers_reached(state: State, claim: Claim) -> list[list[int]]:
    """Return the tiers up to that of the position at the mark of the breach, the lowest first."""
    notional = counted(state.world, claim.symbol, claim.lots * lot_value(state, claim), claim.cost)
    return [tier for tier in state.world["symbols"][claim.symbol]["tiers"] if tier[0] <= notional]


def lots_to_below(state: State, claim: Claim, floor: int) -> int:
    """Return the fewest lots without which the position counts less than the floor of a tier."""
    if state.world["symbols"][claim.symbol].get("on_entry"):
        return next(lots for lots in range(1, claim.lots + 1) if claim.cost_without(lots) < floor)
    return claim.lots - (floor - 1) // lot_value(state, claim)


# --- full_position -------------------------------------------------------------------------------------------------


def whole(state: State, claim: Claim) -> int:
    """Order all lots."""
    return claim.lots


def all_or_on(state: State, claim: Claim, terms: Terms) -> tuple[int, bool]:
    """Fill what is free of the whole position; the rest goes on."""
    return (min(claim.lots, terms.free) if terms.within_limit else 0), False


# --- tier_by_tier --------------------------------------------------------------------------------------------------


def one_tier_down(state: State, claim: Claim) -> int:
    """Order what brings the position below the floor of its tier, in the lowest tier all of it."""
    tiers = tiers_reached(state, claim)
    return lots_to_below(state, claim, tiers[-1][0]) if len(tiers) > 1 else claim.lots


def fill_or_kill(state: State, claim: Claim, terms: Terms) -> tuple[int, bool]:
    """Fill all lots ordered, or order the whole position in their place."""
    if terms.within_limit and terms.lots <= terms.free:
        return terms.lots, True
    return all_or_on(state, claim, terms)


# --- reduce_once ---------------------------------------------------------------------------------------------------


def reduce_once(state: State, claim: Claim, terms: Terms) -> tuple[int, bool]:
    """Fill once what makes the rest healthy; if the book has less, nothing waits."""
    low, high = 0, claim.lots
    while high > low + 1:
        middle = (low + high) // 2
        if is_enough(state, claim, middle, terms.price):
            high = middle
        else:
            low = middle
    filled = min(high, terms.free) if terms.within_limit else 0
    return filled, filled == high


def is_enough(state: State, claim: Claim, lots: int, price: int) -> bool:
    """Tell whether the rest is not in breach at the mark of the breach, after a fill and its fee."""
    amount = trade_value(state.world, claim.symbol, lots, price)
    fee = amount * state.profile["fee_e9"] // E9
    rest = (claim.lots - lots) * lot_value(state, claim)
    equity = claim.worth * (rest + amount - claim.amount) - fee
    maintenance = margin_of(state.world, claim.symbol, rest, claim.cost_without(lots))
    return not is_below(state.world, equity, maintenance + claim.others)


# --- two_tiers -----------------------------------------------------------------------------------------------------


def steps_two_down(state: State, claim: Claim) -> bool:
    """Tell whether the position is in the third tier or above, with equity for the rate of the lowest."""
    tiers = tiers_reached(state, claim)
    notional = claim.lots * lot_value(state, claim)
    lowest = -(-counted(state.world, claim.symbol, notional, claim.cost) * tiers[0][1] // E9)
    return len(tiers) > 2 and claim.worth * (notional - claim.amount) >= lowest


def two_tiers_down(state: State, claim: Claim) -> int:
    """Order what brings the position below the floor of the tier under its own, or all of it."""
    if steps_two_down(state, claim):
        return lots_to_below(state, claim, tiers_reached(state, claim)[-2][0])
    return claim.lots


def fill_what_is_free(state: State, claim: Claim, terms: Terms) -> tuple[int, bool]:
    """Fill what is free of the lots ordered; the rest waits unless the order is refused or was for the whole."""
    filled = min(terms.lots, terms.free) if terms.within_limit else 0
    return filled, terms.within_limit and steps_two_down(state, claim)


# --- part_first ----------------------------------------------------------------------------------------------------


def is_large(state: State, claim: Claim) -> bool:
    """Tell whether the position is worth more than the venue closes at once."""
    return bool(claim.lots * lot_value(state, claim) > state.profile["first_above"])


def part_then_whole(state: State, claim: Claim) -> int:
    """Order a share first, nothing during the pause, then the whole; small positions whole."""
    if not is_large(state, claim):
        return claim.lots
    if claim.owner not in state.first_orders:
        num, den = state.profile["first_share"]
        return int(-(-claim.lots * num // den))
    pause_is_over = step_end(state) >= state.first_orders[claim.owner] + state.profile["pause_s"]
    return claim.lots if pause_is_over else 0


def fill_and_wait(state: State, claim: Claim, terms: Terms) -> tuple[int, bool]:
    """Fill what is free of the lots ordered; the rest waits, after a refusal too."""
    if is_large(state, claim):
        state.first_orders.setdefault(claim.owner, step_end(state))
    return (min(terms.lots, terms.free) if terms.within_limit else 0), True


def end_episode(state: State, claim: Claim) -> None:
    """Forget the first order: where a segment starts, or at the new mark of a jump, the position is not in breach."""
    state.first_orders.pop(claim.owner, None)


def step_end(state: State) -> Fraction:
    """Return the end of the step in seconds since the start of the run; one price per bar is its end."""
    return end_of(state.step, state.world)


STEPPERS: dict[str, tuple[Ordered, Sent]] = {
    "full_position": (whole, all_or_on),
    "tier_by_tier": (one_tier_down, fill_or_kill),
    "reduce_once": (whole, reduce_once),
    "two_tiers": (two_tiers_down, fill_what_is_free),
    "part_first": (part_then_whole, fill_and_wait),
    "fillable_price": (part_of_blocks, fill_or_void),
    "incremental": (all_rounds, fill_rounds),
}
