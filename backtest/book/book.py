"""The position book: one row per position, columns of exact integers, and the accounts to watch."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from backtest.errors import BookError
from backtest.mechanics.exact import Bools, Ints, exact_sum
from backtest.venue.instrument import Instrument

if TYPE_CHECKING:
    import polars as pl

PORTFOLIO = "portfolio_margin"  # a margin mode, and the cohort of its accounts
COLUMNS = ("account_id", "symbol", "side", "lots", "entry_value", "collateral", "cohort", "cross")


@dataclass(frozen=True, slots=True, eq=False)
class PositionBook:
    """Positions before the first mark, sorted by symbol, longs first, account id.

    Attributes
    ----------
    account_id, symbol, side, lots, entry_value, collateral, cohort
        Columns, int64. ``symbol`` indexes the instruments, ``side`` is +1 or -1, ``lots`` > 0;
        ``entry_value`` and ``collateral`` (posted, isolated) are in quanta of 1e-6; ``cohort`` indexes ``cohorts``.
        Collateral is above zero except in imported books, where funding and realised losses may have drained it.
    cross
        Whether a position shares its collateral with the other cross positions of its account, whose amounts then
        only count as a sum; see ``backtest.book.accounts``.
    cohorts
        Names of the cohorts.
    names
        Account id to the name it was given.
    hedged, watched
        Accounts with an outside hedge; accounts to follow, in the order of the scenario.
    market_lots
        Per symbol, the signed lots the outside market holds so that all lots sum to zero: the other side of watched
        positions, and what an imported book lacks.
    label
        ``synthetic`` or ``imported``.
    notes
        What a reader of the results must know about the book.
    digest
        SHA-256 over columns, cohorts, names, hedged and watched, and over ``origin`` where there is one.
    origin
        Of a true book, what the venue's snapshot says of each position (``backtest.book.actual``).
    """

    account_id: Ints
    symbol: Ints
    side: Ints
    lots: Ints
    entry_value: Ints
    collateral: Ints
    cohort: Ints
    cross: Bools
    cohorts: tuple[str, ...]
    names: dict[int, str]
    hedged: frozenset[int]
    watched: tuple[int, ...]
    market_lots: tuple[int, ...]
    label: str
    notes: tuple[str, ...]
    digest: str
    origin: pl.DataFrame | None = None

    def __len__(self) -> int:
        return len(self.lots)

    @property
    def in_portfolio_margin(self) -> Bools | None:
        """Return which positions are those of accounts in portfolio margin, None where there are none."""
        if PORTFOLIO not in self.cohorts:
            return None
        marked: Bools = self.cohort == self.cohorts.index(PORTFOLIO)
        return marked if marked.any() else None

    @property
    def crowd(self) -> Bools:
        """Return which positions are those of others, not of watched accounts."""
        others: Bools = ~np.isin(self.account_id, np.array(self.watched, dtype=np.int64))
        return others


def assemble(
    columns: Mapping[str, Ints],
    symbols: int,
    cohorts: Sequence[str],
    label: str,
    *,
    names: Mapping[int, str] | None = None,
    hedged: frozenset[int] = frozenset(),
    watched: Sequence[int] = (),
    notes: Sequence[str] = (),
) -> PositionBook:
    """Sort the columns, work out the market's lots and digest the whole; without ``cross`` all are isolated.

    Raises
    ------
    BookError
        An account holds two positions on one side of a symbol.

    Examples
    --------
    >>> rows = {"account_id": [2, 1], "symbol": [0, 0], "side": [-1, 1], "lots": [3, 5], "entry_value": [300, 500],
    ...         "collateral": [30, 50], "cohort": [0, 0]}
    >>> book = assemble({name: np.array(row) for name, row in rows.items()}, 1, ["all"], "imported")
    >>> book.lots.tolist(), book.market_lots
    ([5, 3], (-2,))
    """
    given = {"cross": np.zeros(len(columns["lots"]), dtype=np.int64), **columns}
    arrays = {name: np.ascontiguousarray(given[name], dtype="<i8") for name in COLUMNS}
    block, account = arrays["symbol"] * 2 + (arrays["side"] < 0), arrays["account_id"]
    if not _ascending(block, account).all():
        order = np.lexsort((account, block))
        arrays = {name: array[order] for name, array in arrays.items()}
        block, account = block[order], account[order]
        clash = np.flatnonzero(~_ascending(block, account))
        if clash.size:
            raise BookError(f"account {account[clash[0]]} holds two positions on one side of a symbol; merge them")
    named = dict(sorted((names or {}).items()))
    digest = hashlib.sha256()
    for name in COLUMNS:
        digest.update(arrays[name].data)
    digest.update(json.dumps([list(cohorts), list(named.items()), sorted(hedged), list(watched), label]).encode())
    ends = np.searchsorted(block, np.arange(2 * symbols + 1)).tolist()
    lots = [exact_sum(arrays["lots"][first:last]) for first, last in pairwise(ends)]
    market = tuple(short - long for long, short in zip(lots[::2], lots[1::2], strict=True))
    held = {**arrays, "cross": arrays["cross"].astype(np.bool_)}
    for column in held.values():
        column.flags.writeable = False
    return PositionBook(
        **held, cohorts=tuple(cohorts), names=named, hedged=hedged, watched=tuple(watched), market_lots=market,
        label=label, notes=tuple(notes), digest=digest.hexdigest(), origin=None,
    )  # fmt: skip


def _ascending(block: Ints, account: Ints) -> Bools:
    """Return for each row but the first whether it comes after the one before."""
    later: Bools = (block[1:] > block[:-1]) | ((block[1:] == block[:-1]) & (account[1:] > account[:-1]))
    return later


def base_text(lots: int, instrument: Instrument) -> str:
    """Return a number of lots in words, with its size in base units.

    Examples
    --------
    >>> from decimal import Decimal
    >>> base_text(1500, Instrument.of("BTC/USDT:USDT", "BTC", tick=Decimal("0.1"), lot=Decimal("0.001")))
    '1,500 lots (1.5 BTC)'
    """
    return f"{lots:,} lots ({(lots * instrument.lot).normalize():f} {instrument.unit})"
