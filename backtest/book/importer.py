"""Reading a book from a CSV or Parquet file: decimals exactly, every violation with row and column."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_HALF_EVEN, Context, Decimal, DivisionByZero, Inexact, InvalidOperation, localcontext
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from backtest.book.accounts import described, weak_margin
from backtest.book.sheet import (
    COLUMNS,
    LARGEST,
    SIDES,
    WATCH_COHORT,
    MarginTable,
    PositionBook,
    assemble,
    base_text,
    watch_rows,
)
from backtest.errors import BookError, near_matches
from backtest.instrument import Instrument
from backtest.mechanics.exact import QUANTA_PER_USD, Bools, Ints, exact_sum, half_even
from backtest.mechanics.margin import tier_of
from backtest.scenario import Watch
from backtest.tomlio import shown

if TYPE_CHECKING:
    import polars as pl

FILE_COLUMNS = {
    "account": "owner: text or a whole number; may hold several symbols, and both sides of one",
    "symbol": "unified symbol such as BTC/USDT:USDT, or the coin",
    "side": "long or short",
    "quantity_base": "size in base units, above zero; floored to lots, what is left is reported",
    "entry_px": "average entry price, above zero",
    "collateral_usd": "margin left after realised PnL and funding, may be negative; this or leverage",
    "leverage": "leverage at entry, above zero, within its tier's limit; collateral = entry value / leverage",
    "margin_mode": "optional: isolated, or cross for rows that share the sum of their collateral; isolated if empty",
    "cohort": "optional: group of accounts for reports; imported where empty",
    "name": "optional: name of the account",
}
OPTIONAL = ("margin_mode", "cohort", "name")
MARGIN = ("collateral_usd", "leverage")
REQUIRED = tuple(name for name in FILE_COLUMNS if name not in OPTIONAL + MARGIN)
NEEDED = f"columns {', '.join(REQUIRED)}, {' or '.join(MARGIN)}; optional: {', '.join(OPTIONAL)}"
COHORT = "imported"
MODES = ("isolated", "cross")
SHOWN = 50
NUMBER = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,2})?$"
LONGEST_NUMBER = 60  # characters
EXACT = Context(prec=500, traps=[Inexact, InvalidOperation, DivisionByZero])  # rounding would raise; 500 is ample


@dataclass(slots=True)
class _Faults:
    """Violations found so far: how many, and the first of each kind in words."""

    row_numbers: list[int]  # in the file
    count: int = 0
    texts: list[tuple[int, int, str]] = field(default_factory=list)

    def add(self, rows: Bools, column: str, text: Callable[[int], str]) -> None:
        """Record that a column breaks a rule in some rows, given as a mask."""
        found: list[int] = np.flatnonzero(rows).tolist()
        self.count += len(found)
        place = list(FILE_COLUMNS).index(column)
        self.texts += [(row, place, f"row {self.row_numbers[row]}, {column}: {text(row)}") for row in found[:SHOWN]]

    def check(self, heading: str) -> None:
        """Raise if there are any, in order of rows."""
        if self.count:
            shown = [text for _, _, text in sorted(self.texts)[:SHOWN]]
            more = [f"and {self.count - len(shown):,} more"] if self.count > len(shown) else []
            raise BookError(f"{heading}: {self.count:,} violation{'s' * (self.count > 1)}", shown + more)


def read_positions(
    path: Path,
    instruments: Sequence[Instrument],
    tiers: Sequence[MarginTable],
    mark0: Ints,
    *,
    inclusive: bool,
    balance_with_market: bool,
    watches: Sequence[Watch] = (),
) -> PositionBook:
    """Read a book from a file with the columns of ``FILE_COLUMNS``; see ``book_of_frame``.

    Raises
    ------
    BookError
        The file cannot be read, or breaks a rule: every violation with row and column.
    """
    kind = path.suffix.lower()
    if kind not in _READERS:
        raise BookError(f"{path.name}: positions come from {' or '.join(_READERS)} files; save it as one")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BookError(f"{path.name}: cannot be read: {error.strerror}; give the path of a file") from None
    if not data:
        raise BookError(f"{path.name}: the file is empty; needed: {NEEDED}")
    return book_of_frame(
        _READERS[kind](data, path.name), instruments, tiers, mark0, inclusive=inclusive,
        balance_with_market=balance_with_market, watches=watches, where=path.name, first_row=2 if kind == ".csv" else 1,
    )  # fmt: skip


def _read_csv(data: bytes, where: str) -> pl.DataFrame:
    """Read every field as text, so that decimals stay as written."""
    import polars as pl

    try:
        return pl.read_csv(data, infer_schema=False)
    except pl.exceptions.PolarsError as error:
        raise BookError(f"{where}: not a readable CSV file: {_first_line(error)}") from None


def _read_parquet(data: bytes, where: str) -> pl.DataFrame:
    import polars as pl
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(io.BytesIO(data))
        table.validate(full=True)  # text that is not UTF-8 would end the process further on
        frame = pl.from_arrow(table.rename_columns(table.column_names))
    except (pa.ArrowException, pl.exceptions.PolarsError, OSError, ValueError, TypeError) as error:
        raise BookError(f"{where}: not a readable Parquet file: {_first_line(error)}; write it again") from None
    assert isinstance(frame, pl.DataFrame)
    return frame


_READERS = {".csv": _read_csv, ".parquet": _read_parquet}


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n", 1)[0].rstrip(".")


def book_of_frame(
    frame: pl.DataFrame,
    instruments: Sequence[Instrument],
    tiers: Sequence[MarginTable],
    mark0: Ints,
    *,
    inclusive: bool,
    balance_with_market: bool,
    watches: Sequence[Watch] = (),
    where: str = "positions",
    first_row: int = 1,
) -> PositionBook:
    """Check a table of positions and make a book of it.

    Numbers are taken as written; a float stands for its shortest text. Sizes are floored to lots, entry value and
    collateral are rounded once to quanta of 1e-6, half to even. Whole-number accounts keep their ids; if any is other
    text, all are numbered from 1 in sorted order and named. Watch accounts follow with the next ids.

    The cross rows of an account are one cross account. Its collateral is the sum over them: an exchange's figure for
    the account may stand in one row, the others left empty. An account may be cross in some rows, isolated in others.

    Positions in breach at the first mark, or with less collateral than their tier asks at entry, are kept and noted:
    funding and losses bring real books there. A cross account is judged as a whole. Longs and shorts must be equal in
    lots for every symbol unless ``balance_with_market``.

    Parameters
    ----------
    mark0
        First mark per symbol, in mark quanta.
    inclusive
        Liquidation at equity equal to maintenance margin.
    first_row
        Number of the first row in messages.

    Raises
    ------
    BookError
        Violations of columns or rows, or longs and shorts that differ.
    """
    _check_header(frame.columns, where)
    table = _as_text(frame, where, first_row)
    faults = _Faults(table["row"].to_list())
    symbol = _symbols(table, instruments, faults)
    side = _sides(table, faults)
    cross = _modes(table, faults)
    table = _with_shared_collateral(table, cross, faults)
    _check_accounts(table.with_columns(index=symbol), faults)
    columns, left_out = _amounts(table, symbol, instruments, tiers, mark0, faults=faults)
    faults.check(f"{where} ({'the header is row 1' if first_row == 2 else 'the first position is row 1'})")
    account, names = _account_ids(table)
    cohorts = sorted(set(table["cohort"]))
    codes = table["cohort"].replace_strict(cohorts, range(len(cohorts))).to_numpy()
    columns |= {"account_id": account, "symbol": symbol, "side": side, "cohort": codes.astype(np.int64)}
    columns["cross"] = cross.astype(np.int64)
    watch = watch_rows(
        watches, instruments, tiers, mark0, inclusive=inclusive, first_id=int(account.max()) + 1, cohort=len(cohorts)
    )
    notes = left_out + described(account, cross) + weak_margin(columns, instruments, tiers, mark0, inclusive)
    columns = {name: np.concatenate([columns[name], watch.columns[name]]) for name in COLUMNS}
    differences = _differences(columns, instruments)
    if differences and not balance_with_market:
        fix = "correct the file, or let the market hold the rest with --set balance_with_market=true"
        raise BookError(f"{where}: longs and shorts are not equal; {fix}", differences + left_out)
    return assemble(
        columns, len(instruments), cohorts + [WATCH_COHORT] * bool(watches), "imported",
        names=names | watch.names, hedged=watch.hedged, watched=list(watch.names),
        notes=[*notes, *watch.notes, *(f"{text}; the market holds the other side" for text in differences)],
    )  # fmt: skip


def _check_header(found: Sequence[str], where: str) -> None:
    """Refuse unknown and missing columns, and anything but one margin column."""
    faults = []
    for name in found:
        once, twice, _ = name.partition("_duplicated_")  # as a repeated header is read
        near = near_matches(name, FILE_COLUMNS)
        if twice and once in FILE_COLUMNS:
            faults.append(f"column '{once}' comes twice")
        elif name not in FILE_COLUMNS:
            faults.append(f"unknown column {shown(name)}" + (f"; did you mean {near[0]}?" if near else ""))
    faults += [f"column '{name}' is missing" for name in REQUIRED if name not in found]
    if sum(name in found for name in MARGIN) != 1:
        faults.append(f"give exactly one of the columns {' and '.join(MARGIN)}")
    if faults:
        raise BookError(f"{where}: columns do not fit; needed: {NEEDED}", faults)


def _as_text(frame: pl.DataFrame, where: str, first_row: int) -> pl.DataFrame:
    """Return every field as stripped text, empty ones null, with the row number in the file; blank rows left out."""
    import polars as pl

    nested = [name for name, kind in frame.schema.items() if kind.is_nested() or kind == pl.Object]
    if nested:
        raise BookError(f"{where}: column '{nested[0]}' is {frame.schema[nested[0]]}; allowed: text or numbers")
    texts = frame.select(pl.all().cast(pl.String).str.strip_chars().replace("", None)).with_row_index("row", first_row)
    table = texts.filter(pl.any_horizontal(pl.exclude("row").is_not_null()))
    if not table.height:
        raise BookError(f"{where}: it holds no position; give at least a long and a short")
    absent = [pl.lit(None, dtype=pl.String).alias(name) for name in OPTIONAL if name not in frame.columns]
    return table.with_columns(absent).with_columns(pl.col("cohort").fill_null(COHORT))


def _symbols(table: pl.DataFrame, instruments: Sequence[Instrument], faults: _Faults) -> Ints:
    """Return the index of each row's instrument, -1 where it is none."""
    known = {name: k for k, item in enumerate(instruments) for name in (item.coin, item.symbol)}
    texts = table["symbol"].to_list()
    symbol = np.array([known.get(text, -1) for text in texts], dtype=np.int64)
    allowed = ", ".join(item.coin for item in instruments)
    faults.add(symbol < 0, "symbol", lambda row: f"{_quoted(texts[row])}; simulated: {allowed}")
    return symbol


