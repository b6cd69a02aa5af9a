"""The mechanism page, section 7: waves, ranks, close prices, and what nobody could take."""

from collections.abc import Callable
from fractions import Fraction
from functools import partial

from .slow_funds import is_fund, owner_of
from .slow_ledger import E6, FUND, MARKET, UNCOVERED, Position, name_of, sign
from .slow_path import Prices
from .slow_pools import equity_of_fund, inventory_of_fund, judge, wanted_by_adl
from .slow_pro_rata import pay_in_proportion
from .slow_shares import BY_SHARE, shared
from .slow_state import Claim, State, close_with_market, margin_of, mark_value
from .slow_vault_margin import is_low
from .slow_vaults import VAULT, is_vault, vault_owners
from .slow_venues import share_losses

CURRENCY_UNIT = E6  # quanta


def adl(state: State, claims: list[Claim]) -> None:
    """Act 6: the bankrupts of every (symbol, side)."""
    for symbol in state.symbols:
        for side in (1, -1):
            bankrupts = [claim for claim in claims if (claim.symbol, claim.side) == (symbol, side) and claim.lots]
            if bankrupts:
                bankrupt_wave(state, symbol, side, bankrupts)
    share_losses(state)


def inventories(state: State) -> None:
    """Act 6, its end: the fund's inventory, then each vault's."""
    fund_inventory(state)
    for owner in vault_owners(state.world):
        if is_low(state, owner):
            for symbol in state.symbols:
                if state.lots(owner, symbol):
                    inventory_wave(state, owner, symbol, lambda claim, most: most)


def bankrupt_wave(state: State, symbol: str, side: int, bankrupts: list[Claim]) -> None:
    """Close the bankrupts of one side, in crossing order, against legs of their own, then against one queue."""
    for claim in bankrupts:
        claim.lots_adl = claim.lots
        own_leg(state, claim)
    queue = new_wave(state, symbol, -side)
    if by_share(state):
        close_in_proportion(state, bankrupts, queue, sum(claim.lots for claim in bankrupts))
    for claim in bankrupts:
        if not by_share(state):
            walk_queue(state, claim, queue, lambda claim, most: most)
        if claim.lots:
            exhausted(state, claim)


def by_share(state: State) -> bool:
    """Tell whether every candidate of a wave pays."""
    return state.profile.get("adl_allocation", "queue") in BY_SHARE


def close_in_proportion(state: State, claims: list[Claim], queue: list[Position], wanted: int) -> None:
    """Close lots of the claims against all candidates, who have no rank; losers last only if the profile says so."""
    last = [row for row in queue if pnl(state, row) < 0] if state.profile["losers"] == "last" else []

    def cost(claim: Claim, lots: int, due: int) -> int:
        amount = due if state.profile["close_price"] == "bankruptcy" else close_amount(state, claim, lots)
        return equity_gain(state, claim.symbol, claim.worth, lots, amount)

    for claim, row, lots in pay_in_proportion(state, partial(shared, state), claims, queue, last, wanted, cost):
        close_slice(state, claim, row, lots, close_amount(state, claim, lots))


def own_leg(state: State, claim: Claim) -> None:
    """Close a bankrupt against the opposite position of its own id; all that both hold, or nothing."""
    same_id = [row for row in state.account_of if row.account == name_of(claim.owner)]
    for leg in candidates(state, claim.symbol, -claim.side, same_id):
        lots = min(claim.lots, abs(state.lots(leg, claim.symbol)))
        amount = close_amount(state, claim, lots)
        if can_bear(state, claim, leg, lots, amount):
            close_slice(state, claim, leg, lots, amount)


