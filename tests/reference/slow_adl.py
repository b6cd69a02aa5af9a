"""MECHANISM.md section 7: waves, ranks, close prices, and what nobody could take."""

from collections.abc import Callable
from fractions import Fraction

from .slow_funds import is_fund, owner_of
from .slow_ledger import E6, FUND, MARKET, UNCOVERED, VAULT, sign
from .slow_pools import equity_of_fund, inventory_of_fund, judge, wanted_by_adl
from .slow_state import Claim, State, close_with_market, maintenance_margin

CURRENCY_UNIT = E6  # quanta


def adl(state: State, claims: list[Claim]) -> None:
    """Act 6: the bankrupts of every (symbol, side), then the fund's inventory, then the vault's."""
    for symbol in state.symbols:
        for side in (1, -1):
            bankrupts = [claim for claim in claims if (claim.symbol, claim.side) == (symbol, side) and claim.lots]
            if bankrupts:
                bankrupt_wave(state, symbol, side, bankrupts)
    fund_inventory(state)
    if state.profile.get("vault") and state.equity(VAULT) < 0:
        for symbol in state.symbols:
            if state.lots(VAULT, symbol):
                inventory_wave(state, VAULT, symbol, lambda claim, most: most)


def bankrupt_wave(state: State, symbol: str, side: int, bankrupts: list[Claim]) -> None:
    """Close the bankrupts of one side against one queue, in crossing order."""
    queue = new_wave(state, symbol, -side)
    for claim in bankrupts:
        claim.lots_adl = claim.lots
        walk_queue(state, claim, queue, lambda claim, most: most)
        if claim.lots:
            exhausted(state, claim)


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
            if equity + equity_gain(state, claim.symbol, claim.side, lots, amount) >= target:
                return lots
        return most

    return lots_wanted


def inventory_wave(state: State, owner: str, symbol: str, wanted: Callable[[Claim, int], int]) -> None:
    """Close the inventory of the fund or the vault in one symbol; what finds no candidate stays where it is."""
    held = state.lots(owner, symbol)
    claim = Claim(owner, symbol, sign(held), abs(held), state.ledger.cost[owner][symbol])
    walk_queue(state, claim, new_wave(state, symbol, -claim.side), wanted)


def walk_queue(state: State, claim: Claim, queue: list[int], wanted: Callable[[Claim, int], int]) -> None:
    """Close lots of the claim against the winners at the head of the queue.

    `wanted` names how many lots are wanted of a winner who can give `most`; with 0 the walk is over. Winners who
    are closed or skipped leave the queue, so the next claim of the wave goes on where this one ended.
    """
    while claim.lots and queue:
        winner = queue[0]
        held = abs(state.lots(winner, claim.symbol))
        lots = wanted(claim, min(claim.lots, held))
        if lots == 0:
            return
        amount = close_amount(state, claim, lots)
        if state.equity(winner) + equity_gain(state, claim.symbol, -claim.side, lots, amount) < 0:
            state.skipped.append([state.step.number, claim.symbol, winner])
            queue.pop(0)
            continue
        due = claim.take(lots)
        state.ledger.hand_over(claim.symbol, claim.owner, winner, claim.side * lots, amount)
        bankrupt = FUND if is_fund(claim.owner) else claim.owner
        state.adl.append([state.step.number, claim.symbol, bankrupt, winner, lots, amount])
        if claim.owner != VAULT and not is_fund(claim.owner):
            book_difference(state, claim, claim.side * (amount - due))
        if lots == held:
            queue.pop(0)


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


def equity_gain(state: State, symbol: str, side: int, lots: int, amount: int) -> int:
    """Return by how much closing lots of one side for an amount changes the equity of who held them."""
    return side * (amount - state.value(symbol, lots))


def book_difference(state: State, claim: Claim, difference: int) -> None:
    """Book what a close brought above (residual) or below (uncovered) the bankruptcy amount."""
    if difference > 0:
        state.give_residual(claim, difference)
    elif difference < 0:
        state.ledger.pay(UNCOVERED, claim.owner, -difference)


def exhausted(state: State, claim: Claim) -> None:
    """Close the lots that found no winner."""
    lots = claim.lots
    due = claim.take(lots)
    if state.profile["on_exhausted"] == "fund_negative":
        fund = owner_of(state.world, claim.symbol)
        state.ledger.hand_over(claim.symbol, claim.owner, fund, claim.side * lots, due)
        taker = FUND
    else:
        amount = state.value(claim.symbol, lots)
        close_with_market(state, claim.owner, claim.symbol, lots, amount)
        book_difference(state, claim, claim.side * (amount - due))
        taker = MARKET
    state.unmatched.append([state.step.number, claim.symbol, claim.owner, lots, taker])


