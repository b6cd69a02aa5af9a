"""Reading a book from a CSV or Parquet file: decimals exactly, every violation with row and column."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from backtest.book.accounts import described, weak_margin
from backtest.book.actual.write import with_origin
from backtest.book.amounts import COLLATERAL, FILE_COLUMNS, MARGIN, Faults, amounts, quoted
from backtest.book.book import COLUMNS, PositionBook, assemble, base_text
from backtest.book.watch import SIDES, WATCH_COHORT, watch_rows
from backtest.errors import BookError, near_matches
from backtest.mechanics.exact import Bools, Ints, exact_sum
from backtest.scenario.watched import WatchedPosition
from backtest.schema.coins import symbol_name
from backtest.toml import shown
from backtest.venue.instrument import Instrument
from backtest.venue.margin_table import MarginSchedule

if TYPE_CHECKING:
    import polars as pl

OPTIONAL = ("margin_mode", "cohort", "name")
REQUIRED = tuple(name for name in FILE_COLUMNS if name not in OPTIONAL + MARGIN)
NEEDED = f"columns {', '.join(REQUIRED)}, {' or '.join(MARGIN)}; optional: {', '.join(OPTIONAL)}"
COHORT = "imported"
SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars"}
MODES = ("isolated", "cross")


def read_positions(
    path: Path,
    instruments: Sequence[Instrument],
    tiers: Sequence[MarginSchedule],
    mark0: Ints,
    *,
    inclusive: bool,
    balance_with_market: bool,
    watches: Sequence[WatchedPosition] = (),
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
    book = book_of_frame(
        _READERS[kind](data, path.name), instruments, tiers, mark0, inclusive=inclusive,
        balance_with_market=balance_with_market, watches=watches, where=path.name, first_row=2 if kind == ".csv" else 1,
    )  # fmt: skip
    return with_origin(book, path)


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
    tiers: Sequence[MarginSchedule],
    mark0: Ints,
    *,
    inclusive: bool,
    balance_with_market: bool,
    watches: Sequence[WatchedPosition] = (),
    where: str = "positions",
    first_row: int = 1,
) -> PositionBook:
    """Check a table of positions and make a book of it.

    Numbers are taken as written; a float stands for its shortest text. Sizes are floored to lots, entry value and
    collateral are rounded once to quanta of 1e-6, half to even. Whole-number accounts keep their ids; if any is other
    text, all are numbered from 1 in sorted order and named. Watched accounts follow with the next ids, on top of the
    file: the market holds the other side of theirs.

    The cross rows of an account are one cross account. Its collateral is the sum over them: an exchange's figure for
    the account may stand in one row, the others left empty. An account may be cross in some rows, isolated in others.

    Positions in breach at the first mark, or with less collateral than their tier asks at entry, are kept and noted:
    funding and losses bring real books there. A cross account counts as a whole. Longs and shorts must be equal in
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
    faults = Faults(table["row"].to_list())
    symbol = _symbols(table, instruments, faults)
    side = _sides(table, faults)
    cross = _modes(table, faults)
    table = _with_shared_collateral(table, cross, faults)
    _check_accounts(table.with_columns(index=symbol), faults)
    columns, left_out = amounts(table, symbol, instruments, tiers, mark0, faults=faults)
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
    differences = _differences(columns, instruments)
    columns = {name: np.concatenate([columns[name], watch.columns[name]]) for name in COLUMNS}
    if differences and not balance_with_market:
        fix = "correct the file, or let the market hold the rest with --set balance_with_market=true"
        raise BookError(f"{where}: longs and shorts are not equal; {fix}", differences + left_out)
    return assemble(
        columns, len(instruments), cohorts + [WATCH_COHORT] * bool(watches), "imported",
        names=names | watch.names, hedged=watch.hedged, watched=list(watch.names),
        notes=[
            *notes, *watch.notes, *watch.added(instruments),
            *(f"{text}; the market holds the other side" for text in differences),
        ],
    )  # fmt: skip