def _sides(table: pl.DataFrame, faults: _Faults) -> Ints:
    texts = table["side"].to_list()
    side = np.array([SIDES.get(text, 0) for text in texts], dtype=np.int64)
    faults.add(side == 0, "side", lambda row: f"{_quoted(texts[row])}; allowed: {', '.join(SIDES)}")
    return side


def _modes(table: pl.DataFrame, faults: _Faults) -> Bools:
    """Return which rows are in cross margin."""
    texts = table["margin_mode"].fill_null(MODES[0]).to_list()
    mode = np.array([MODES.index(text) if text in MODES else -1 for text in texts], dtype=np.int64)
    faults.add(mode < 0, "margin_mode", lambda row: f"{_quoted(texts[row])}; allowed: {', '.join(MODES)}")
    crossed: Bools = mode == 1
    return crossed


def _with_shared_collateral(table: pl.DataFrame, cross: Bools, faults: _Faults) -> pl.DataFrame:
    """Put zero where a cross row leaves the collateral to another row of its account; one must give it."""
    import polars as pl

    margin = pl.col("collateral_usd")
    if "collateral_usd" not in table.columns or not cross.any():
        return table
    marked = table.with_columns(shares=pl.Series(cross) & pl.col("account").is_not_null())
    shared = marked.with_columns(given=margin.is_not_null().any().over("account", "shares"))
    first = pl.struct("account", "shares").is_first_distinct()
    bare = shared.select(pl.col("shares") & ~pl.col("given"), first.alias("first"))
    missing = bare["shares"].to_numpy()
    text = "nothing in any cross row of the account; give it in one of them"
    faults.add(missing & bare["first"].to_numpy(), "collateral_usd", lambda row: text)
    return shared.with_columns(pl.when("shares").then(margin.fill_null("0")).otherwise(margin)).drop("shares", "given")


