"""Cross accounts: one equity and one maintenance for several rows, judged together.

A cross account in breach first closes the two legs it may hold in a symbol against each other. What is then still in
breach goes to the acts row by row: an allocation gives every row in the step its part of the account's equity, and the
amount at which the row would have used it up.
"""

from collections.abc import Callable
from fractions import Fraction

from .slow_adl import pnl_at
from .slow_ledger import Position
from .slow_path import Prices, between
from .slow_state import Account, Claim, State, is_below, margin_of, mark_value
from .slow_vaults import VAULT

PARTS = 1024


def cross_accounts(state: State) -> list[Account]:
    """Return the accounts of more than one row; a single cross row is an isolated position."""
    return sorted({account for account in state.account_of.values() if len(account) > 1})


def row_value(state: State, row: Position, marks: Prices) -> int:
    """Return the value of a row at some marks."""
    return mark_value(state.world, row.symbol, abs(state.lots(row, row.symbol)), marks[row.symbol])


def row_maintenance(state: State, row: Position, marks: Prices) -> int:
    """Return the maintenance margin of a row at some marks."""
    return margin_of(state.world, row.symbol, row_value(state, row, marks), state.ledger.cost[row][row.symbol])


def account_maintenance(state: State, account: Account, marks: Prices) -> int:
    """Return the maintenance margin of all open rows; both legs of a hedge count in full."""
    return sum(row_maintenance(state, row, marks) for row in state.open_rows(account))


def account_in_breach(state: State, account: Account, marks: Prices) -> bool:
    """Tell whether an account meets the liquidation comparison; without open rows it never does."""
    if not state.open_rows(account):
        return False
    return is_below(state.world, state.equity_at(account, marks), account_maintenance(state, account, marks))


# --- act 3 ---------------------------------------------------------------------------------------------------------


def cross_breaches(state: State) -> list[Claim]:
    """Return the rows of the cross accounts in breach on this segment, and remember the accounts."""
    claims = []
    for account in cross_accounts(state):
        if not account_in_breach(state, account, state.step.start_mark):
            for row in account:
                state.first_orders.pop(row, None)
        fraction = first_fraction(state, account)
        if fraction is not None:
            marks = marks_at(state, fraction)
            state.in_breach.add(account)
            net_legs(state, account, marks)
            if account_in_breach(state, account, marks):
                claims += allocate(state, account, marks, fraction)
    return claims


def marks_at(state: State, fraction: Fraction) -> Prices:
    """Return the mark of every symbol at a fraction of the segment, half to even."""
    step = state.step
    return {symbol: between(step.start_mark[symbol], step.mark[symbol], fraction) for symbol in state.symbols}


def first_fraction(state: State, account: Account) -> Fraction | None:
    """Return where on the segment an account is found in breach: at its start, or by bisection if at its end."""
    if account_in_breach(state, account, marks_at(state, Fraction(0))):
        return Fraction(0)
    if not account_in_breach(state, account, marks_at(state, Fraction(1))):
        return None
    low, high = 0, PARTS
    while high > low + 1:
        middle = (low + high) // 2
        if account_in_breach(state, account, marks_at(state, Fraction(middle, PARTS))):
            high = middle
        else:
            low = middle
    return Fraction(high, PARTS)


def net_legs(state: State, account: Account, marks: Prices) -> None:
    """Close the two legs of every symbol against each other, as many lots as both hold, at the mark."""
    for symbol in state.symbols:
        legs = [row for row in state.open_rows(account) if row.symbol == symbol]
        if len(legs) == 2:
            long, short = legs
            lots = min(state.lots(long, symbol), -state.lots(short, symbol))
            amount = mark_value(state.world, symbol, lots, marks[symbol])
            state.ledger.hand_over(symbol, long, short, lots, amount)


def allocate(state: State, account: Account, marks: Prices, fraction: Fraction) -> list[Claim]:
    """Return the rows of an account that are in the step, each with its part of the equity."""
    equity = state.equity_at(account, marks)
    if state.profile.get("cross_allocation", "by_maintenance") == "one_first":
        key = ORDERS[state.profile.get("cross_order", "maintenance")]
        # The first of equals, and rows are in the order of symbols, the long first.
        first = max(state.open_rows(account), key=lambda row: key(state, row, marks))
        claim = claim_of(state, first, equity, marks, fraction)
        claim.others = account_maintenance(state, account, marks) - row_maintenance(state, first, marks)
        return [claim]
    parts = shares(state, account, equity, marks)
    return [claim_of(state, row, part, marks, fraction) for row, part in parts.items()]


def shares(state: State, account: Account, equity: int, marks: Prices) -> dict[Position, int]:
    """Divide an equity among the open rows by maintenance, each rounded down; the last takes the rest."""
    rows = state.open_rows(account)
    total = account_maintenance(state, account, marks)
    parts = {}
    for row in rows[:-1]:
        parts[row] = equity * row_maintenance(state, row, marks) // total if total else 0
    parts[rows[-1]] = equity - sum(parts.values())
    return parts


def claim_of(state: State, row: Position, equity: int, marks: Prices, fraction: Fraction) -> Claim:
    """Return a row with the amount at which it would have used up some equity."""
    worth, value = state.kind(row.symbol) * row.side, row_value(state, row, marks)
    lots = abs(state.lots(row, row.symbol))
    claim = Claim(row, row.symbol, row.side, worth, lots, value - worth * equity)
    claim.mark, claim.fraction = marks[row.symbol], fraction
    claim.cost = state.ledger.cost[row][row.symbol]
    return claim


ORDERS: dict[str, Callable[[State, Position, Prices], int]] = {
    "maintenance": row_maintenance,
    "loss": lambda state, row, marks: -pnl_at(state, row, marks),
    "notional": row_value,
}


# --- act 5c --------------------------------------------------------------------------------------------------------


def vault_rule(state: State, account: Account, claims: list[Claim]) -> str:
    """Tell where what is left of an account goes: `adl`, `vault` or `waits`; fix its amounts anew for the first two."""
    marks, vault = state.step.mark, state.profile[VAULT]
    equity, maintenance = state.equity_at(account, marks), account_maintenance(state, account, marks)
    if equity >= 0 and equity * vault["den"] >= vault["num"] * maintenance:
        return "waits"
    parts = shares(state, account, equity, marks)
    for claim in claims:
        row = claim.owner
        assert isinstance(row, Position)
        claim.amount = row_value(state, row, marks) - claim.worth * parts[row]
    return VAULT if equity >= 0 else "adl"


# --- rounds --------------------------------------------------------------------------------------------------------


def next_round(state: State, claims: list[Claim]) -> list[Claim]:
    """Return the next row of every account of a round that is in breach at the end of the step and does not wait."""
    if state.profile.get("cross_allocation") != "one_first":
        return []
    waiting = {state.account(claim) for claim in claims if claim.waits}
    accounts = sorted({state.account(claim) for claim in claims} - waiting)
    again = []
    for account in accounts:
        if len(account) > 1 and account_in_breach(state, account, state.step.mark):
            again += allocate(state, account, state.step.mark, Fraction(1))
    return again