def new_wave(state: State, symbol: str, side: int) -> list[int]:
    """Count a wave and return its candidates on one side, first to be closed first."""
    state.waves += 1
    candidates = sorted(
        row["id"]
        for row in state.world["accounts"]
        if sign(state.lots(row["id"], symbol)) == side
        and state.equity(row["id"]) > 0
        and row["id"] not in state.in_breach
    )
    losers = [account for account in candidates if pnl(state, account, symbol) < 0]
    if state.profile["losers"] == "excluded":
        candidates = [account for account in candidates if account not in losers]
    if state.profile["ranking"] == "random":
        first = (state.world["seed"] + state.waves) % len(candidates) if candidates else 0
        candidates = candidates[first:] + candidates[:first]
    else:
        score = SCORES[state.profile["ranking"]]
        # Sorting is stable: equal scores stay in the order of the ids.
        if state.profile["ranking"] == "ethereal":
            candidates.sort(key=lambda account: wallet_balance(state, account, symbol))
            candidates.sort(key=lambda account: -pnl(state, account, symbol))
        candidates.sort(key=lambda account: -score(state, account, symbol))
    if state.profile["losers"] == "last":
        candidates.sort(key=lambda account: account in losers)
    return candidates


def pnl(state: State, account: int, symbol: str) -> int:
    """Return the unrealised profit at the mark in quanta, funding not counted."""
    held = state.lots(account, symbol)
    return state.value(symbol, held) - sign(held) * state.ledger.cost[account][symbol]


def wallet_balance(state: State, account: int, symbol: str) -> int:
    """Return equity less unrealised profit."""
    return state.equity(account) - pnl(state, account, symbol)


def pnl_share(state: State, account: int, symbol: str) -> Fraction:
    """Return the profit as a share of the entry value."""
    return Fraction(pnl(state, account, symbol), state.ledger.cost[account][symbol])


def position_value(state: State, account: int, symbol: str) -> int:
    """Return the absolute value of a position at the mark."""
    return state.value(symbol, abs(state.lots(account, symbol)))


def effective_leverage(state: State, account: int, symbol: str) -> Fraction:
    """Return position value over equity."""
    return Fraction(position_value(state, account, symbol), state.equity(account))


def maintenance(state: State, account: int, symbol: str) -> int:
    """Return the maintenance margin of a position."""
    return maintenance_margin(state.world["symbols"][symbol]["tiers"], position_value(state, account, symbol))


def bitmex_score(state: State, account: int, symbol: str) -> Fraction:
    """Return profit over cost, times the effective leverage; a loss is divided by it."""
    profit, leverage = pnl_share(state, account, symbol), effective_leverage(state, account, symbol)
    return profit * leverage if profit > 0 else profit / leverage


def htx_score(state: State, account: int, symbol: str) -> Fraction:
    """Return profit over cost, divided by the margin ratio; a loss is multiplied by it.

    The venue says that a lower margin ratio is closed earlier: equity over position value.
    """
    profit = pnl_share(state, account, symbol)
    ratio = Fraction(state.equity(account), position_value(state, account, symbol))
    return profit * ratio if profit < 0 else profit / ratio


def okx_score(state: State, account: int, symbol: str) -> Fraction:
    """Return profit over cost times the effective leverage, for losses too."""
    return pnl_share(state, account, symbol) * effective_leverage(state, account, symbol)


def bybit_score(state: State, account: int, symbol: str) -> Fraction:
    """Return profit over the margin of the position, at least one unit of the currency."""
    return Fraction(pnl(state, account, symbol), max(CURRENCY_UNIT, wallet_balance(state, account, symbol)))


def binance_score(state: State, account: int, symbol: str) -> Fraction:
    """Return profit over wallet balance (at least one unit of the currency), times the margin ratio."""
    profit = pnl(state, account, symbol)
    balance = max(CURRENCY_UNIT, wallet_balance(state, account, symbol))
    ratio = Fraction(maintenance(state, account, symbol), state.equity(account))
    return Fraction(max(0, profit), balance) * ratio


def extended_score(state: State, account: int, symbol: str) -> Fraction:
    """Return profit over cost times R, a loss divided by R: maintenance over equity of at least one unit."""
    profit = pnl_share(state, account, symbol)
    r = Fraction(maintenance(state, account, symbol), max(CURRENCY_UNIT, state.equity(account)))
    return profit / r if profit < 0 else profit * r


def hyperliquid_score(state: State, account: int, symbol: str) -> Fraction:
    """Return mark over entry (shorts: entry over mark, unless taken literally), times notional over equity."""
    gain = Fraction(position_value(state, account, symbol), state.ledger.cost[account][symbol])
    if state.lots(account, symbol) < 0 and not state.profile.get("hl_literal", False):
        gain = 1 / gain
    return gain * effective_leverage(state, account, symbol)


SCORES: dict[str, Callable[[State, int, str], Fraction]] = {
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
