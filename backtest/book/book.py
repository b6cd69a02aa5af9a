"""The position book: one row per position, columns of exact integers, and the accounts to watch."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

import numpy as np

from backtest.book.accounts import value_signs, worths
from backtest.errors import BookError, ConfigError
from backtest.mechanics.exact import LIMIT, QUANTA_PER_USD, Bools, Ints, exact_sum, ratio
from backtest.mechanics.margin import Tiers, maintenance, tier_of
from backtest.scenario.watched import WatchedPosition
from backtest.venue.instrument import Instrument

MarginTable = tuple[Tiers, tuple[float, ...]]  # maintenance schedule in quanta, highest leverage of each tier
COLUMNS = ("account_id", "symbol", "side", "lots", "cost", "wallet", "cohort", "cross")
SIDES = {"long": 1, "short": -1}
WATCH_COHORT = "watch"
LARGEST = LIMIT // 4  # of one position's value, cost or wallet, so that their sums stay in 64 bits


@dataclass(frozen=True, slots=True, eq=False)
class PositionBook:
    """Positions before the first mark, sorted by symbol, longs first, account id.

    Attributes
    ----------
    account_id, symbol, side, lots, cost, wallet, cohort
        Columns, int64. ``symbol`` indexes the instruments, ``side`` is +1 or -1, ``lots`` > 0, ``cost`` is the entry
        value and ``wallet`` the isolated collateral posted, both in quanta of 1e-6; ``cohort`` indexes ``cohorts``.
        A wallet is above zero except in imported books, where funding and realised losses may have drained it.
    cross
        Whether a position shares its collateral with the other cross positions of its account, whose wallets then
        only count as a sum; see ``backtest.book.accounts``.
    cohorts
        Names of the cohorts.
    names
        Account id to the name it was given.
    hedged, watched
        Accounts with an outside hedge; accounts to follow, in the order of the scenario.
    market_lots
        Per symbol, the signed lots the outside market holds so that all lots sum to zero.
    label
        ``synthetic`` or ``imported``.
    notes
        What a reader of the results must know about the book.
    digest
        SHA-256 over columns, cohorts, names, hedged and watched.
    """

    account_id: Ints
    symbol: Ints
    side: Ints
    lots: Ints
    cost: Ints
    wallet: Ints
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

    def __len__(self) -> int:
        return len(self.lots)


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
    >>> rows = {"account_id": [2, 1], "symbol": [0, 0], "side": [-1, 1], "lots": [3, 5], "cost": [300, 500],
    ...         "wallet": [30, 50], "cohort": [0, 0]}
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
        label=label, notes=tuple(notes), digest=digest.hexdigest(),
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


def entry_value(instrument: Instrument, mark0: int, lots: int, entry_px: Fraction) -> int:
    """Return the entry value of lots in quanta, half to even; ``mark0`` is the mark at which coins are counted.

    Examples
    --------
    Ten contracts of 100 USD entered at 40,000 in a run that opens at 50,000: 0.025 coins are 1,250 USD there.

    >>> from decimal import Decimal
    >>> unit = Instrument.of("BTC/USD:BTC", "BTC", Decimal("0.1"), Decimal(1), face=Decimal(100))
    >>> entry_value(unit, 500_000, 10, Fraction(40_000)) / 10**6
    1250.0
    """
    if instrument.inverse:
        coins = Fraction(lots * instrument.face_quanta) / entry_px
        return round(coins * mark0 * Fraction(instrument.mark_quantum))
    return round(lots * Fraction(instrument.lot) * entry_px * QUANTA_PER_USD)


@dataclass(frozen=True, slots=True)
class WatchRows:
    """Positions of the scenario's ``watch`` tables in the order they were written; one name is one account."""

    columns: dict[str, Ints]
    names: dict[int, str]
    hedged: frozenset[int]
    notes: tuple[str, ...]

    def of(self, symbol: int, side: int) -> dict[str, Ints]:
        """Return the rows of one side of a symbol."""
        mine = (self.columns["symbol"] == symbol) & (self.columns["side"] == side)
        return {name: column[mine] for name, column in self.columns.items()}

    def lots(self, symbol: int, side: int) -> int:
        """Return the lots watched on one side of a symbol."""
        return exact_sum(self.of(symbol, side)["lots"])


