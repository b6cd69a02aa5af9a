"""Positions of mine as rows of a book: floored to lots, limited by their tier, solvent at the first mark."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from backtest.book.accounts import lot_values, value_signs
from backtest.book.book import COLUMNS, base_text
from backtest.errors import ConfigError
from backtest.mechanics.exact import LIMIT, QUANTA_PER_USD, Ints, exact_sum, ratio
from backtest.mechanics.margin import maintenance, tier_of
from backtest.scenario.watched import WatchedPosition
from backtest.venue.instrument import Instrument
from backtest.venue.margin_table import MarginSchedule

SIDES = {"long": 1, "short": -1}

WATCH_COHORT = "watch"
FAR = 3  # times between entry price and first mark, beyond which a digit may be wrong

LARGEST = LIMIT // 4  # of one position's value, entry_value or collateral, so that their sums stay in 64 bits


def entry_value_of(instrument: Instrument, mark0: int, lots: int, entry_px: Fraction) -> int:
    """Return the entry value of lots in quanta, half to even; ``mark0`` is the mark at which coins are counted.

    Examples
    --------
    Ten contracts of 100 USD entered at 40,000 in a run that opens at 50,000: 0.025 coins are 1,250 USD there.

    >>> from decimal import Decimal
    >>> unit = Instrument.of("BTC/USD:BTC", "BTC", Decimal("0.1"), Decimal(1), face=Decimal(100))
    >>> entry_value_of(unit, 500_000, 10, Fraction(40_000)) / 10**6
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

    def added(self, instruments: Sequence[Instrument]) -> list[str]:
        """Return a note on what comes on top of the others, by side of a symbol."""
        notes = []
        for symbol, item in enumerate(instruments):
            for name, side in SIDES.items():
                if lots := exact_sum(self.of(symbol, side)["lots"]):
                    mine = f"{base_text(lots, item)} of watch accounts"
                    notes.append(
                        f"{item.coin} {name}: {mine} on top of the others, which stay as they are; the market holds "
                        "the other side"
                    )
        return notes


def watch_rows(
    watches: Sequence[WatchedPosition],
    instruments: Sequence[Instrument],
    tiers: Sequence[MarginSchedule],
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
        Naming the watch account and its fault: coin, size, leverage, or in breach at the first mark.
    """
    rows: list[dict[str, int]] = []
    notes: list[str] = []
    ids = {name: first_id + number for number, name in enumerate(dict.fromkeys(watch.name for watch in watches))}
    standing: dict[str, list[tuple[int, int]]] = {name: [] for name in ids}
    each, kind = lot_values(instruments, np.asarray(mark0)), value_signs(instruments)
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
        entry_value = entry_value_of(inst, int(mark0[index]), lots, ratio(watch.entry_px))
        collateral = round(entry_value / ratio(watch.leverage))
        value, sign = lots * int(each[index]), side * int(kind[index])
        if max(entry_value, collateral, value) >= LARGEST:
            raise ConfigError(f"{who}: worth over 1.1e12 USD, too large for int64; lower size_base")
        apart = max(entry_value, value) / max(min(entry_value, value), 1)
        if apart > FAR:
            notes.append(f"{who}: entry price {watch.entry_px:g} is {apart:.3g} times off the first mark; is it right?")
        table, limits = tiers[index]
        limit = limits[int(tier_of(np.array([entry_value]), table)[0])]
        if watch.leverage > limit:
            raise ConfigError(
                f"{who}: leverage {watch.leverage:g} on {entry_value / QUANTA_PER_USD:,.0f} USD of {inst.coin}; "
                f"its tier allows at most {limit:g}; lower leverage or size_base"
            )
        standing[watch.name].append(
            (
                collateral + sign * (value - entry_value),
                int(maintenance(table.notional(np.array([value]), np.array([entry_value])), table)[0]),
            )
        )
        rows.append(
            {
                "account_id": ids[watch.name],
                "symbol": index,
                "side": side,
                "lots": lots,
                "entry_value": entry_value,
                "collateral": collateral,
                "cohort": cohort,
                "cross": int(watch.margin_mode == "cross"),
            }
        )
    for watch in watches:
        equity, need = (sum(amounts) for amounts in zip(*standing[watch.name], strict=True))
        if equity < need or (inclusive and equity == need):
            index = rows[watches.index(watch)]["symbol"]
            mark = f"{int(mark0[index]) * instruments[index].mark_quantum:f}"
            raise ConfigError(
                f"watch '{watch.name}': already in breach of maintenance margin at the first mark "
                f"{mark}; lower leverage or correct entry_px"
            )
    return WatchRows(
        columns={name: np.array([row[name] for row in rows], dtype=np.int64) for name in COLUMNS},
        names={number: name for name, number in ids.items()},
        hedged=frozenset(ids[watch.name] for watch in watches if watch.hedged),
        notes=tuple(notes),
    )


def _symbol_of(text: str, instruments: Sequence[Instrument]) -> int | None:
    """Return the index of the instrument with this coin or unified symbol."""
    return next((k for k, item in enumerate(instruments) if text in {item.coin, item.symbol}), None)
