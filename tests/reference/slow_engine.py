"""The mechanism page, section 4: the acts of a step, one after the other."""

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from .slow_adl import adl, inventories
from .slow_cross import cross_breaches, next_round, vault_rule
from .slow_feedback import Flows, path_of
from .slow_funds import owner_of
from .slow_impact import impact_shift
from .slow_ledger import E9, VENUE, Position, name_of, owners_table, sign
from .slow_path import steps
from .slow_pools import (
    end_of_step,
    equity_of_fund,
    first_refusal,
    inventory_of_fund,
    judge,
    merged,
    owners_of_fund,
)
from .slow_state import (
    Account,
    Claim,
    State,
    bankruptcy_amount,
    close_with_market,
    counted,
    is_below,
    is_breach,
    maintenance_margin,
    margin_of,
    mark_value,
    opening_state,
    trade_value,
)
from .slow_steppers import Terms, end_episode, stepper
from .slow_vault_margin import accepts, merged_vaults, note_refusal
from .slow_vaults import VAULT, vault_of, vault_owners
from .slow_venues import counts_orders, keep_waiting, limit_amount, may_order


def replay(world: dict[str, Any]) -> dict[str, Any]:
    """Walk a world from its first price to its last.

    Parameters
    ----------
    world : dict
        Symbols, profile, liquidity, bars, funding and accounts; money in quanta, trades in ticks, marks in mark
        quanta, sizes in lots. Keys that may be absent: a symbol's `mark_per_tick` (mark quanta in a tick, 1) and
        `inverse` (linear; else the value of a lot is `inverse` over the mark), `on_entry` (false; else maintenance
        is on the cost of a position, whatever the mark), an account row's `cross` (isolated), the
        profile's `vault` (none: no such owner; else its `capital`, and the share `num`/`den` of maintenance below
        which it takes over; `sets`, each of `symbols` with its `capital`, are several; `margin`: `none` or
        `maintenance`), `hl_literal` (false), `liquidation_rule` (`full_position`; `part_first` has `first_share`
        as [numerator, denominator], `first_above` in quanta and `pause_s`), `adl_allocation` (`queue`),
        `cross_allocation` (`by_maintenance`) and `cross_order` (`maintenance`); `exits` (none), each a step, a symbol,
        the ids of a long and a short, and lots.

    Returns
    -------
    dict
        Cash and lots of every owner at the end, the rows of liquidations, ADL, skipped winners and unmatched lots,
        and the number of steps. On the feedback path (`feedback`, see `path_of`) the displaced `prices` too: per step
        the mark and trade price of each symbol, the number of rounds and whether the cap left a mark behind.
    """
    return run(world)[0]


def run(world: dict[str, Any]) -> tuple[dict[str, Any], Flows]:
    """Walk a world; return the result and what it moved through the book."""
    walked = list(steps(world))
    path = path_of(world, lambda other: run(other)[1])
    state = opening_state(world, walked[0])
    prices = []
    for step in walked:
        state.step = path.begin(step)
        state.flows.begin(step.number)
        state.in_breach = set()
        funding(state)
        free_liquidity(state)
        while True:
            claims = breaches(state)
            while claims:
                liquidate(state, claims)
                record(state, claims)
                claims = next_claims(state, claims)
            inventories(state)
            segment = path.again(state.flows.book)
            if segment is None:
                break
            state.step = segment
        state.quiet_steps = 0 if state.in_breach else state.quiet_steps + 1
        unwind(state)
        voluntary_exits(state)
        end_of_step(state)
        path.end(state.flows.whole)
        state.ledger.check()
        prices.append([state.step.mark, state.step.trade, path.rounds, path.capped])
    result = {
        **merged_vaults(state, merged(state, owners_table(state.ledger))),
        "liquidations": state.liquidations,
        "adl": state.adl,
        "skipped": state.skipped,
        "unmatched": state.unmatched,
        "steps": len(walked),
    }
    return result | ({"prices": prices} if "feedback" in world else {}), state.flows


