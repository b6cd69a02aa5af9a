"""Sections 5 to 7 of the mechanism, rules of further venues: limits per block, fillable price, shared losses."""

from typing import Any

from .slow_funds import owner_of
from .slow_ledger import E9, UNCOVERED, Position
from .slow_path import seconds_to
from .slow_pools import equity_of_fund
from .slow_state import Account, Claim, State, is_breach, margin_of, mark_value, trade_value


def blocks(state: State) -> int:
    """Return how many blocks of the venue pass from the price before to this one, at least one."""
    step = state.step
    if step.number == 1:
        return 1
    # Where every bar has one price it comes at the bar's end; else the first price comes when the last bar ends.
    return max(1, int(seconds_to(step, state.world) * 1000 // state.profile["block"]["time_ms"]))


def counts_orders(state: State) -> bool:
    """Tell whether the venue counts orders per block and sends them below zero too."""
    return bool(state.profile.get("liquidation_rule") == "fillable_price")


def may_order(state: State, claims: list[Claim], claim: Claim) -> bool:
    """Tell whether a position in breach sends an order; `claims` are in crossing order."""
    if counts_orders(state):
        return claims.index(claim) < blocks(state) * int(state.profile["block"]["orders"])
    return equity(state, claim) >= 0


def equity(state: State, claim: Claim) -> int:
    """Return the equity at the mark of the breach."""
    return claim.worth * (mark_value(state.world, claim.symbol, claim.lots, claim.mark) - claim.amount)


def limit_amount(state: State, claim: Claim) -> int:
    """Return the value of the whole position at the limit of its order: the bankruptcy amount or the fillable one."""
    if not counts_orders(state):
        return claim.amount
    block = state.profile["block"]
    notional = mark_value(state.world, claim.symbol, claim.lots, claim.mark)
    own = margin_of(state.world, claim.symbol, notional, claim.cost)
    total = own + claim.others
    lacking = min(total, max(0, total - equity(state, claim)) * block["adjustment_e9"] // E9)
    if claim.others:
        lacking = lacking * own // total
    return notional - claim.worth * int(lacking * block["spread_e9"] // E9)


def lot_value(state: State, claim: Claim) -> int:
    """Return the value of one lot at the mark of the breach."""
    return mark_value(state.world, claim.symbol, 1, claim.mark)


# --- fillable_price ------------------------------------------------------------------------------------------------


def part_of_blocks(state: State, claim: Claim) -> int:
    """Order a share of the position's value for every block, at least and at most so much."""
    block = state.profile["block"]
    notional = mark_value(state.world, claim.symbol, claim.lots, claim.mark)
    a_block = min(max(notional * block["share_e9"] // E9, block["least"]), block["most"])
    lots = blocks(state) * a_block // max(1, lot_value(state, claim))
    return int(min(claim.lots, max(1, lots)))


def fill_or_void(state: State, claim: Claim, terms: Any) -> tuple[int, bool]:
    """Fill what is free, if the fund can pay what it brings too little; below zero and unfilled, nothing waits."""
    filled = min(terms.lots, terms.free) if terms.within_limit else 0
    lacking = claim.worth * (claim.slice(filled) - trade_value(state.world, claim.symbol, filled, terms.price))
    fund = equity_of_fund(state, state.funds.number(claim.symbol))
    if lacking > 0 and fund - lacking < state.profile["fund"]["floor"]:
        filled = 0
    return filled, filled > 0 or equity(state, claim) >= 0


def keep_waiting(state: State, claims: list[Claim]) -> None:
    """Let those without an order wait, and of those that were filled nothing all but so many a block."""
    if counts_orders(state):
        goes_on = [claim for claim in claims if claim.lots and not claim.waits]
        for claim in goes_on[blocks(state) * int(state.profile["block"]["deleverages"]) :]:
            claim.waits = True


# --- incremental ---------------------------------------------------------------------------------------------------


def all_rounds(state: State, claim: Claim) -> int:
    """Order what all rounds together close."""
    return claim.lots - after_rounds(state, claim)[-1]


def after_rounds(state: State, claim: Claim) -> list[int]:
    """Return the lots left after each round, a share of the rest, rounded up, in each."""
    left = []
    rest = claim.lots
    for _ in range(blocks(state)):
        rest -= -(-rest * state.profile["block"]["share_e9"] // E9)
        left.append(rest)
        if not rest:
            break
    return left


def fill_rounds(state: State, claim: Claim, terms: Any) -> tuple[int, bool]:
    """Fill up to the round after which the rest is not in breach."""
    if not terms.within_limit:
        return 0, True
    for rest in after_rounds(state, claim):
        lots = claim.lots - rest
        amount = trade_value(state.world, claim.symbol, lots, terms.price)
        value = rest * lot_value(state, claim)
        left = claim.worth * (value + amount - claim.amount) - amount * state.profile["fee_e9"] // E9
        if not is_breach(state.world, claim.symbol, value, claim.cost_without(lots), left - claim.others):
            break
    return min(lots, terms.free), True


# --- losses that are shared ----------------------------------------------------------------------------------------


def share_losses(state: State) -> None:
    """Let the fund, then winners or all holders, pay what exhausted queues left uncovered, symbol by symbol."""
    rule = state.profile["on_exhausted"]
    for symbol in state.symbols:
        loss = state.losses.pop(symbol, 0)
        if loss and rule in ("socialised_winners", "socialised_both"):
            equity_left = equity_of_fund(state, state.funds.number(symbol)) - state.profile["fund"]["floor"]
            paid = min(loss, max(0, equity_left))
            state.ledger.pay(owner_of(state.world, symbol), UNCOVERED, paid)
            if loss > paid and rule == "socialised_winners":
                winners_pay(state, loss - paid)
            elif loss > paid:
                holders_pay(state, symbol, loss - paid)


def winners_pay(state: State, loss: int) -> None:
    """Share a loss in proportion to the profit since the first mark, by running sums rounded down."""
    accounts = sorted(set(state.account_of.values()), key=lambda account: place(state, account[0]))
    profits = [profit(state, account) for account in accounts]
    total = sum(profits)
    loss = min(loss, total)
    before = 0
    for number, account in enumerate(accounts):
        until = loss * sum(profits[: number + 1]) // total if total else 0
        state.ledger.pay(account[0], UNCOVERED, until - before)
        before = until


def place(state: State, row: Position) -> tuple[int, int, int]:
    """Return where a row stands in the book: by symbol, longs first, account id."""
    return state.symbols.index(row.symbol), -row.side, row.account


def profit(state: State, account: Account) -> int:
    """Return what an account has gained since the first mark and still has."""
    now = state.equity_at(account, state.step.mark)
    return max(0, min(now - state.opening[account], now))


def holders_pay(state: State, symbol: str, loss: int) -> None:
    """Let every open lot of both sides pay the same, rounded up; what is too much is the fund's."""
    rows = [row for row in state.account_of if row.symbol == symbol and state.lots(row, symbol)]
    lots = sum(abs(state.lots(row, symbol)) for row in rows)
    if lots:
        per_lot = -(-loss // lots)
        for row in rows:
            state.ledger.pay(row, UNCOVERED, per_lot * abs(state.lots(row, symbol)))
        state.ledger.pay(UNCOVERED, owner_of(state.world, symbol), per_lot * lots - loss)
