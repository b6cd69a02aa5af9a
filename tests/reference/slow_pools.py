"""Several funds, and the drop of a fund that switches deleveraging on: every value of the run is remembered."""

from fractions import Fraction
from typing import Any

from .slow_funds import FUND, in_parts, owner_of
from .slow_path import end_of
from .slow_state import Claim, State

Level = tuple[int, int]  # present value, largest value in the window


def owners_of_fund(state: State, number: int) -> list[str]:
    """Return the owners a fund consists of, in the order of the symbols."""
    if not in_parts(state.world):
        return [FUND]
    symbols = [symbol for symbol in state.symbols if state.funds.number(symbol) == number]
    return [f"{FUND} {number}", *(owner_of(state.world, symbol) for symbol in symbols)]


def equity_of_fund(state: State, number: int) -> int:
    """Return cash and inventory at mark of a fund."""
    return sum(state.equity(owner) for owner in owners_of_fund(state, number))


def inventory_of_fund(state: State, number: int) -> dict[str, int]:
    """Return the signed lots of a fund by symbol."""
    owners = owners_of_fund(state, number)
    return {symbol: sum(state.lots(owner, symbol) for owner in owners) for symbol in state.symbols}


def clock(state: State) -> Fraction:
    """Return the end of the step in seconds since the first bar opened."""
    return end_of(state.step, state.world)


def levels(state: State, symbol: str) -> tuple[Level, Level]:
    """Return equity and peak of a symbol's fund, and of what the rule compares: the same, or the symbol's profit."""
    funds = state.funds
    number, oldest = funds.number(symbol), clock(state) - funds.rules["drop"]["window_s"]
    seen = [(equities[number], profits[symbol]) for at, equities, profits in funds.history if at >= oldest]
    equity, profit = equity_of_fund(state, number), state.equity(owner_of(state.world, symbol))
    balance = (equity, max([equity, *(row[0] for row in seen)]))
    if funds.rules["drop"]["kind"] == "pool_drawdown":
        return balance, balance
    return balance, (profit, max([profit, *(row[1] for row in seen)]))


def judge(state: State) -> None:
    """Switch deleveraging on and off for every symbol."""
    funds = state.funds
    rule = funds.rules.get("drop")
    if not rule:
        return
    for symbol in state.symbols:
        (equity, top), (now, peak) = levels(state, symbol)
        if top > 0:
            ratio = Fraction(now - peak, top)
            if funds.dropped[symbol]:
                funds.dropped[symbol] = not ratio > -Fraction(*rule["stop"][symbol])
            else:
                funds.dropped[symbol] = equity > rule["above"] and ratio < -Fraction(*rule["trigger"][symbol])
        on = funds.dropped[symbol] or equity <= 0
        if on != funds.on[symbol]:
            funds.on[symbol] = on
            cause = ("drawdown" if funds.dropped[symbol] else "empty") if on else ""
            name = "adl_on" if on else "adl_off"
            funds.events.append([state.step.number, funds.number(symbol), symbol, name, cause, equity])


def end_of_step(state: State) -> None:
    """Judge once more, remember the values of the step, and note what ran dry or came back."""
    judge(state)
    funds = state.funds
    equities = [equity_of_fund(state, number) for number in range(len(funds.pools))]
    for number, equity in enumerate(equities):
        if (equity <= 0) != funds.empty[number]:
            funds.empty[number] = equity <= 0
            event = "depleted" if equity <= 0 else "restored"
            funds.events.append([state.step.number, number, "", event, "", equity])
    profits = {symbol: state.equity(owner_of(state.world, symbol)) for symbol in state.symbols}
    funds.history.append((clock(state), equities, profits))


def wanted_by_adl(state: State, symbol: str) -> int:
    """Return how much a symbol's inventory has to bring: its fund back to the trigger, and above zero."""
    rule = state.funds.rules.get("drop")
    if not rule or not state.funds.on[symbol]:
        return 0
    (equity, top), (now, peak) = levels(state, symbol)
    wanted = max(0, 1 - equity)
    if state.funds.dropped[symbol] and top > 0:
        trigger = Fraction(*rule["trigger"][symbol])
        while Fraction(now + wanted - peak, top) < -trigger:
            wanted += max(1, int((peak - trigger * top) - now - wanted))
    return wanted


def first_refusal(state: State, claim: Claim, lots: int, passes_floor: bool) -> None:
    """Note the first claim that a fund does not take whole."""
    funds = state.funds
    number = funds.number(claim.symbol)
    if lots == claim.lots or number in funds.refused:
        return
    funds.refused.add(number)
    costs = claim.worth * (state.value(claim.symbol, claim.lots) - claim.amount) < 0
    cause = "trigger" if funds.on[claim.symbol] and costs else "limit" if passes_floor else "floor"
    funds.events.append([state.step.number, number, claim.symbol, "refused", cause, equity_of_fund(state, number)])


def merged(state: State, table: dict[str, Any]) -> dict[str, Any]:
    """Add up the parts of the funds: `fund` of the owners is all of them, `funds` each; and what happened to them."""
    if not in_parts(state.world):
        return {"owners": table}
    each = [
        _sum([table[owner] for owner in owners_of_fund(state, number)], state.symbols)
        for number in range(len(state.funds.pools))
    ]
    rest = {name: row for name, row in table.items() if not name.startswith(f"{FUND} ")}
    owners = {**rest, "fund": _sum(each, state.symbols)}
    return {"owners": owners, "funds": each, "fund_events": state.funds.events}


def _sum(rows: list[dict[str, Any]], names: list[str]) -> dict[str, Any]:
    lots = {name: sum(row["lots"][name] for row in rows) for name in names}
    return {"cash": sum(row["cash"] for row in rows), "lots": lots}
