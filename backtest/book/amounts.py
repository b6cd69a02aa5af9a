"""Numbers of an imported book, exact as written: sizes in lots, entry values and collateral in quanta."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_HALF_EVEN, Context, Decimal, DivisionByZero, Inexact, InvalidOperation, localcontext
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from backtest.book.watch import LARGEST, entry_value_of
from backtest.errors import BookError
from backtest.mechanics.exact import QUANTA_PER_USD, Bools, Ints, half_even
from backtest.mechanics.margin import tier_of
from backtest.toml import shown
from backtest.venue.instrument import Instrument
from backtest.venue.margin_table import MarginSchedule

if TYPE_CHECKING:
    import polars as pl

FILE_COLUMNS = {
    "account": "owner: text or a whole number; may hold several symbols, and both sides of one",
    "symbol": "unified symbol such as BTC/USDT:USDT, or the coin; an inverse contract by its symbol only, BTC/USD:BTC",
    "side": "long or short",
    "quantity_base": "size in base units, of an inverse symbol in contracts, above zero; floored to lots",
    "entry_px": "average entry price, above zero",
    "collateral_usd": "margin left after realised PnL and funding, may be negative; this or one of the next two",
    "collateral_coin": "the same in coins, where the contract settles in one",
    "leverage": "leverage at entry, above zero, within its tier's limit; collateral = entry value / leverage",
    "margin_mode": "optional: isolated, or cross for rows that share the sum of their collateral; isolated if empty",
    "cohort": "optional: group of accounts for reports; imported where empty",
    "name": "optional: name of the account",
}
COLLATERAL = ("collateral_usd", "collateral_coin")
MARGIN = (*COLLATERAL, "leverage")
SHOWN = 50
NUMBER = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,2})?$"
LONGEST_NUMBER = 60  # characters
EXACT = Context(prec=500, traps=[Inexact, InvalidOperation, DivisionByZero])  # rounding would raise; 500 is ample


@dataclass(slots=True)
class Faults:
    """Violations found so far: how many, in all and by column, and the first of each kind in words."""

    row_numbers: list[int]  # in the file
    count: int = 0
    counts: dict[str, int] = field(default_factory=dict)  # by column
    texts: list[tuple[int, int, str]] = field(default_factory=list)

    def add(self, rows: Bools, column: str, text: Callable[[int], str]) -> None:
        """Record that a column breaks a rule in some rows, given as a mask."""
        found: list[int] = np.flatnonzero(rows).tolist()
        self.count += len(found)
        self.counts[column] = self.counts.get(column, 0) + len(found)
        place = list(FILE_COLUMNS).index(column)
        self.texts += [(row, place, f"row {self.row_numbers[row]}, {column}: {text(row)}") for row in found[:SHOWN]]

    def _by_column(self) -> str:
        """Return how many violations each column has, and its first row."""
        first = {list(FILE_COLUMNS)[place]: row for row, place, _ in sorted(self.texts, reverse=True)}
        columns = [name for name in FILE_COLUMNS if name in first]
        return ", ".join(f"{name} {self.counts[name]:,} (from row {self.row_numbers[first[name]]})" for name in columns)

    def check(self, heading: str) -> None:
        """Raise if there are any, in order of rows."""
        if self.count:
            shown = [text for _, _, text in sorted(self.texts)[:SHOWN]]
            rest = self.count - len(shown)
            more = [f"and {rest:,} more; in all {self._by_column()}"] if rest else []
            raise BookError(f"{heading}: {self.count:,} violation{'s' * (self.count > 1)}", shown + more)


def quoted(text: str | None) -> str:
    """Return a field of the file for a message."""
    return "nothing" if text is None else shown(text)


def _decimals(table: pl.DataFrame, column: str, faults: Faults) -> tuple[list[Decimal], Bools]:
    """Return exact numbers and where they are good: above zero, except collateral."""
    texts: list[str | None] = table[column].to_list()
    numeric = table[column].str.contains(NUMBER) & (table[column].str.len_chars() <= LONGEST_NUMBER)
    fine = numeric.fill_null(value=False).to_numpy()
    faults.add(~fine, column, lambda row: f"{quoted(texts[row])}; it must be a number such as 1250.75")
    numbers = [Decimal(text if text and good else "0") for text, good in zip(texts, fine.tolist(), strict=True)]
    if column in COLLATERAL:
        return numbers, fine
    low = fine & np.array([number <= 0 for number in numbers])
    faults.add(low, column, lambda row: f"{texts[row]}; it must be above zero")
    return numbers, fine & ~low


def exact_amounts(size: Decimal, entry_px: Decimal, unit: Instrument, mark0: int) -> tuple[int, Decimal, int]:
    """Return whole lots, the size left below a lot, and the entry value of the lots in quanta.

    Examples
    --------
    >>> btc = Instrument.of("BTC/USDT:USDT", "BTC", tick=Decimal("0.1"), lot=Decimal("0.001"))
    >>> exact_amounts(Decimal("0.0025"), Decimal("100000.1"), btc, 1)
    (2, Decimal('0.0005'), 200000200)
    """
    lots, rest = divmod(size, unit.lot)
    if unit.inverse:
        return int(lots), rest, entry_value_of(unit, mark0, int(lots), Fraction(entry_px)) if lots else 0
    entry_value = (size - rest) * entry_px * QUANTA_PER_USD
    return int(lots), rest, int(entry_value.to_integral_value(ROUND_HALF_EVEN))


def _collateral(number: Decimal, entry_value: int, margin: str, coin: Decimal) -> int:
    if margin == "leverage":
        numerator, denominator = number.as_integer_ratio()
        return half_even(entry_value * denominator, numerator)
    each = coin if margin == "collateral_coin" else Decimal(1)
    return int((number * each * QUANTA_PER_USD).to_integral_value(ROUND_HALF_EVEN))


def amounts(
    table: pl.DataFrame,
    symbol: Ints,
    instruments: Sequence[Instrument],
    tiers: Sequence[MarginSchedule],
    mark0: Ints,
    *,
    faults: Faults,
) -> tuple[dict[str, Ints], list[str]]:
    """Return lots, entry value and collateral of each row, and notes on sizes left below a lot."""
    margin = next(name for name in MARGIN if name in table.columns)
    if margin == "collateral_coin" and not all(item.inverse for item in instruments):
        fix = "use collateral_usd, or run the coin's inverse contract"
        raise BookError(f"collateral_coin: {', '.join(item.symbol for item in instruments)} settle in dollars; {fix}")
    (sizes, fine), (prices, fine_too), (margins, also) = (
        _decimals(table, name, faults) for name in ("quantity_base", "entry_px", margin)
    )
    out = np.zeros((3, len(symbol)), dtype=np.int64)
    large, limits, notes = np.zeros(len(symbol), dtype=np.bool_), np.full(len(symbol), np.inf), []
    good = fine & fine_too & also
    for k, item in enumerate(instruments):
        mine = np.flatnonzero((symbol == k) & good)
        first = int(mark0[k])
        rows, lot_value, coin = mine.tolist(), item.contract(first).value_per_lot(first), item.mark_quantum * first
        with localcontext(EXACT):
            sized = [exact_amounts(sizes[row], prices[row], item, first) for row in rows]
            posted = [_collateral(margins[row], each[2], margin, coin) for row, each in zip(rows, sized, strict=True)]
            rests = [rest for _, rest, _ in sized if rest]
            if rests:
                size = f"{sum(rests, Decimal(0)).normalize():f} {item.unit}"
                notes.append(f"{item.coin}: {size} below a lot of {item.lot:f} left out; positions: {len(rests):,}")
        amounts = [
            (lots, entry_value, collateral) for (lots, _, entry_value), collateral in zip(sized, posted, strict=True)
        ]
        above = [
            max(entry_value, abs(collateral), lots * lot_value) >= LARGEST for lots, entry_value, collateral in amounts
        ]
        kept = [(0, 0, 0) if beyond else three for beyond, three in zip(above, amounts, strict=True)]
        large[mine], out[:, mine] = above, np.array(kept, dtype=np.int64).reshape(-1, 3).T
        limits[mine] = np.array(tiers[k][1])[tier_of(out[1, mine], tiers[k][0])]
    small = good & (symbol >= 0) & (out[0] == 0) & ~large
    void = good & (symbol >= 0) & (out[1] == 0) & ~large & ~small
    units = [f"{item.lot:f} {item.unit}" for item in instruments]
    faults.add(small, "quantity_base", lambda row: f"{sizes[row]} is below one lot of {units[symbol[row]]}")
    faults.add(void, "entry_px", lambda row: f"{prices[row]} makes the entry value less than 1e-6")
    faults.add(large, "quantity_base", lambda row: f"{sizes[row]} is worth over 1.1e12 USD, too much for int64")
    if margin == "leverage":
        above_limit = (np.array([float(number) for number in margins]) > limits) & ~large
        faults.add(above_limit, margin, lambda row: f"{margins[row]} is above {limits[row]:g}, the limit of its tier")
    return dict(zip(("lots", "entry_value", "collateral"), out, strict=True)), notes