def liquidate(state: State, claims: list[Claim]) -> None:
    """Acts 4 to 6 of a round."""
    book_fills(state, claims)
    fees(state, claims)
    residuals(state, claims)
    takeovers(state, claims)
    adl(state, [claim for claim in claims if not claim.waits])


def funding(state: State) -> None:
    """Act 1: at the first price of a bar its funding raises the index, floor(value per lot x rate) in 1e-6 quanta.

    The value is that at the event's oracle price, given in mark quanta; without one that at the mark.
    """
    for event in state.world["funding"]:
        if state.step.price == 0 and event["bar"] == state.step.bar:
            # 1e6 index units per quantum, 1e9 rate units per 1.
            symbol = event["symbol"]
            value_per_lot = mark_value(state.world, symbol, 1, event.get("oracle", state.step.mark[symbol]))
            state.ledger.index[symbol] += value_per_lot * event["rate_e9"] // 1000


def free_liquidity(state: State) -> None:
    """Free the share of the bar's capacity that comes with this price; what the last bar left expires."""
    liquidity, step = state.world["liquidity"], state.step
    for symbol in state.symbols:
        volume = state.world["bars"][step.bar][symbol]["volume_lots"]
        capacity = volume * liquidity["scale_e9"] * liquidity["participation_e9"] // E9**2
        if step.price == 0:
            state.bucket[symbol] = 0
        freed_before = capacity * step.price // step.prices_per_bar
        state.bucket[symbol] += capacity * (step.price + 1) // step.prices_per_bar - freed_before


def breaches(state: State) -> list[Claim]:
    """Act 3: the positions that meet the liquidation comparison on this segment, in crossing order."""
    claims = isolated_breaches(state)
    state.in_breach |= {state.account(claim) for claim in claims}
    return in_crossing_order(state, claims + cross_breaches(state))


def next_claims(state: State, claims: list[Claim]) -> list[Claim]:
    """Act 3 of the next round, in crossing order."""
    return in_crossing_order(state, next_round(state, claims))


def in_crossing_order(state: State, claims: list[Claim]) -> list[Claim]:
    """Sort by fraction, symbol, account id, the long first."""

    def place(claim: Claim) -> tuple[Fraction, int, int, int]:
        assert isinstance(claim.owner, Position)
        return claim.fraction, state.symbols.index(claim.symbol), claim.owner.account, -claim.side

    return sorted(claims, key=place)


def isolated_breaches(state: State) -> list[Claim]:
    """Return the isolated positions in breach on this segment; a cross account of one row is one."""
    claims = []
    for row, account in state.account_of.items():
        if len(account) == 1 and state.lots(row, row.symbol):
            amount = bankruptcy_amount(state.ledger, row)
            worth = state.kind(row.symbol) * row.side
            claim = Claim(row, row.symbol, row.side, worth, abs(state.lots(row, row.symbol)), amount)
            claim.cost = state.ledger.cost[row][row.symbol]
            marks = state.step.marks_walked(claim.symbol)
            if first_breach(state.world, claim, marks[:1]) is None:
                end_episode(state, claim)
            mark = None if out_of_reach(state.world, claim, marks) else first_breach(state.world, claim, marks)
            if mark is not None:
                claim.mark, claim.fraction = mark, state.step.fraction(claim.symbol, mark)
                claims.append(claim)
    return claims


def out_of_reach(world: dict[str, Any], claim: Claim, marks: Sequence[int]) -> bool:
    """Tell whether no mark between two can be a breach, which spares looking at each of them.

    Equity is least at one of the two ends: the value rises or falls all the way. Maintenance is nowhere above what any
    tier that begins below the highest notional would ask of that notional.
    """
    ends = [mark_value(world, claim.symbol, claim.lots, mark) for mark in (marks[0], marks[-1])]
    highest = max(counted(world, claim.symbol, end, claim.cost) for end in ends)
    tiers = [tier for tier in world["symbols"][claim.symbol]["tiers"] if tier[0] <= highest]
    most_maintenance = max(maintenance_margin([tier], highest) for tier in tiers)
    return min(claim.worth * (notional - claim.amount) for notional in ends) > most_maintenance