def _quoted(text: str | None) -> str:
    return "nothing" if text is None else shown(text)


def _check_accounts(table: pl.DataFrame, faults: _Faults) -> None:
    """Refuse rows without an account, second positions of one on a side of a symbol, and second names of one."""
    import polars as pl

    pair, number = ("account", "index", "side"), pl.col("row")
    known = pl.col("account").is_not_null() & (pl.col("index") >= 0)
    first_name = pl.col("name").drop_nulls().first().over("account")
    found = table.select(
        empty=pl.col("account").is_null(),
        again=known & ~pl.struct(pair).is_first_distinct(),
        first_row=number.first().over(pair),
        renamed=pl.col("account").is_not_null() & (pl.col("name") != first_name).fill_null(value=False),
        first_name=first_name,
    )
    owner, rows, names = table["account"].to_list(), found["first_row"].to_list(), found["first_name"].to_list()
    empty, again, renamed = (found[name].to_numpy() for name in ("empty", "again", "renamed"))
    faults.add(empty, "account", lambda row: "nothing; give every position an owner")
    again_text = "{} has this side of this symbol in row {} already; merge them"
    faults.add(again, "account", lambda row: again_text.format(shown(owner[row]), rows[row]))
    faults.add(renamed, "name", lambda row: f"{shown(owner[row])} is {shown(names[row])} elsewhere; keep one")


