"""What the acts of a step share: the ledger at the present marks, the claims of the step and the records."""

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from .slow_feedback import Flows
from .slow_funds import Funds, owner_of
from .slow_ledger import E9, MARKET, Ledger, Owner, Position, cut_cost, opening_ledger, position_of, sign, slice_of
from .slow_path import Prices, Step
from .slow_vaults import VAULT, vault_of

Account = tuple[Position, ...]  # the rows of a cross account by symbol, long first; or one isolated position


@dataclass
class Claim:
    """A position that has to go: what is left of it, and what has happened to it so far.

    `lots` and `amount` are the remaining lots and the remaining bankruptcy amount (for an inventory: its average
    take-over amount), from which every slice is taken. `worth` is the sign of its money: its side in a linear
    contract, the opposite in an inverse one. `others` is the maintenance of its account's open rows that are not in
    the step.
    """

    owner: Owner
    symbol: str
    side: int
    worth: int
    lots: int
    amount: int
    fraction: Fraction = Fraction(0)
    mark: int = 0
    lots_book: int = 0
    book_amount: int = 0
    lots_takeover: int = 0
    lots_adl: int = 0
    residual: int = 0
    fee: int = 0
    cost: int = 0  # of the lots at the breach
    waits: bool = False  # the stepper, after it the vault's rule, keeps what is left for the next mark
    others: int = 0

    def slice(self, lots: int) -> int:
        """Return the share of `lots` in what is left."""
        return slice_of(self.amount, lots, self.lots)

    def cost_without(self, lots: int) -> int:
        """Return the cost of what stays when some of the lots go."""
        return self.cost - cut_cost(self.cost, lots, self.lots)

    def take(self, lots: int) -> int:
        """Take the slice of `lots` out of what is left and return it."""
        amount = self.slice(lots)
        self.amount -= amount
        self.lots -= lots
        return amount


@dataclass
class State:
    """A run between two acts."""

    world: dict[str, Any]
    ledger: Ledger
    step: Step
    funds: Funds
    account_of: dict[Position, Account] = field(default_factory=dict)
    in_breach: set[Account] = field(default_factory=set)  # in this step
    bucket: dict[str, int] = field(default_factory=dict)
    quiet_steps: int = 0
    waves: int = 0
    flows: Flows = field(default_factory=Flows)
    first_orders: dict[Owner, Fraction] = field(default_factory=dict)  # end of the step of an episode's first order
    liquidations: list[list[Any]] = field(default_factory=list)
    adl: list[list[Any]] = field(default_factory=list)
    skipped: list[list[Any]] = field(default_factory=list)
    unmatched: list[list[Any]] = field(default_factory=list)
    refused_by_vaults: list[list[Any]] = field(default_factory=list)  # the first claim of each
    losses: dict[str, int] = field(default_factory=dict)  # uncovered in this round because nobody was left
    opening: dict[Account, int] = field(default_factory=dict)  # equity at the first mark

    @property
    def profile(self) -> dict[str, Any]:
        """The venue's rules."""
        profile: dict[str, Any] = self.world["profile"]
        return profile

    @property
    def symbols(self) -> list[str]:
        """The symbols in their order."""
        return self.ledger.symbols

    def lots(self, owner: Owner, symbol: str) -> int:
        """Return the signed lots of an owner."""
        return self.ledger.lots[owner][symbol]

    def value(self, symbol: str, lots: int) -> int:
        """Return the value in quanta of some lots at the mark at the end of the step."""
        return mark_value(self.world, symbol, lots, self.step.mark[symbol])

    def previous_value(self, symbol: str, lots: int) -> int:
        """Return the value in quanta of some lots at the previous mark."""
        return mark_value(self.world, symbol, lots, self.step.previous_mark[symbol])

    def kind(self, symbol: str) -> int:
        """Return 1 for a linear symbol, -1 for an inverse one."""
        return self.ledger.kind[symbol]

    def equity(self, owner: Owner) -> int:
        """Return cash, unsettled funding included, plus lots at the marks at the end of the step.

        The equity of a position is that of its account.
        """
        owners = self.account_of[owner] if isinstance(owner, Position) else (owner,)
        return self.equity_at(owners, self.step.mark)

    def account(self, claim: Claim) -> Account:
        """Return the account of a claim that is no inventory."""
        assert isinstance(claim.owner, Position)
        return self.account_of[claim.owner]

    def equity_at(self, owners: tuple[Owner, ...], marks: Prices) -> int:
        """Return the cash of some owners, unsettled funding included, plus their lots at some marks."""
        total = 0
        for owner in owners:
            total += self.ledger.cash_of(owner)
            for symbol, lots in self.ledger.lots[owner].items():
                if lots:
                    total += self.kind(symbol) * mark_value(self.world, symbol, lots, marks[symbol])
        return total

    def open_rows(self, account: Account) -> list[Position]:
        """Return the rows of an account that hold lots."""
        return [row for row in account if self.lots(row, row.symbol)]

    def give_residual(self, claim: Claim, amount: int) -> None:
        """Leave a positive amount on the bankrupt's account to the owner of residual collateral."""
        claim.residual += amount
        if self.profile["residual_owner"] != "account":
            owner = {"fund": owner_of, VAULT: vault_of}[self.profile["residual_owner"]](self.world, claim.symbol)
            self.ledger.pay(claim.owner, owner, amount)


