"""The mechanism page, sections 1 and 2: who owns how much cash and how many lots."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from .slow_funds import fund_owners
from .slow_vaults import vault_owners

E6 = 10**6
E9 = 10**9


class Position(NamedTuple):
    """A row of the book: who holds it, in which symbol, on which side."""

    account: int
    symbol: str
    side: int


Owner = Position | str  # a row of the book, or the name of one of the other owners
MARKET, FUND, VENUE = "market", "fund", "venue"
ROUNDING, UNCOVERED, OPENING = "rounding", "uncovered", "opening"


def slice_of(amount: int, lots: int, total_lots: int) -> int:
    """Return the share of `lots` in an amount for `total_lots`, rounded down; all lots take all of it.

    >>> slice_of(269999, 1, 3), slice_of(269999, 3, 3)
    (89999, 269999)
    """
    return amount * lots // total_lots


def cut_cost(cost: int, lots: int, total_lots: int) -> int:
    """Return the part of a cost that leaves with `lots`: the slice of its absolute value."""
    part = slice_of(abs(cost), lots, total_lots)
    return part if cost >= 0 else -part


def sign(number: int) -> int:
    """Return -1, 0 or 1."""
    return (number > 0) - (number < 0)


@dataclass
class Ledger:
    """Cash, signed lots and cost of every owner, and the funding index of every symbol.

    `cash` is what has been booked. The funding since an owner's last settlement is not booked yet, `cash_of` counts
    it. `cost` is the amount, positive for both sides, that the present lots were opened or taken over for.
    """

    symbols: list[str]
    cash: dict[Owner, int] = field(default_factory=dict)
    lots: dict[Owner, dict[str, int]] = field(default_factory=dict)
    cost: dict[Owner, dict[str, int]] = field(default_factory=dict)
    settled_at: dict[Owner, dict[str, int]] = field(default_factory=dict)
    index: dict[str, int] = field(default_factory=dict)  # 1e-6 quanta per lot
    kind: dict[str, int] = field(default_factory=dict)  # 1 where a lot gains with the price (linear), -1 (inverse)

    def add_owner(self, owner: Owner, cash: int = 0) -> None:
        """Enter an owner who holds cash and no lots."""
        self.cash[owner] = cash
        self.lots[owner] = dict.fromkeys(self.symbols, 0)
        self.cost[owner] = dict.fromkeys(self.symbols, 0)
        self.settled_at[owner] = dict.fromkeys(self.symbols, 0)

    def funding_due(self, owner: Owner, symbol: str) -> int:
        """Return what the owner has to pay in one symbol since the last settlement (negative: receives)."""
        since = self.index[symbol] - self.settled_at[owner][symbol]
        return self.lots[owner][symbol] * since // E6

    def cash_of(self, owner: Owner) -> int:
        """Return the cash of an owner, unsettled funding included."""
        cash = self.cash[owner]
        for symbol, lots in self.lots[owner].items():
            if lots:
                cash -= self.funding_due(owner, symbol)
        return cash

    def rounding_cash(self) -> int:
        """Return the cash of `rounding`: everything paid and received as funding goes through it."""
        held = [(owner, symbol) for owner, row in self.lots.items() for symbol, lots in row.items() if lots]
        due = sum(self.funding_due(owner, symbol) for owner, symbol in held)
        return self.cash[ROUNDING] + due

    def settle(self, owner: Owner, symbol: str) -> None:
        """Book the funding due; called just before the owner's lots change and at no other time."""
        self.pay(owner, ROUNDING, self.funding_due(owner, symbol))
        self.settled_at[owner][symbol] = self.index[symbol]

    def pay(self, payer: Owner, payee: Owner, amount: int) -> None:
        """Move cash."""
        self.cash[payer] -= amount
        self.cash[payee] += amount

    def hand_over(self, symbol: str, giver: Owner, taker: Owner, signed_lots: int, amount: int) -> None:
        """Move lots from giver to taker for `amount` quanta, the value of all of them.

        Long lots are paid for by the taker, short lots by the giver; of an inverse contract the other way round. An
        ADL winner, who is on the opposite side, is the taker of the bankrupt's lots.
        """
        self.settle(giver, symbol)
        self.settle(taker, symbol)
        self.pay(taker, giver, self.kind[symbol] * sign(signed_lots) * amount)
        self._change_lots(giver, symbol, -signed_lots, amount)
        self._change_lots(taker, symbol, signed_lots, amount)

    def _change_lots(self, owner: Owner, symbol: str, change: int, amount: int) -> None:
        """Change lots and cost: opposite lots net at average cost, through zero the closing lots come first."""
        held, size = self.lots[owner][symbol], abs(change)
        closing = min(abs(held), size) if sign(held) == -sign(change) else 0
        if closing:
            self.cost[owner][symbol] -= cut_cost(self.cost[owner][symbol], closing, abs(held))
        self.cost[owner][symbol] += amount - slice_of(amount, closing, size)
        self.lots[owner][symbol] = held + change

    def check(self) -> None:
        """Stop if the cash of all owners, or the lots of all owners in one symbol, do not sum to zero."""
        total = sum(self.cash_of(owner) for owner in self.cash if owner != ROUNDING) + self.rounding_cash()
        assert total == 0, f"cash of all owners sums to {total}"
        for symbol in self.symbols:
            total = sum(lots[symbol] for lots in self.lots.values())
            assert total == 0, f"lots of all owners in {symbol} sum to {total}"