def first_breach(world: dict[str, Any], claim: Claim, marks: Sequence[int]) -> int | None:
    """Return the first of some marks at which the position is in breach."""
    for mark in marks:
        notional = mark_value(world, claim.symbol, claim.lots, mark)
        if is_breach(world, claim.symbol, notional, claim.cost, claim.worth * (notional - claim.amount)):
            return mark
    return None


def book_fills(state: State, claims: list[Claim]) -> None:
    """Act 4: market orders with the bankruptcy amount as limit, for those whose equity is not below zero."""
    ordered, sent = stepper(state)
    for claim in claims:
        claim.waits = counts_orders(state)
    judged = [claim for claim in claims if may_order(state, claims, claim)]
    # The fund is asked symbol by symbol; nothing else depends on the order of symbols.
    judged.sort(key=lambda claim: state.symbols.index(claim.symbol))
    orders = [(claim, ordered(state, claim)) for claim in judged]
    shifts = impact_shifts(state, [(claim, lots) for claim, lots in orders if lots])
    for claim, lots in orders:
        base = state.step.trade_at(claim.symbol, claim.fraction)
        # A position without an order, alone on its side, has no shift and needs none.
        shift = shifts.get((claim.symbol, claim.side), 0)
        price = shifted_price(state, claim.symbol, claim.side, base, shift)
        limit = limit_amount(state, claim)
        within_limit = claim.worth * (trade_value(state.world, claim.symbol, claim.lots, price) - limit) >= 0
        filled, rest_waits = sent(state, claim, Terms(lots, price, within_limit, state.bucket[claim.symbol]))
        if filled:
            fill(state, claim, filled, trade_value(state.world, claim.symbol, filled, price))
        claim.waits = rest_waits and claim.lots > 0
    keep_waiting(state, claims)


def impact_shifts(state: State, orders: list[tuple[Claim, int]]) -> dict[tuple[str, int], int | None]:
    """Return the shift in ticks of every (symbol, side), from the bucket before the step's first fill."""
    shifts: dict[tuple[str, int], int | None] = {}
    for symbol in state.symbols:
        for side in (1, -1):
            alike = [(claim, lots) for claim, lots in orders if (claim.symbol, claim.side) == (symbol, side)]
            if alike:
                lots = min(sum(lots for _, lots in alike), state.bucket[symbol])
                base = state.step.trade_at(symbol, alike[0][0].fraction)
                shifts[symbol, side] = impact_ticks(state, symbol, side, base, lots)
    return shifts


def fill(state: State, order: Claim, lots: int, amount: int) -> None:
    """Close lots of an order with `market`; the residual is what they brought above their bankruptcy amount."""
    state.bucket[order.symbol] -= lots
    close_with_market(state, order.owner, order.symbol, lots, amount)
    state.flows.add(order.symbol, -order.side * lots, forced=True)
    order.lots_book, order.book_amount = lots, amount
    order.residual = order.worth * (amount - order.take(lots))
    if order.residual < 0:  # below the bankruptcy amount only where the fund pays what is missing
        state.ledger.pay(owner_of(state.world, order.symbol), order.owner, -order.residual)
        order.residual = 0


def impact_ticks(state: State, symbol: str, side: int, base: int, lots: int) -> int | None:
    """Return how many ticks an order that closes a side moves its price; None where there is nothing to trade with."""
    return impact_shift(state.world, state.step.bar, symbol, base, lots, side > 0)


def shifted_price(state: State, symbol: str, side: int, base: int, shift: int | None) -> int:
    """Return the base moved against who closes a side, within the bar's trade range; without a shift its worst."""
    _, high, low, _ = state.world["bars"][state.step.bar][symbol]["trade"]
    lowest, highest = state.step.trade_range(symbol, low, high)
    if shift is None:
        return lowest if side > 0 else highest
    return min(max(base - side * shift, lowest), highest)