def mark_value(world: dict[str, Any], symbol: str, lots: int, mark: int) -> int:
    """Return the value in quanta of lots at a mark in mark quanta."""
    rules = world["symbols"][symbol]
    if rules.get("inverse"):
        return lots * round(Fraction(rules["inverse"], mark))  # half to even
    quanta, rest = divmod(lots * mark * rules["quanta_per_tick_lot"], rules.get("mark_per_tick", 1))
    assert rest == 0, f"{lots} lots at {mark} are no whole number of quanta"
    return int(quanta)


def trade_value(world: dict[str, Any], symbol: str, lots: int, price: int) -> int:
    """Return the value in quanta of lots at a trade price in ticks."""
    rules = world["symbols"][symbol]
    if rules.get("inverse"):
        return lots * round(Fraction(rules["inverse"], price * rules.get("mark_per_tick", 1)))
    return int(lots * price * rules["quanta_per_tick_lot"])


def maintenance_margin(tiers: list[list[int]], notional: int) -> int:
    """Return the maintenance margin: rounded up, never below 0, a tier holds from its floor inclusive.

    >>> tiers = [[0, 5_000_000, 0], [1000, 10_000_000, 5]]
    >>> [maintenance_margin(tiers, notional) for notional in (999, 1000, 1001)]
    [5, 5, 6]
    """
    _, rate_e9, deduction = [tier for tier in tiers if tier[0] <= notional][-1]
    margin_e9 = notional * rate_e9 - deduction * E9
    return max(0, -(-margin_e9 // E9))


def counted(world: dict[str, Any], symbol: str, value: int, cost: int) -> int:
    """Return the notional of a position: its value at a mark, or its cost where the venue counts that."""
    return cost if world["symbols"][symbol].get("on_entry") else value


def margin_of(world: dict[str, Any], symbol: str, value: int, cost: int) -> int:
    """Return the maintenance margin of a position."""
    return maintenance_margin(world["symbols"][symbol]["tiers"], counted(world, symbol, value, cost))


def is_breach(world: dict[str, Any], symbol: str, value: int, cost: int, equity: int) -> bool:
    """Tell whether an equity meets the liquidation comparison for a position, all in quanta."""
    return is_below(world, equity, margin_of(world, symbol, value, cost))


def is_below(world: dict[str, Any], equity: int, maintenance: int) -> bool:
    """Tell whether an equity meets the liquidation comparison."""
    return equity < maintenance or (equity == maintenance and world["profile"]["threshold"] == "<=")


def bankruptcy_amount(ledger: Ledger, position: Position) -> int:
    """Return the value of an isolated position at which nothing would be left, in quanta."""
    return -ledger.kind[position.symbol] * position.side * ledger.cash_of(position)


def opening_state(world: dict[str, Any], first: Step) -> State:
    """Return the state before the first step."""
    value_per_lot = {symbol: mark_value(world, symbol, 1, first.mark[symbol]) for symbol in world["symbols"]}
    state = State(world, opening_ledger(world, value_per_lot), first, Funds(world), account_of=accounts_of(world))
    for account in state.account_of.values():
        state.opening[account] = state.equity_at(account, first.mark)
    return state


def accounts_of(world: dict[str, Any]) -> dict[Position, Account]:
    """Return the account of every position: all cross rows of an id are one, every other row is one of its own."""
    symbols = list(world["symbols"])
    rows = sorted(world["accounts"], key=lambda row: (symbols.index(row["symbol"]), -row["side"]))
    crossed: dict[int, list[Position]] = {}
    for row in rows:
        if row.get("cross"):
            crossed.setdefault(row["id"], []).append(position_of(row))
    return {position_of(row): tuple(crossed[row["id"]]) if row.get("cross") else (position_of(row),) for row in rows}


def close_with_market(state: State, owner: Owner, symbol: str, lots: int, amount: int) -> None:
    """Let `market` take lots of the owner's side for an amount."""
    signed_lots = sign(state.lots(owner, symbol)) * lots
    state.ledger.hand_over(symbol, owner, MARKET, signed_lots, amount)