def watch_rows(
    watches: Sequence[WatchedPosition],
    instruments: Sequence[Instrument],
    tiers: Sequence[MarginTable],
    mark0: Ints,
    *,
    inclusive: bool,
    first_id: int,
    cohort: int,
) -> WatchRows:
    """Turn watch tables into positions; tables of one name are the positions of one cross account.

    The size, of an inverse contract (named by its symbol) in contracts, is floored to lots and the rest noted.
    Collateral is size x entry price / leverage, so leverage is that at entry; it is limited by the tier of the entry
    value.

    Parameters
    ----------
    first_id
        Account id of the first watch account; the others follow in the order of their names.
    cohort
        Index of the cohort ``watch``.

    Raises
    ------
    ConfigError
        Naming the watch account and what is wrong: coin, size, leverage, or in breach at the first mark.
    """
    rows: list[tuple[int, ...]] = []
    notes: list[str] = []
    ids = {name: first_id + number for number, name in enumerate(dict.fromkeys(watch.name for watch in watches))}
    standing: dict[str, list[tuple[int, int]]] = {name: [] for name in ids}
    each, kind = worths(instruments, np.asarray(mark0)), value_signs(instruments)
    for watch in watches:
        who = f"watch '{watch.name}'"
        index = _symbol_of(watch.coin, instruments)
        if index is None:
            known = ", ".join(item.coin for item in instruments)
            raise ConfigError(f"{who}: {watch.coin} is not simulated; allowed: {known}; add it to coins or correct it")
        if instruments[index].inverse and watch.coin != instruments[index].symbol:
            counted = f"sizes are {instruments[index].unit} here"
            raise ConfigError(
                f'{who}: {counted}; write coin = "{instruments[index].symbol}" and size_base in contracts'
            )
        if not all(map(math.isfinite, (watch.size_base, watch.entry_px, watch.leverage))):
            raise ConfigError(f"{who}: size_base, entry_px and leverage must be finite; give numbers")
        inst, side = instruments[index], SIDES[watch.side]
        lots, left = divmod(ratio(watch.size_base), Fraction(inst.lot))
        if lots < 1:
            size = f"size_base {watch.size_base:g}"
            raise ConfigError(f"{who}: {size} is below one lot of {inst.lot:f} {inst.unit}; raise it")
        if left:
            notes.append(f"{who}: {float(left):g} {inst.unit} below a lot of {inst.lot:f} left out")
        cost = entry_value(inst, int(mark0[index]), lots, ratio(watch.entry_px))
        wallet = round(cost / ratio(watch.leverage))
        value, sign = lots * int(each[index]), side * int(kind[index])
        if max(cost, wallet, value) >= LARGEST:
            raise ConfigError(f"{who}: worth over 1.1e12 USD, too large for int64; lower size_base")
        table, limits = tiers[index]
        limit = limits[int(tier_of(np.array([cost]), table)[0])]
        if watch.leverage > limit:
            raise ConfigError(
                f"{who}: leverage {watch.leverage:g} on {cost / QUANTA_PER_USD:,.0f} USD of {inst.coin}; "
                f"its tier allows at most {limit:g}; lower leverage or size_base"
            )
        standing[watch.name].append((wallet + sign * (value - cost), int(maintenance(np.array([value]), table)[0])))
        rows.append((ids[watch.name], index, side, lots, cost, wallet, cohort, int(watch.margin_mode == "cross")))
    for watch in watches:
        equity, need = (sum(amounts) for amounts in zip(*standing[watch.name], strict=True))
        if equity < need or (inclusive and equity == need):
            index = rows[watches.index(watch)][1]
            mark = f"{int(mark0[index]) * instruments[index].mark_quantum:f}"
            raise ConfigError(
                f"watch '{watch.name}': already in breach of maintenance margin at the first mark "
                f"{mark}; lower leverage or correct entry_px"
            )
    table_of = np.array(rows, dtype=np.int64).reshape(-1, len(COLUMNS))
    return WatchRows(
        {name: table_of[:, k] for k, name in enumerate(COLUMNS)},
        {number: name for name, number in ids.items()},
        frozenset(ids[watch.name] for watch in watches if watch.hedged),
        tuple(notes),
    )


def _symbol_of(text: str, instruments: Sequence[Instrument]) -> int | None:
    """Return the index of the instrument with this coin or unified symbol."""
    return next((k for k, item in enumerate(instruments) if text in {item.coin, item.symbol}), None)