def fund_inventory(state: State) -> None:
    """Send the funds' inventory to ADL where the profile says so, each until it has what it wants."""
    rule = state.profile["inventory_adl"]

    def wanted(symbol: str) -> int:
        if rule == "to_trigger":
            return wanted_by_adl(state, symbol)
        return int(state.profile["inventory_stop"]) - equity_of_fund(state, state.funds.number(symbol))

    judge(state)
    for number in range(len(state.funds.pools)):
        if rule == "none" or (
            rule == "below_floor" and equity_of_fund(state, number) >= state.profile["fund"]["floor"]
        ):
            continue
        for symbol, held in inventory_of_fund(state, number).items():
            if held and wanted(symbol) > 0:
                owner = owner_of(state.world, symbol)
                inventory_wave(state, owner, symbol, fewest(state, state.equity(owner) + wanted(symbol)))


def fewest(state: State, target: int) -> Callable[[Claim, int], int]:
    """Return a rule that wants the fewest lots of a winner with which the inventory's owner has an equity."""

    def lots_wanted(claim: Claim, most: int) -> int:
        equity = state.equity(claim.owner)
        for lots in range(most):
            amount = close_amount(state, claim, lots)
            if equity + equity_gain(state, claim.symbol, claim.worth, lots, amount) >= target:
                return lots
        return most

    return lots_wanted


def inventory_wave(state: State, owner: str, symbol: str, wanted: Callable[[Claim, int], int]) -> None:
    """Close the inventory of the fund or the vault in one symbol; what finds no candidate stays where it is."""
    held = state.lots(owner, symbol)
    worth = state.kind(symbol) * sign(held)
    claim = Claim(owner, symbol, sign(held), worth, abs(held), state.ledger.cost[owner][symbol])
    queue = new_wave(state, symbol, -claim.side)
    if by_share(state):
        close_in_proportion(state, [claim], queue, wanted(claim, claim.lots))
    else:
        walk_queue(state, claim, queue, wanted)


def walk_queue(state: State, claim: Claim, queue: list[Position], wanted: Callable[[Claim, int], int]) -> None:
    """Close lots of the claim against the winners at the head of the queue.

    `wanted` names how many lots are wanted of a winner who can give `most`; with 0 the walk is over. Winners who
    are closed or skipped leave the queue, so the next claim of the wave goes on where this one ended.
    """
    visits = state.profile.get("max_candidates", 0) if isinstance(claim.owner, Position) else 0
    left = visits or len(queue)
    while claim.lots and queue and left:
        left -= 1
        winner = queue[0]
        held = abs(state.lots(winner, claim.symbol))
        lots = wanted(claim, min(claim.lots, held))
        if lots == 0:
            return
        amount = close_amount(state, claim, lots)
        if not can_bear(state, claim, winner, lots, amount):
            state.skipped.append([state.step.number, claim.symbol, winner.account])
            queue.pop(0)
            continue
        close_slice(state, claim, winner, lots, amount)
        if lots == held:
            queue.pop(0)


def can_bear(state: State, claim: Claim, winner: Position, lots: int, amount: int) -> bool:
    """Tell whether closing lots against a winner leaves the equity of the winner's account at zero or above."""
    return state.equity(winner) + equity_gain(state, claim.symbol, -claim.worth, lots, amount) >= 0


def close_slice(state: State, claim: Claim, winner: Position, lots: int, amount: int) -> None:
    """Close lots of the claim against a winner for an amount."""
    due = claim.take(lots)
    state.ledger.hand_over(claim.symbol, claim.owner, winner, claim.side * lots, amount)
    bankrupt = FUND if is_fund(claim.owner) else VAULT if is_vault(claim.owner) else name_of(claim.owner)
    state.adl.append([state.step.number, claim.symbol, bankrupt, winner.account, lots, amount])
    if bankrupt not in (FUND, VAULT):
        book_difference(state, claim, claim.worth * (amount - due))


def close_amount(state: State, claim: Claim, lots: int) -> int:
    """Return what a slice of lots is closed for."""
    match state.profile["close_price"]:
        case "bankruptcy":
            return claim.slice(lots)
        case "mark":
            return state.value(claim.symbol, lots)
        case "previous_mark":
            return state.previous_value(claim.symbol, lots)
        case unknown:
            raise ValueError(f"close price {unknown!r}")