def _decimals(table: pl.DataFrame, column: str, faults: _Faults) -> tuple[list[Decimal], Bools]:
    """Return exact numbers and where they are good: above zero, except collateral."""
    texts: list[str | None] = table[column].to_list()
    numeric = table[column].str.contains(NUMBER) & (table[column].str.len_chars() <= LONGEST_NUMBER)
    fine = numeric.fill_null(value=False).to_numpy()
    faults.add(~fine, column, lambda row: f"{_quoted(texts[row])}; it must be a number such as 1250.75")
    numbers = [Decimal(text if text and good else "0") for text, good in zip(texts, fine.tolist(), strict=True)]
    if column == "collateral_usd":
        return numbers, fine
    low = fine & np.array([number <= 0 for number in numbers])
    faults.add(low, column, lambda row: f"{texts[row]}; it must be above zero")
    return numbers, fine & ~low


def exact_amounts(size_base: Decimal, entry_px: Decimal, lot: Decimal) -> tuple[int, Decimal, int]:
    """Return whole lots, the size left below a lot, and the entry value of the lots in quanta.

    Examples
    --------
    >>> exact_amounts(Decimal("0.0025"), Decimal("100000.1"), Decimal("0.001"))
    (2, Decimal('0.0005'), 200000200)
    """
    lots, rest = divmod(size_base, lot)
    cost = (size_base - rest) * entry_px * QUANTA_PER_USD
    return int(lots), rest, int(cost.to_integral_value(ROUND_HALF_EVEN))


def _collateral(number: Decimal, cost: int, margin: str) -> int:
    if margin == "collateral_usd":
        return int((number * QUANTA_PER_USD).to_integral_value(ROUND_HALF_EVEN))
    numerator, denominator = number.as_integer_ratio()
    return half_even(cost * denominator, numerator)