def _check_header(found: Sequence[str], where: str) -> None:
    """Refuse unknown and missing columns, and anything but one margin column."""
    if len(found) == 1 and (parts := [sign for sign in SEPARATORS if sign in found[0]]):
        raise BookError(f"{where}: columns are parted by {SEPARATORS[parts[0]]}; save it with commas")
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
        faults.append(f"give exactly one of the columns {', '.join(MARGIN)}")
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
        raise BookError(f"{where}: it holds no position; give one a row")
    absent = [pl.lit(None, dtype=pl.String).alias(name) for name in OPTIONAL if name not in frame.columns]
    return table.with_columns(absent).with_columns(pl.col("cohort").fill_null(COHORT))


def _symbols(table: pl.DataFrame, instruments: Sequence[Instrument], faults: Faults) -> Ints:
    """Return the index of each row's instrument, -1 where it is none."""
    # sizes of an inverse contract count something else, so a book of base units must not pass for one
    known = {name: k for k, item in enumerate(instruments)
             for name in ((item.symbol,) if item.inverse else (item.coin, item.symbol))}  # fmt: skip
    texts = table["symbol"].to_list()
    symbol = np.array([known.get(symbol_name(text or ""), -1) for text in texts], dtype=np.int64)
    allowed = ", ".join(f"{item.symbol} in {item.unit}" if item.inverse else item.coin for item in instruments)
    faults.add(symbol < 0, "symbol", lambda row: f"{quoted(texts[row])}; simulated: {allowed}")
    return symbol


def _sides(table: pl.DataFrame, faults: Faults) -> Ints:
    texts = table["side"].to_list()
    side = np.array([SIDES.get((text or "").lower(), 0) for text in texts], dtype=np.int64)
    faults.add(side == 0, "side", lambda row: f"{quoted(texts[row])}; allowed: {', '.join(SIDES)}")
    return side


def _modes(table: pl.DataFrame, faults: Faults) -> Bools:
    """Return which rows are in cross margin."""
    texts = table["margin_mode"].fill_null(MODES[0]).to_list()
    lower = [text.lower() for text in texts]
    mode = np.array([MODES.index(text) if text in MODES else -1 for text in lower], dtype=np.int64)
    faults.add(mode < 0, "margin_mode", lambda row: f"{quoted(texts[row])}; allowed: {', '.join(MODES)}")
    crossed: Bools = mode == 1
    return crossed


def _with_shared_collateral(table: pl.DataFrame, cross: Bools, faults: Faults) -> pl.DataFrame:
    """Put zero where a cross row leaves the collateral to another row of its account; one must give it."""
    import polars as pl

    name = next((name for name in COLLATERAL if name in table.columns), None)
    if name is None or not cross.any():
        return table
    margin = pl.col(name)
    marked = table.with_columns(shares=pl.Series(cross) & pl.col("account").is_not_null())
    shared = marked.with_columns(given=margin.is_not_null().any().over("account", "shares"))
    first = pl.struct("account", "shares").is_first_distinct()
    bare = shared.select(pl.col("shares") & ~pl.col("given"), first.alias("first"))
    missing = bare["shares"].to_numpy()
    text = "nothing in any cross row of the account; give it in one of them"
    faults.add(missing & bare["first"].to_numpy(), name, lambda row: text)
    filled = pl.when("shares").then(margin.fill_null("0")).otherwise(margin).alias(name)
    return shared.with_columns(filled).drop("shares", "given")


def _check_accounts(table: pl.DataFrame, faults: Faults) -> None:
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
    """Return a note for each symbol whose longs and shorts differ."""
    texts = []
    for k, item in enumerate(instruments):
        more = exact_sum((columns["side"] * columns["lots"])[columns["symbol"] == k])
        if more:
            sides = "longs exceed shorts" if more > 0 else "shorts exceed longs"
            texts.append(f"{item.coin}: {sides} by {base_text(abs(more), item)}")
    return texts