def equity_gain(state: State, symbol: str, worth: int, lots: int, amount: int) -> int:
    """Return by how much closing lots for an amount changes the equity of who held them, `worth` their sign."""
    return worth * (amount - state.value(symbol, lots))


def book_difference(state: State, claim: Claim, difference: int) -> None:
    """Book what a close brought above (residual) or below (uncovered) the bankruptcy amount."""
    if difference > 0:
        state.give_residual(claim, difference)
    elif difference < 0:
        state.ledger.pay(UNCOVERED, claim.owner, -difference)


def exhausted(state: State, claim: Claim) -> None:
    """Close the lots that found no winner, or let them wait."""
    lots = claim.lots
    if state.profile["on_exhausted"] == "waits":
        claim.lots_adl -= lots
        claim.waits = True
        state.unmatched.append([state.step.number, claim.symbol, name_of(claim.owner), lots, "account"])
        return
    due = claim.take(lots)
    if state.profile["on_exhausted"] == "fund_negative":
        fund = owner_of(state.world, claim.symbol)
        state.ledger.hand_over(claim.symbol, claim.owner, fund, claim.side * lots, due)
        taker = FUND
    else:
        amount = state.value(claim.symbol, lots)
        close_with_market(state, claim.owner, claim.symbol, lots, amount)
        difference = claim.worth * (amount - due)
        book_difference(state, claim, difference)
        state.losses[claim.symbol] = state.losses.get(claim.symbol, 0) + max(0, -difference)
        taker = MARKET
    state.unmatched.append([state.step.number, claim.symbol, name_of(claim.owner), lots, taker])


def candidates(state: State, symbol: str, side: int, among: list[Position] | None = None) -> list[Position]:
    """Return the positions on one side whose account has equity and was not in breach in this step, by id.

    They are looked for in the whole book, or among some positions.
    """
    rows = [
        row
        for row in (state.account_of if among is None else among)
        if (row.symbol, row.side) == (symbol, side)
        and state.lots(row, symbol)
        and state.equity(row) > 0
        and state.account_of[row] not in state.in_breach
    ]
    return sorted(rows, key=lambda row: row.account)


def new_wave(state: State, symbol: str, side: int) -> list[Position]:
    """Count a wave and return its candidates on one side, first to be closed first."""
    state.waves += 1
    queue = candidates(state, symbol, side)
    if state.profile["ranking"] == "none":
        return []
    losers = [row for row in queue if pnl(state, row) < 0]
    if state.profile["losers"] == "excluded":
        queue = [row for row in queue if row not in losers]
    if state.profile["ranking"] == "random":
        first = (state.world["seed"] + state.waves) % len(queue) if queue else 0
        queue = queue[first:] + queue[:first]
    else:
        score = SCORES[state.profile["ranking"]]
        # Sorting is stable: equal scores stay in the order of the ids.
        if state.profile["ranking"] == "ethereal":
            queue.sort(key=lambda row: wallet_balance(state, row))
            queue.sort(key=lambda row: -pnl(state, row))
        queue.sort(key=lambda row: -score(state, row))
    if state.profile["losers"] == "last":
        queue.sort(key=lambda row: row in losers)
    return queue


def pnl(state: State, row: Position) -> int:
    """Return the unrealised profit of a position at the mark in quanta, funding not counted."""
    return pnl_at(state, row, state.step.mark)


def pnl_at(state: State, row: Position, marks: Prices) -> int:
    """Return the unrealised profit of a position at some marks."""
    value = mark_value(state.world, row.symbol, abs(state.lots(row, row.symbol)), marks[row.symbol])
    return state.kind(row.symbol) * row.side * (value - state.ledger.cost[row][row.symbol])