def _amounts(
    table: pl.DataFrame,
    symbol: Ints,
    instruments: Sequence[Instrument],
    tiers: Sequence[MarginTable],
    mark0: Ints,
    *,
    faults: _Faults,
) -> tuple[dict[str, Ints], list[str]]:
    """Return lots, cost and wallet of each row, and notes of what is left below a lot."""
    margin = next(name for name in MARGIN if name in table.columns)
    (sizes, fine), (prices, fine_too), (margins, also) = (
        _decimals(table, name, faults) for name in ("quantity_base", "entry_px", margin)
    )
    out = np.zeros((3, len(symbol)), dtype=np.int64)
    large, limits, notes = np.zeros(len(symbol), dtype=np.bool_), np.full(len(symbol), np.inf), []
    good = fine & fine_too & also
    for k, item in enumerate(instruments):
        mine = np.flatnonzero((symbol == k) & good)
        rows, worth = mine.tolist(), int(mark0[k]) * item.q_mark
        with localcontext(EXACT):
            sized = [exact_amounts(sizes[row], prices[row], item.lot) for row in rows]
            posted = [_collateral(margins[row], each[2], margin) for row, each in zip(rows, sized, strict=True)]
            rests = [rest for _, rest, _ in sized if rest]
            if rests:
                size = f"{sum(rests, Decimal(0)).normalize():f} {item.coin}"
                notes.append(f"{item.coin}: {size} below a lot of {item.lot:f} left out; positions: {len(rests):,}")
        amounts = [(lots, cost, wallet) for (lots, _, cost), wallet in zip(sized, posted, strict=True)]
        above = [max(cost, abs(wallet), lots * worth) >= LARGEST for lots, cost, wallet in amounts]
        kept = [(0, 0, 0) if beyond else three for beyond, three in zip(above, amounts, strict=True)]
        large[mine], out[:, mine] = above, np.array(kept, dtype=np.int64).reshape(-1, 3).T
        limits[mine] = np.array(tiers[k][1])[tier_of(out[1, mine], tiers[k][0])]
    small = good & (symbol >= 0) & (out[0] == 0) & ~large
    void = good & (symbol >= 0) & (out[1] == 0) & ~large & ~small
    units = [f"{item.lot:f} {item.coin}" for item in instruments]
    faults.add(small, "quantity_base", lambda row: f"{sizes[row]} is below one lot of {units[symbol[row]]}")
    faults.add(void, "entry_px", lambda row: f"{prices[row]} makes the entry value less than 1e-6")
    faults.add(large, "quantity_base", lambda row: f"{sizes[row]} is worth over 1.1e12 USD, too much for int64")
    if margin == "leverage":
        above_limit = (np.array([float(number) for number in margins]) > limits) & ~large
        faults.add(above_limit, margin, lambda row: f"{margins[row]} is above {limits[row]:g}, the limit of its tier")
    return dict(zip(("lots", "cost", "wallet"), out, strict=True)), notes


def _account_ids(table: pl.DataFrame) -> tuple[Ints, dict[int, str]]:
    """Return account ids, whole numbers as they are and text numbered in sorted order, and the names given."""
    import polars as pl

    accounts, names = table["account"], table.select("account", "name").drop_nulls().unique("account")
    if accounts.str.contains(r"^(0|[1-9][0-9]{0,17})$").all():
        ids = accounts.cast(pl.Int64).to_numpy()
        return ids, dict(zip(names["account"].cast(pl.Int64), names["name"], strict=True))
    texts = accounts.unique().sort().to_list()
    numbers = {text: number for number, text in enumerate(texts, 1)}
    given = dict(zip(names["account"], names["name"], strict=True))
    ids = np.array([numbers[text] for text in accounts.to_list()], dtype=np.int64)
    return ids, {number: given.get(text, text) for text, number in numbers.items()}


def _differences(columns: Mapping[str, Ints], instruments: Sequence[Instrument]) -> list[str]:
    """Say for each symbol by how much longs and shorts differ."""
    texts = []
    for k, item in enumerate(instruments):
        more = exact_sum((columns["side"] * columns["lots"])[columns["symbol"] == k])
        if more:
            sides = "longs exceed shorts" if more > 0 else "shorts exceed longs"
            texts.append(f"{item.coin}: {sides} by {base_text(abs(more), item)}")
    return texts
