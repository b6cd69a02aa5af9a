"""Cross accounts of a book: their positions, values, maintenance and margin modes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from backtest.mechanics.exact import Bools, Ints
from backtest.mechanics.margin import Tiers, maintenance, tier_of
from backtest.venue.instrument import Instrument
from backtest.venue.margin_table import MarginSchedule

MODES = ("isolated", "cross", "mixed")  # mixed: an account with positions of both kinds


@dataclass(frozen=True, slots=True, eq=False)
class CrossAccounts:
    """The cross accounts of a book: an account with one cross position only is an isolated position, and not here.

    Attributes
    ----------
    rows
        Rows of the book that belong to one, ascending.
    place
        For each of them the place of its account in ``ids``.
    ids
        Account ids, rising.
    """

    rows: Ints
    place: Ints
    ids: Ints

    def total(self, values: Ints) -> Ints:
        """Return the sum over each account's rows; ``values`` has one value a row."""
        out = np.zeros(len(self.ids), dtype=np.int64)
        np.add.at(out, self.place, values)
        return out


def lot_values(instruments: Sequence[Instrument], mark0: Ints) -> Ints:
    """Return the value of a lot of each instrument at its first mark, in quanta."""
    each = [item.contract(mark).value_per_lot(mark) for mark, item in zip(mark0.tolist(), instruments, strict=True)]
    return np.array(each, dtype=np.int64)


def value_signs(instruments: Sequence[Instrument]) -> Ints:
    """Return +1 for each linear instrument, -1 for each inverse one: its longs lose where the value of a lot rises."""
    return np.array([-1 if item.inverse else 1 for item in instruments], dtype=np.int64)


def cross_accounts(account: Ints, cross: Bools) -> CrossAccounts:
    """Return the cross accounts.

    Examples
    --------
    Account 7 holds two cross positions and an isolated one; account 9 has one cross position, which is isolated.

    >>> found = cross_accounts(np.array([7, 9, 7, 7]), np.array([True, True, False, True]))
    >>> found.rows.tolist(), found.place.tolist(), found.ids.tolist()
    ([0, 3], [0, 0], [7])
    """
    rows = np.flatnonzero(cross)
    ids, place, count = np.unique(account[rows], return_inverse=True, return_counts=True)
    several = count > 1
    kept = several[place]
    return CrossAccounts(rows[kept], (np.cumsum(several) - 1)[place[kept]], ids[several])


def margin_modes(account: Ints, cross: Bools) -> tuple[Ints, Ints]:
    """Return account ids, rising, and the margin mode of each as an index of ``MODES``.

    Examples
    --------
    >>> ids, mode = margin_modes(np.array([7, 9, 7, 8]), np.array([True, True, False, False]))
    >>> [(account, MODES[k]) for account, k in zip(ids.tolist(), mode.tolist())]
    [(7, 'mixed'), (8, 'isolated'), (9, 'cross')]
    """
    ids, place, count = np.unique(account, return_inverse=True, return_counts=True)
    crossed = np.bincount(place, cross, len(ids)).astype(np.int64)
    return ids, np.where(crossed == 0, 0, np.where(crossed == count, 1, 2))


def maintenance_of(symbol: Ints, value: Ints, entry_value: Ints, tiers: Sequence[Tiers]) -> Ints:
    """Return the maintenance margin of positions by their value or entry value, each rounded up, in quanta."""
    out = np.zeros(len(value), dtype=np.int64)
    for k, table in enumerate(tiers):
        mine = symbol == k
        out[mine] = maintenance(table.notional(value[mine], entry_value[mine]), table)
    return out


def weak_margin(
    columns: Mapping[str, Ints],
    instruments: Sequence[Instrument],
    tiers: Sequence[MarginSchedule],
    mark0: Ints,
    inclusive: bool,
) -> list[str]:
    """Return notes on positions and cross accounts with less than initial margin, and on those in breach already.

    A cross account counts as a whole: its collateral against the margin of all its positions, both legs of a hedge in
    full.
    """
    symbol, entry_value, collateral = columns["symbol"], columns["entry_value"], columns["collateral"]
    value = columns["lots"] * lot_values(instruments, mark0)[symbol]
    equity = collateral + columns["side"] * value_signs(instruments)[symbol] * (value - entry_value)
    need = maintenance_of(symbol, value, entry_value, [table for table, _ in tiers])
    initial = np.empty(len(entry_value))  # initial margin, in floats: it is only counted
    for k, (table, limits) in enumerate(tiers):
        mine = symbol == k
        initial[mine] = entry_value[mine] / np.array(limits)[tier_of(entry_value[mine], table)]
    whole = cross_accounts(columns["account_id"], columns["cross"].astype(np.bool_))
    alone = np.ones(len(entry_value), dtype=np.bool_)
    alone[whole.rows] = False
    thin, breach = collateral < initial * (1 - 1e-9), equity <= need if inclusive else equity < need
    notes = []
    for k, item in enumerate(instruments):
        mine = alone & (symbol == k)
        notes += _counted(f"{item.coin}: positions", int((mine & thin).sum()), int((mine & breach).sum()))
    sums = {name: whole.total(column[whole.rows]) for name, column in (("w", collateral), ("e", equity), ("n", need))}
    initial_of = np.bincount(whole.place, initial[whole.rows], len(whole.ids))
    fallen = sums["e"] <= sums["n"] if inclusive else sums["e"] < sums["n"]
    return notes + _counted("cross accounts", int((sums["w"] < initial_of * (1 - 1e-9)).sum()), int(fallen.sum()))


def _counted(who: str, thin: int, breach: int) -> list[str]:
    their = "their positions ask" if who.startswith("cross") else "their tier asks"
    notes = [f"{who} with less collateral than {their} at entry: {thin:,}"] if thin else []
    return notes + ([f"{who} in breach at the first mark: {breach:,}"] if breach else [])


def described(account: Ints, cross: Bools) -> list[str]:
    """Return a note on the number of cross accounts, if there are any."""
    whole = cross_accounts(account, cross)
    if not len(whole.ids):
        return []
    return [f"cross accounts: {len(whole.ids):,} with {len(whole.rows):,} of {len(account):,} positions"]
