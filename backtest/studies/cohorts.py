"""The accounts of a run in classes, and what each class won or lost from the first mark to the last."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from backtest.book.leverage import DELTA_NEUTRAL
from backtest.engine.records import OWNERS
from backtest.mechanics.exact import QUANTA_PER_USD, Bools, Floats, Ints
from backtest.run.tables.shared import Shared

OPEN, OUTSIDE, INSIDE = range(3)  # no hedge, its other leg elsewhere, longs and shorts in the account
HEDGES = ("not hedged", "hedged outside", "hedged inside")
MARGINS = ("isolated", "cross")
SIDES = ("long", "short", "both sides")
BANDS_USD = (10_000, 100_000, 1_000_000)
LEVERAGES = ("below 3x", "3x to 7x", "from 7x")
SIZES = ("below 10k", "10k to 100k", "100k to 1M", "from 1M")


@dataclass(frozen=True, slots=True, eq=False)
class Accounts:
    """The accounts of a book by number, ascending with their id.

    ``of`` is the number of each row's account; ``first`` the row of each that was largest at the first mark.
    ``start`` is equity and ``notional`` the gross notional at the first mark, in quanta. ``hedge`` is a place in
    ``HEDGES``, ``side`` in ``SIDES``. ``cross`` accounts have a position that shares its collateral.
    """

    of: Ints
    count: int
    first: Ints
    start: Ints
    notional: Ints
    hedge: Ints
    side: Ints
    cross: Bools

    @staticmethod
    def in_run(s: Shared) -> Accounts:
        """Return the accounts of a finished run as they were at its first mark."""
        book = s.world.book
        ids, of = np.unique(book.account, return_inverse=True)
        count, rows = len(ids), len(book)
        value = book.lots * s.at(s.mark[:, :1])[:, 0][book.symbol]
        equity = book.collateral + s.sign * (value - book.entry_value)

        def total(amounts: Ints) -> Ints:
            out = np.zeros(count, dtype=np.int64)
            np.add.at(out, of, amounts)
            return out

        order = np.lexsort((np.arange(rows), -value, of))
        first = order[np.searchsorted(of[order], np.arange(count))]
        longs, shorts = total((book.side > 0).astype(np.int64)) > 0, total((book.side < 0).astype(np.int64)) > 0
        outside = np.isin(ids, np.array(sorted(s.book.hedged), dtype=np.int64))
        if DELTA_NEUTRAL in s.book.cohorts:
            outside |= s.cohorts[first] == s.book.cohorts.index(DELTA_NEUTRAL)
        cross = np.zeros(count, dtype=bool)
        if book.cross is not None:
            cross = total(book.cross.astype(np.int64)) > 0
        return Accounts(
            of=of,
            count=count,
            first=first,
            start=total(equity),
            notional=total(value),
            hedge=np.where(longs & shorts, INSIDE, np.where(outside, OUTSIDE, OPEN)),
            side=np.where(longs & shorts, 2, np.where(shorts, 1, 0)),
            cross=cross,
        )

    def sums(self, rows: Ints, amounts: Ints) -> Ints:
        """Return the sum of amounts of rows by account."""
        out = np.zeros(self.count, dtype=np.int64)
        np.add.at(out, self.of[rows], amounts)
        return out

    def gains(self, s: Shared) -> Ints:
        """Return what each account won from the first mark to the end, in quanta."""
        out = np.zeros(self.count, dtype=np.int64)
        np.add.at(out, self.of, s.ledger.row_equity())
        return out - self.start

    def closed_by_adl(self, s: Shared, which: Ints) -> Bools:
        """Return which of some accounts hold nothing at the end and were never liquidated."""
        left = self.sums(np.arange(len(self.of)), s.ledger.lots)
        breached = np.zeros(self.count, dtype=bool)
        breached[self.of[s.breaches.row]] = True
        closed: Bools = (left[which] == 0) & ~breached[which]
        return closed


KINDS: Mapping[str, Sequence[str]] = {
    "side": SIDES,
    "hedge": HEDGES,
    "margin": MARGINS,
    "leverage": LEVERAGES,
    "size": SIZES,
    "owner": OWNERS,
}


@dataclass(frozen=True, slots=True)
class Group:
    """A class of accounts, or an owner that is not an account: the kind of class and its name."""

    kind: str
    name: str

    @property
    def place(self) -> tuple[int, int]:
        """Return where it stands among all groups; those of an imported book come first, as they come."""
        kinds = list(KINDS)
        return (kinds.index(self.kind), KINDS[self.kind].index(self.name)) if self.kind in KINDS else (-1, 0)


def groups_of(s: Shared, accounts: Accounts) -> list[tuple[Group, Bools]]:
    """Return every class of accounts that has one, each with its accounts."""
    bands = np.searchsorted(np.array(BANDS_USD) * QUANTA_PER_USD, accounts.notional, side="right")
    gross, equity = accounts.notional, np.maximum(accounts.start, 1)
    leverage = (gross // 3 >= equity).astype(np.int64) + (gross // 7 >= equity)
    imported = s.book.cohorts if s.book.label == "imported" else ()  # those of a drawn book differ by draw
    kinds: Sequence[tuple[str, Sequence[str], Ints]] = (
        ("cohort", imported, s.cohorts[accounts.first]),
        ("side", SIDES, accounts.side),
        ("hedge", HEDGES, accounts.hedge),
        ("margin", MARGINS, accounts.cross.astype(np.int64)),
        ("leverage", LEVERAGES, leverage),
        ("size", SIZES, bands),
    )
    return [
        (Group(kind, name), mine)
        for kind, names, place in kinds
        for number, name in enumerate(names)
        if (mine := place == number).any()
    ]


def owner_gains(s: Shared) -> dict[Group, float]:
    """Return what owners that are no accounts won from the first mark to the end, in USD; with accounts they sum to 0.

    ``market`` is whoever filled forced orders and holds what the book lacks on one side.
    """
    ledger, rules = s.ledger, s.world.rules
    start = {"fund": rules.fund_start, "vault": rules.vault.capital if rules.vault else 0}
    held = {"fund": ledger.funds, "vault": ledger.vaults, "venue": [ledger.venue], "market": [ledger.market],
            "rounding": [ledger.rounding], "uncovered": [ledger.uncovered]}  # fmt: skip
    return {
        Group("owner", name): (sum(map(ledger.equity, held[name])) - start.get(name, 0)) / QUANTA_PER_USD
        for name in OWNERS
        if name in held
    }


@dataclass(frozen=True, slots=True)
class GroupGains:
    """What a group won in USD and, against a base with the same book, its accounts worse and better off, and by what.

    None where there is no such base.
    """

    gain_usd: float
    worse: float | None = None
    better: float | None = None
    lost_usd: float | None = None
    gained_usd: float | None = None


def gains_of(
    owners: Mapping[Group, float], groups: Sequence[tuple[Group, Bools]], own: Ints, base: Ints | None
) -> dict[Group, GroupGains]:
    """Return the gains of every group; ``own`` and ``base`` are those of each account in this run and the base's."""
    out = {group: GroupGains(value) for group, value in owners.items()}
    change = None if base is None else own - base
    for group, mine in groups:
        gain = _usd(own[mine])
        if change is None:
            out[group] = GroupGains(gain)
            continue
        moved = change[mine]
        worse, better = moved < 0, moved > 0
        out[group] = GroupGains(gain, float(worse.sum()), float(better.sum()), _usd(-moved[worse]), _usd(moved[better]))
    return out


def _usd(quanta: Ints | Floats) -> float:
    return int(quanta.sum()) / QUANTA_PER_USD