def fees(state: State, claims: list[Claim]) -> None:
    """Act 5a: the fee is taken from what the book fill left above the bankruptcy amount."""
    for claim in claims:
        claim.fee = min(claim.book_amount * state.profile["fee_e9"] // E9, claim.residual)
        claim.residual -= claim.fee
        owner = VENUE if state.profile["fee_owner"] == "venue" else owner_of(state.world, claim.symbol)
        state.ledger.pay(claim.owner, owner, claim.fee)


def residuals(state: State, claims: list[Claim]) -> None:
    """Act 5b: what is then left of the collateral goes to its owner; a position that waits keeps it."""
    for claim in claims:
        if not claim.waits:
            residual, claim.residual = claim.residual, 0
            state.give_residual(claim, residual)


def takeovers(state: State, claims: list[Claim]) -> None:
    """Act 5c: the fund takes what its rule allows of what does not wait, then the vault.

    Where there is a vault, a cross account is visited once, at its first row.
    """
    judge(state)
    noted, refusals = len(state.funds.events), len(state.refused_by_vaults)
    visited = set()
    for claim in claims:
        account = state.account(claim)
        if not state.profile.get("vault"):
            ask_fund(state, claim)
        elif len(account) == 1:
            ask_fund(state, claim)
            ask_vault(state, claim)
        elif account not in visited:
            visited.add(account)
            take_account(state, account, [other for other in claims if state.account(other) == account])
    state.funds.events[noted:] = sorted(state.funds.events[noted:], key=lambda event: event[1])  # fund by fund
    state.refused_by_vaults[refusals:] = sorted(state.refused_by_vaults[refusals:], key=lambda row: row[1])


def ask_fund(state: State, claim: Claim) -> None:
    """Let the fund take what its rule allows of a claim that does not wait."""
    if claim.lots and not claim.waits and state.profile["fund"]["takeover"] == "bankruptcy":
        lots = fund_lots(state, claim)
        equity = equity_of_fund(state, state.funds.number(claim.symbol))
        first_refusal(state, claim, lots, passes_floor(state, claim, claim.lots, equity))
        take_over(state, claim, owner_of(state.world, claim.symbol), lots)


def ask_vault(state: State, claim: Claim) -> None:
    """Let the vault take an isolated position below its share of maintenance; above, the position waits."""
    takes = claim.lots > 0 and vault_takes(state, claim)
    claim.waits = claim.lots > 0 and not takes and equity_left(state, claim) >= 0
    if takes:
        give_to_vault(state, claim)


def give_to_vault(state: State, claim: Claim) -> None:
    """Hand a claim to the vault of its symbol, or leave it to ADL where the vault's own margin forbids it."""
    if accepts(state, claim):
        take_over(state, claim, vault_of(state.world, claim.symbol), claim.lots)
    else:
        note_refusal(state, claim)


def take_account(state: State, account: Account, claims: list[Claim]) -> None:
    """Ask the fund for the rows of a cross account, then let the vault's rule decide for all of what is left."""
    for claim in claims:
        ask_fund(state, claim)
    left = [claim for claim in claims if claim.lots]
    if not left:
        return
    rule = vault_rule(state, account, left)
    for claim in left:
        claim.waits = rule == "waits"
        if rule == VAULT:
            give_to_vault(state, claim)


def take_over(state: State, claim: Claim, owner: str, lots: int) -> None:
    """Hand lots to the fund or the vault at their bankruptcy amount."""
    if lots:
        state.ledger.hand_over(claim.symbol, claim.owner, owner, claim.side * lots, claim.take(lots))
        claim.lots_takeover += lots


def fund_lots(state: State, claim: Claim) -> int:
    """Return how many lots the fund may take: the most, or all or none."""
    shortfall = state.profile["fund"]["shortfall"]
    least = claim.lots if shortfall == "all_or_nothing" else 1
    equity = equity_of_fund(state, state.funds.number(claim.symbol))
    for lots in range(claim.lots, least - 1, -1):
        if passes_floor(state, claim, lots, equity) and passes_limit(state, claim, lots):
            return lots
    return 0


def passes_floor(state: State, claim: Claim, lots: int, equity: int) -> bool:
    """Tell whether a take-over leaves the fund's equity at or above its floor, or does not lower it."""
    gain = claim.worth * (state.value(claim.symbol, lots) - claim.slice(lots))
    return gain >= 0 or (not state.funds.on[claim.symbol] and equity + gain >= state.profile["fund"]["floor"])


def passes_limit(state: State, claim: Claim, lots: int) -> bool:
    """Tell whether a take-over leaves the gross inventory within its limit, or does not raise the symbol's lots."""
    number = state.funds.number(claim.symbol)
    limit = state.funds.pools[number]["inventory_limit"]
    held = inventory_of_fund(state, number)
    after = {**held, claim.symbol: held[claim.symbol] + claim.side * lots}
    gross = sum(state.value(symbol, abs(after[symbol])) for symbol in state.symbols)
    return limit is None or gross <= limit or abs(after[claim.symbol]) <= abs(held[claim.symbol])


def equity_left(state: State, claim: Claim) -> int:
    """Return the equity of what is left of a claim at the end of the step, against its bankruptcy amount."""
    return claim.worth * (state.value(claim.symbol, claim.lots) - claim.amount)


def vault_takes(state: State, claim: Claim) -> bool:
    """Tell whether the vault takes a claim: 0 <= equity < num/den of maintenance."""
    vault = state.profile["vault"]
    cost = state.ledger.cost[claim.owner][claim.symbol]  # of what book and fund have left
    maintenance = margin_of(state.world, claim.symbol, state.value(claim.symbol, claim.lots), cost)
    num, den = int(vault["num"]), int(vault["den"])
    return 0 <= den * equity_left(state, claim) < num * maintenance


def unwind(state: State) -> None:
    """Act 8: after enough quiet steps the fund, then the vault, trade their inventory with what the bucket holds."""
    if state.quiet_steps < state.profile["vault_quiet_steps"]:
        return
    funds = [owner for number in range(len(state.funds.pools)) for owner in owners_of_fund(state, number)]
    for owner in [*funds, *vault_owners(state.world)]:
        for symbol in state.symbols:
            held = state.lots(owner, symbol)
            lots, side = min(abs(held), state.bucket[symbol]), sign(held)
            if lots:
                base = state.step.trade[symbol]
                price = shifted_price(state, symbol, side, base, impact_ticks(state, symbol, side, base, lots))
                state.bucket[symbol] -= lots
                state.flows.add(symbol, -side * lots, forced=False)
                close_with_market(state, owner, symbol, lots, trade_value(state.world, symbol, lots, price))


def voluntary_exits(state: State) -> None:
    """Act 8b: a long and a short close with each other at the trade price, unless one is in breach or would owe."""
    for number, symbol, long_id, short_id, wanted in state.world.get("exits", ()):
        if number != state.step.number:
            continue
        long, short = Position(long_id, symbol, 1), Position(short_id, symbol, -1)
        lots = min(wanted, state.lots(long, symbol), -state.lots(short, symbol))
        amount = trade_value(state.world, symbol, lots, state.step.trade[symbol])
        change = state.kind(symbol) * (amount - state.value(symbol, lots))
        if lots and may_leave(state, long, change) and may_leave(state, short, -change):
            state.ledger.hand_over(symbol, long, short, lots, amount)


def may_leave(state: State, row: Position, change: int) -> bool:
    """Tell whether the account of a row is in no breach at the marks and has equity after a change of it."""
    equity, maintenance = state.equity(row), 0
    for each in state.open_rows(state.account_of[row]):
        value = state.value(each.symbol, abs(state.lots(each, each.symbol)))
        maintenance += margin_of(state.world, each.symbol, value, state.ledger.cost[each][each.symbol])
    return not is_below(state.world, equity, maintenance) and equity + change >= 0


def record(state: State, claims: list[Claim]) -> None:
    """Act 9: a row for every position of a round of which lots moved, in crossing order."""
    for claim in claims:
        if claim.lots_book or claim.lots_takeover or claim.lots_adl:
            state.liquidations.append(
                [
                    state.step.number,
                    name_of(claim.owner),
                    claim.symbol,
                    claim.side,
                    claim.lots_book,
                    claim.book_amount,
                    claim.lots_takeover,
                    claim.lots_adl,
                    claim.residual,
                    claim.fee,
                ]
            )