def account_pnl(state: State, row: Position) -> int:
    """Return the unrealised profit of all open rows of a position's account."""
    return sum(pnl(state, other) for other in state.open_rows(state.account_of[row]))


def wallet_balance(state: State, row: Position) -> int:
    """Return the equity of the account less its unrealised profit."""
    return state.equity(row) - account_pnl(state, row)


def pnl_share(state: State, row: Position) -> Fraction:
    """Return the profit as a share of the entry value."""
    return Fraction(pnl(state, row), state.ledger.cost[row][row.symbol])


def position_value(state: State, row: Position) -> int:
    """Return the absolute value of a position at the mark."""
    return state.value(row.symbol, abs(state.lots(row, row.symbol)))


def effective_leverage(state: State, row: Position) -> Fraction:
    """Return position value over equity."""
    return Fraction(position_value(state, row), state.equity(row))


def maintenance(state: State, row: Position) -> int:
    """Return the maintenance margin of a position."""
    return margin_of(state.world, row.symbol, position_value(state, row), state.ledger.cost[row][row.symbol])


def account_maintenance(state: State, row: Position) -> int:
    """Return the maintenance margin of all open rows of a position's account."""
    return sum(maintenance(state, other) for other in state.open_rows(state.account_of[row]))


def bitmex_score(state: State, row: Position) -> Fraction:
    """Return profit over cost, times the effective leverage; a loss is divided by it."""
    profit, leverage = pnl_share(state, row), effective_leverage(state, row)
    return profit * leverage if profit > 0 else profit / leverage


def htx_score(state: State, row: Position) -> Fraction:
    """Return profit over cost, divided by the margin ratio; a loss is multiplied by it.

    The venue says that a lower margin ratio is closed earlier: equity over position value.
    """
    profit = pnl_share(state, row)
    ratio = Fraction(state.equity(row), position_value(state, row))
    return profit * ratio if profit < 0 else profit / ratio


def okx_score(state: State, row: Position) -> Fraction:
    """Return profit over cost times the effective leverage, for losses too."""
    return pnl_share(state, row) * effective_leverage(state, row)


def bybit_score(state: State, row: Position) -> Fraction:
    """Return profit over the margin of the position, at least one unit of the currency."""
    return Fraction(pnl(state, row), max(CURRENCY_UNIT, wallet_balance(state, row)))


def binance_score(state: State, row: Position) -> Fraction:
    """Return the account's profit over wallet balance (at least one unit of the currency), times its margin ratio."""
    balance = max(CURRENCY_UNIT, wallet_balance(state, row))
    ratio = Fraction(account_maintenance(state, row), state.equity(row))
    return Fraction(max(0, account_pnl(state, row)), balance) * ratio


def extended_score(state: State, row: Position) -> Fraction:
    """Return profit over cost times R, a loss divided by R: maintenance over equity of at least one unit."""
    profit = pnl_share(state, row)
    r = Fraction(maintenance(state, row), max(CURRENCY_UNIT, state.equity(row)))
    return profit / r if profit < 0 else profit * r


def hyperliquid_score(state: State, row: Position) -> Fraction:
    """Return mark over entry (shorts: entry over mark, unless taken literally), times notional over equity."""
    cost = state.ledger.cost[row][row.symbol]
    if row.side < 0 and not state.profile.get("hl_literal", False):
        return Fraction(cost, state.equity(row))  # the mark cancels, so that one of zero has a score too
    return Fraction(position_value(state, row), cost) * effective_leverage(state, row)


SCORES: dict[str, Callable[[State, Position], Fraction]] = {
    "bitmex": bitmex_score,
    "binance": binance_score,
    "bybit": bybit_score,
    "bybit_effective": okx_score,
    "okx": okx_score,
    "hyperliquid": hyperliquid_score,
    "htx": htx_score,
    "aevo": binance_score,
    "extended": extended_score,
    "ethereal": effective_leverage,
}