def opening_ledger(world: dict[str, Any], first_value_per_lot: dict[str, int]) -> Ledger:
    """Return the ledger before the first step.

    Parameters
    ----------
    world : dict
        See the world format.
    first_value_per_lot : dict
        Quanta per lot at the first mark walked, the price at which `market` holds what leaves the book unbalanced.
    """
    symbols = list(world["symbols"])
    kind = {symbol: kind_of(rules) for symbol, rules in world["symbols"].items()}
    ledger = Ledger(symbols, index=dict.fromkeys(symbols, 0), kind=kind)
    for owner in (MARKET, VENUE, ROUNDING, UNCOVERED, OPENING):
        ledger.add_owner(owner)
    for owner, start in (fund_owners(world) | vault_owners(world)).items():
        ledger.add_owner(owner, start)
    for row in world["accounts"]:
        position = position_of(row)
        symbol, side = position.symbol, position.side
        ledger.add_owner(position, row["wallet"] - kind[symbol] * side * row["cost"])
        ledger.lots[position][symbol] = side * row["lots"]
        ledger.cost[position][symbol] = row["cost"]
        ledger.lots[MARKET][symbol] -= side * row["lots"]
    for symbol, value_per_lot in first_value_per_lot.items():
        ledger.cash[MARKET] -= kind[symbol] * ledger.lots[MARKET][symbol] * value_per_lot
    ledger.cash[OPENING] = -sum(ledger.cash.values())
    return ledger


def position_of(row: dict[str, Any]) -> Position:
    """Return the position of an account row."""
    return Position(row["id"], row["symbol"], row["side"])


def kind_of(rules: dict[str, Any]) -> int:
    """Return 1 for a linear symbol, -1 for an inverse one."""
    return -1 if rules.get("inverse") else 1


def name_of(owner: Owner) -> int | str:
    """Return how the records name an owner: the id of the account, or the name."""
    return owner.account if isinstance(owner, Position) else owner


def owners_table(ledger: Ledger) -> dict[str, Any]:
    """Return cash and lots of every owner in the result format; the rows of an account id are added up."""
    table: dict[str, Any] = {"accounts": {}}
    for owner in ledger.cash:
        cash = ledger.rounding_cash() if owner == ROUNDING else ledger.cash_of(owner)
        place = table["accounts"] if isinstance(owner, Position) else table
        nothing = {"cash": 0, "lots": dict.fromkeys(ledger.symbols, 0)}
        entry = place.setdefault(str(name_of(owner)), nothing)
        entry["cash"] += cash
        for symbol, lots in ledger.lots[owner].items():
            entry["lots"][symbol] += lots
    return table
