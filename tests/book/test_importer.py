"""Imported books: exact reading, every violation with row and column, remainders, imbalance."""

from __future__ import annotations

from decimal import Decimal, localcontext
from fractions import Fraction
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtest.book.amounts import EXACT, exact_amounts
from backtest.book.book import PositionBook
from backtest.book.importer import book_of_frame, read_positions
from backtest.errors import BookError, ConfigError
from backtest.venue.instrument import Instrument
from tests.book.support import BTC, SOL, TIERS, marks, watched

HEAD = "account,symbol,side,quantity_base,entry_px,collateral_usd"
LEVER = "account,symbol,side,quantity_base,entry_px,leverage"
PAIR = ["7,BTC,long,0.5,98000.5,10000", "3,BTC/USDT:USDT,short,0.5,101000,9000.25"]


def read(path: Path, **more: Any) -> PositionBook:
    """Read a file against two instruments; ``inclusive`` and ``balance_with_market`` are false unless given."""
    pair, rest = (BTC, SOL), {"inclusive": False, "balance_with_market": False} | more
    return read_positions(path, pair, [TIERS] * 2, marks(*pair), **rest)


@pytest.fixture
def book_of(tmp_path: Path) -> Any:
    """Return a function that writes CSV lines and reads them."""

    def write_and_read(*lines: str, **more: Any) -> PositionBook:
        path = tmp_path / "book.csv"
        path.write_text("\n".join(lines) + "\n")
        return read(path, **more)

    return write_and_read


def refusal(call: Any, *given: Any, **more: Any) -> str:
    with pytest.raises(BookError) as raised:
        call(*given, **more)
    return str(raised.value)


def test_a_book_by_hand(book_of: Any) -> None:
    book = book_of(HEAD, *PAIR)
    assert book.account_id.tolist() == [7, 3]
    assert book.side.tolist() == [1, -1]
    assert book.lots.tolist() == [500, 500]
    assert book.entry_value.tolist() == [49_000_250_000, 50_500_000_000]
    assert book.collateral.tolist() == [10_000_000_000, 9_000_250_000]
    assert (book.market_lots, book.cohorts, book.label, book.notes) == ((0, 0), ("imported",), "imported", ())
    assert book.names == {}


def test_symbols_are_read_in_any_spelling(book_of: Any) -> None:
    as_written = book_of(HEAD, *PAIR)
    lower = book_of(HEAD, *(line.replace("SOL", "sol").replace("BTC", "btc") for line in PAIR))
    assert lower.symbol.tolist() == as_written.symbol.tolist()


def test_leverage_is_that_at_entry_and_collateral_rounds_half_to_even(book_of: Any) -> None:
    """1 SOL at 0.000005 costs 5 quanta: 2.5 at 2x is 2. At 3x, 200 USD ask 66.666667."""
    book = book_of(LEVER, "1,SOL,long,1,0.000005,2", "2,SOL,short,1,200,3")
    assert book.collateral.tolist() == [2, 66_666_667]


def test_columns_may_come_in_any_order_with_spaces_quotes_and_a_mark_of_byte_order(tmp_path: Path) -> None:
    path = tmp_path / "book.csv"
    lines = ["side,symbol,account,entry_px,quantity_base,collateral_usd", ' long, BTC ,7,98000.5,0.5,"10000"']
    path.write_text("\ufeff" + "\r\n".join([*lines, "short,BTC,3,101000,5E-1,9000.25"]))
    assert read(path).digest == book_text(tmp_path, HEAD, *PAIR).digest


def book_text(folder: Path, *lines: str) -> PositionBook:
    path = folder / "other.csv"
    path.write_text("\n".join(lines))
    return read(path)


def test_parquet_of_any_number_type_gives_the_same_book(tmp_path: Path) -> None:
    wanted = book_text(tmp_path, HEAD, *PAIR).digest
    columns = {"account": [7, 3], "symbol": ["BTC", "BTC"], "side": ["long", "short"], "quantity_base": [0.5, 0.5],
               "entry_px": [98000.5, 101000.0], "collateral_usd": [10000.0, 9000.25]}  # fmt: skip
    table = pa.table(columns)
    money = pa.decimal128(20, 6)
    exact = table.set_column(4, "entry_px", pa.array([Decimal("98000.5"), Decimal(101000)], money))
    coded = exact.set_column(1, "symbol", table["symbol"].dictionary_encode())
    for number, each in enumerate((table, exact, coded)):
        path = tmp_path / f"{number}.parquet"
        pq.write_table(each, path)
        assert read(path).digest == wanted


def test_a_float_stands_for_its_shortest_text() -> None:
    """0.1 + 0.2 is 0.30000000000000004: 300 lots and a remainder; 0.3 is 300 lots."""
    rows = {"account": [1, 2], "symbol": ["BTC"] * 2, "side": ["long", "short"], "quantity_base": [0.1 + 0.2, 0.3],
            "entry_px": [1e5, 1e5], "leverage": [2.0, 2.0]}  # fmt: skip
    pair = (BTC, SOL)
    book = book_of_frame(
        pl.DataFrame(rows), pair, [TIERS] * 2, marks(*pair), inclusive=False, balance_with_market=False
    )
    assert book.lots.tolist() == [300, 300]
    assert book.notes == ("BTC: 0.00000000000000004 BTC below a lot of 0.001 left out; positions: 1",)


def test_text_accounts_are_numbered_in_sorted_order_and_keep_their_names(book_of: Any) -> None:
    book = book_of(HEAD + ",name,cohort", "zoe,BTC,long,1,100000,9000,,whales", "10,BTC,short,1,100000,9000,Ten & Co,",
                   "10,SOL,long,1,200,90,,", "ann,SOL,short,1,200,90,,whales")  # fmt: skip
    assert book.names == {1: "Ten & Co", 2: "ann", 3: "zoe"}
    assert book.account_id.tolist() == [3, 1, 1, 2]
    assert book.cohorts == ("imported", "whales")
    assert book.cohort.tolist() == [1, 0, 0, 1]


def test_whole_number_accounts_keep_their_ids_and_names(book_of: Any) -> None:
    book = book_of(HEAD + ",name", PAIR[0] + ",desk", PAIR[1] + ",")
    assert book.names == {7: "desk"}
    assert set(book.account_id.tolist()) == {3, 7}


def test_digits_of_other_scripts_are_text_and_not_numbers(book_of: Any) -> None:
    assert book_of(HEAD, "٧,BTC,long,0.5,98000,10000", PAIR[1]).names == {1: "3", 2: "٧"}
    assert "row 2, entry_px: '٧'; it must be a number" in refusal(book_of, HEAD, "7,BTC,long,0.5,٧,10000", PAIR[1])


GOOD = "3,BTC,short,0.5,101000,9000"


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("7,BTC,long,0.5,,100", "row 3, entry_px: nothing; it must be a number such as 1250.75"),
        ("7,BTC,long,0.5,abc,100", "row 3, entry_px: 'abc'; it must be a number such as 1250.75"),
        ("7,BTC,long,NaN,98000,100", "row 3, quantity_base: 'NaN'; it must be a number such as 1250.75"),
        ("7,BTC,long,inf,98000,100", "row 3, quantity_base: 'inf'; it must be a number such as 1250.75"),
        ("7,BTC,long,1_000,98000,100", "row 3, quantity_base: '1_000'; it must be a number such as 1250.75"),
        ("7,BTC,long,1e999,98000,100", "row 3, quantity_base: '1e999'; it must be a number such as 1250.75"),
        ("7,BTC,long,0.5,98000,nan", "row 3, collateral_usd: 'nan'; it must be a number such as 1250.75"),
        ("7,BTC,long,0,98000,100", "row 3, quantity_base: 0; it must be above zero"),
        ("7,BTC,long,-0.5,98000,100", "row 3, quantity_base: -0.5; it must be above zero"),
        ("7,BTC,long,0.5,-1,100", "row 3, entry_px: -1; it must be above zero"),
        ("7,ETH,long,0.5,98000,100", "row 3, symbol: 'ETH'; simulated: BTC, SOL"),
        ("7,,long,0.5,98000,100", "row 3, symbol: nothing; simulated: BTC, SOL"),
        ("7,BTC,lnog,0.5,98000,100", "row 3, side: 'lnog'; allowed: long, short"),
        ("7,BTC,,0.5,98000,100", "row 3, side: nothing; allowed: long, short"),
        (",BTC,long,0.5,98000,100", "row 3, account: nothing; give every position an owner"),
        ("7,BTC,long,0.0009,98000,100", "row 3, quantity_base: 0.0009 is below one lot of 0.001 BTC"),
        ("7,BTC,long,1e20,98000,100", "row 3, quantity_base: 1E+20 is worth over 1.1e12 USD, too much for int64"),
        ("7,BTC,long,0.5,1e-9,100", "row 3, entry_px: 1E-9 makes the entry value less than 1e-6"),
        ("3,BTC,short,0.5,98000,1", "row 3, account: '3' has this side of this symbol in row 2 already; merge them"),
        (
            "3,BTC/USDT:USDT,short,1,9,1",
            "row 3, account: '3' has this side of this symbol in row 2 already; merge them",
        ),
    ],
)
def test_each_violation_names_row_and_column(book_of: Any, row: str, said: str) -> None:
    assert refusal(book_of, HEAD, GOOD, row) == f"book.csv (the header is row 1): 1 violation\n  {said}"


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("7,BTC,long,0.5,98000,100.1", "row 2, leverage: 100.1 is above 100, the limit of its tier"),
        ("7,BTC,long,1,98000,20.5", "row 2, leverage: 20.5 is above 20, the limit of its tier"),
        ("7,BTC,long,0.5,98000,0", "row 2, leverage: 0; it must be above zero"),
        ("7,BTC,long,0.5,98000,-3", "row 2, leverage: -3; it must be above zero"),
    ],
)
def test_leverage_is_held_to_the_tier_of_the_entry_value(book_of: Any, row: str, said: str) -> None:
    """49,000 USD may have 100x, 98,000 USD 20x."""
    if row.startswith("7,BTC,long,0.5,98000,100.1"):
        assert book_of(LEVER, "7,BTC,long,0.5,98000,100", balance_with_market=True).collateral.tolist() == [490_000_000]
    assert said in refusal(book_of, LEVER, row, "3,BTC,short,0.5,101000,2")


def test_an_account_has_one_name(book_of: Any) -> None:
    rows = ["5,SOL,long,1,200,90,x", "5,BTC,short,0.5,101000,9000,y"]
    assert "row 3, name: '5' is 'x' elsewhere; keep one" in refusal(book_of, HEAD + ",name", *rows)


def test_violations_are_listed_in_order_of_rows_and_cut_after_fifty(book_of: Any) -> None:
    rows = [f"{k},BTC,up,0,1,1" for k in range(40)]
    lines = refusal(book_of, HEAD, *rows).split("\n")
    assert lines[0] == "book.csv (the header is row 1): 80 violations"
    assert lines[1:4] == [
        "  row 2, side: 'up'; allowed: long, short",
        "  row 2, quantity_base: 0; it must be above zero",
        "  row 3, side: 'up'; allowed: long, short",
    ]
    assert len(lines) == 52
    assert lines[-1] == "  and 30 more; in all side 40 (from row 2), quantity_base 40 (from row 2)"
    assert "columns are parted by semicolons" in refusal(book_of, "account;symbol;side", "1;BTC;long")


def test_rows_of_parquet_count_from_one(tmp_path: Path) -> None:
    path = tmp_path / "book.parquet"
    texts = {"account": "a", "symbol": "BTC", "side": "up"}
    pl.DataFrame([texts | {"quantity_base": 1.0, "entry_px": float("nan"), "leverage": True}]).write_parquet(path)
    assert refusal(read, path).split("\n") == [
        "book.parquet (the first position is row 1): 3 violations",
        "  row 1, side: 'up'; allowed: long, short",
        "  row 1, entry_px: 'NaN'; it must be a number such as 1250.75",
        "  row 1, leverage: 'true'; it must be a number such as 1250.75",
    ]


def test_blank_lines_are_passed_over_and_counted(book_of: Any) -> None:
    assert book_of(HEAD, "", *PAIR, ",,,,,", "").digest == book_of(HEAD, *PAIR).digest
    assert "row 4, side: 'up'" in refusal(book_of, HEAD, "", PAIR[0], "3,BTC,up,0.5,101000,9000")


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("account,symbol,sied,quantity_base,entry_px,leverage", "unknown column 'sied'; did you mean side?"),
        ("account,symbol,sied,quantity_base,entry_px,leverage", "column 'side' is missing"),
        (HEAD.removesuffix(",collateral_usd"), "give exactly one of the columns collateral_usd, collateral_coin"),
        (HEAD + ",leverage", "give exactly one of the columns collateral_usd, collateral_coin, leverage"),
        (HEAD + ",zzz", "unknown column 'zzz'"),
        (HEAD + ",side", "column 'side' comes twice"),
    ],
)
def test_columns_are_checked_before_rows(book_of: Any, header: str, said: str) -> None:
    found = refusal(book_of, header, ",".join(["1"] * (header.count(",") + 1)))
    assert found.startswith("book.csv: columns do not fit; needed: columns account, symbol, side, quantity_base, ")
    assert f"\n  {said}" in found


def test_files_that_hold_no_book_are_refused_in_one_line(tmp_path: Path) -> None:
    good = tmp_path / "good.parquet"
    pl.DataFrame({name: [1.0] * 500 for name in HEAD.split(",")}).write_parquet(good)
    data = good.read_bytes()
    cases = {
        "empty.csv": (b"", "empty.csv: the file is empty; needed: columns account"),
        "header.csv": (HEAD.encode(), "header.csv: it holds no position; give one a row"),
        "blank.csv": (f"{HEAD}\n,,,,,\n".encode(), "blank.csv: it holds no position"),
        "ragged.csv": (f"{HEAD}\n1,BTC,long,1,1,1,1\n".encode(), "ragged.csv: not a readable CSV file: found more"),
        "latin.csv": (f"{HEAD}\n\xe9,BTC\n".encode("latin-1"), "latin.csv: not a readable CSV file: invalid utf-8"),
        "empty.parquet": (b"", "empty.parquet: the file is empty"),
        "text.parquet": (b"account,symbol", "text.parquet: not a readable Parquet file"),
        "cut.parquet": (data[:-100], "cut.parquet: not a readable Parquet file"),
        "holed.parquet": (data[:60] + b"\xff" * 200 + data[260:], "holed.parquet: not a readable Parquet file"),
        "book.xlsx": (b"PK", "book.xlsx: positions come from .csv or .parquet files"),
    }
    for name, (content, said) in cases.items():
        path = tmp_path / name
        path.write_bytes(content)
        found = refusal(read, path)
        assert found.startswith(said), found
        assert "\n" not in found
    assert refusal(read, tmp_path / "none.csv").startswith("none.csv: cannot be read: No such file")
    (tmp_path / "folder.csv").mkdir()
    assert "cannot be read: Is a directory" in refusal(read, tmp_path / "folder.csv")


def test_a_nested_column_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "nested.parquet"
    pl.DataFrame({name: [[1]] for name in HEAD.split(",")}).write_parquet(path)
    assert refusal(read, path) == "nested.parquet: column 'account' is List(Int64); allowed: text or numbers"


def test_sizes_below_a_lot_are_reported_per_symbol(book_of: Any) -> None:
    btc = ["1,BTC,long,1.0004,100000,9000", "2,BTC,short,1.0007,100000,9000"]
    book = book_of(HEAD, *btc, "3,SOL,long,2,200,90", "4,SOL,short,2,200,90")
    assert book.lots.tolist() == [1000, 1000, 200, 200]
    assert book.notes == ("BTC: 0.0011 BTC below a lot of 0.001 left out; positions: 2",)


UNEVEN = ["1,BTC,long,1.5,100000,9000", "2,BTC,short,1,100000,9000", "3,SOL,short,2.001,200,90"]


def test_an_unbalanced_book_is_refused_with_the_imbalance_and_the_fix(book_of: Any) -> None:
    fix = "correct the file, or let the market hold the rest with --set balance_with_market=true"
    assert refusal(book_of, HEAD, *UNEVEN).split("\n") == [
        f"book.csv: longs and shorts are not equal; {fix}",
        "  BTC: longs exceed shorts by 500 lots (0.5 BTC)",
        "  SOL: shorts exceed longs by 200 lots (2 SOL)",
        "  SOL: 0.001 SOL below a lot of 0.01 left out; positions: 1",
    ]


def test_the_market_takes_the_other_side_on_request(book_of: Any) -> None:
    book = book_of(HEAD, *UNEVEN, balance_with_market=True)
    assert book.market_lots == (-500, 200)
    assert "BTC: longs exceed shorts by 500 lots (0.5 BTC); the market holds the other side" in book.notes


@pytest.mark.parametrize("rows", [["1,BTC,long,1,100000,9000"], ["1,BTC,short,1,100000,9000", "2,BTC,short,1,1e5,9"]])
def test_one_position_or_one_side_stands_only_against_the_market(book_of: Any, rows: list[str]) -> None:
    assert "longs and shorts are not equal" in refusal(book_of, HEAD, *rows)
    book = book_of(HEAD, *rows, balance_with_market=True)
    assert book.market_lots == (-int((book.lots * book.side).sum()), 0)


def test_positions_short_of_margin_are_kept_and_noted(book_of: Any) -> None:
    """A long of 1 BTC from 110,000 with 10,000: equity 0. A collateral of -5 is what funding left."""
    rows = ["1,BTC,long,1,110000,10000", "2,BTC,short,1,100000,20000", "3,SOL,long,1,200,-5", "4,SOL,short,1,200,90"]
    book = book_of(HEAD, *rows)
    assert book.collateral.tolist() == [10_000_000_000, 20_000_000_000, -5_000_000, 90_000_000]
    assert book.notes == (
        "BTC: positions in breach at the first mark: 1",
        "SOL: positions with less collateral than their tier asks at entry: 1",
        "SOL: positions in breach at the first mark: 1",
    )


MODED = HEAD + ",margin_mode"


def test_the_collateral_of_a_cross_account_may_stand_in_one_row(book_of: Any) -> None:
    """Account 5 is cross in BTC and SOL and isolated in a BTC short: both sides of a symbol may be held."""
    book = book_of(
        MODED, "5,BTC,long,0.5,98000,20000,cross", "5,SOL,short,100,200,,cross", "5,BTC,short,0.5,101000,9000,",
        "6,SOL,long,100,200,5000,isolated",
    )  # fmt: skip
    assert book.cross.tolist() == [True, False, False, True]
    assert book.collateral.tolist() == [20_000_000_000, 9_000_000_000, 5_000_000_000, 0]
    assert book.notes == ("cross accounts: 1 with 2 of 4 positions",)


def test_a_cross_account_is_judged_as_a_whole(book_of: Any) -> None:
    """At 100,000 and 200 equity is X - 1,000 + 1,000 - 5,000, maintenance 200 + 80: X = 5,280 is just enough.

    Initial margin is 490 + 150 of X - 1,000. The SOL short alone would be bankrupt.
    """
    rows = ["5,SOL,short,100,150,-1000,cross", "6,SOL,long,100,200,5000,", "7,BTC,short,0.5,98000,9000,"]

    def notes(posted: str) -> list[str]:
        found = book_of(MODED, f"5,BTC,long,0.5,98000,{posted},cross", *rows).notes
        return [note.removeprefix("cross accounts").lstrip(": ") for note in found]

    one, breach = "1 with 2 of 4 positions", "in breach at the first mark: 1"
    assert notes("5280") == [one]
    assert notes("5279.999999") == [one, breach]
    assert notes("1639.999") == [one, "with less collateral than their positions ask at entry: 1", breach]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("3,BTC,short,0.5,101000,9000,portfolio", "row 2, margin_mode: 'portfolio'; allowed: isolated, cross"),
        ("3,BTC,short,0.5,101000,,", "row 2, collateral_usd: nothing; it must be a number such as 1250.75"),
        (
            "3,BTC,short,0.5,101000,,cross",
            "row 2, collateral_usd: nothing in any cross row of the account; give it in one of them",
        ),
    ],
)
def test_modes_and_collateral_of_cross_rows_are_checked(book_of: Any, row: str, said: str) -> None:
    text = refusal(book_of, MODED, row, "4,BTC,long,0.5,98000,10000,isolated", "3,BTC,long,1,98000,10000,")
    assert text == f"book.csv (the header is row 1): 1 violation\n  {said}"


def test_watch_accounts_come_on_top_of_an_imported_book(book_of: Any) -> None:
    mine = watched("mine", "BTC", "long", 0.5, 99_000.0, 3.0, hedged=True)
    other = watched("other", "BTC", "short", 0.5, 99_000.0, 3.0)
    book = book_of(HEAD, *PAIR, watches=(mine, other))
    assert book.account_id.tolist() == [7, 8, 3, 9]
    assert (book.watched, book.names, book.hedged) == ((8, 9), {8: "mine", 9: "other"}, frozenset({8}))
    assert book.cohorts == ("imported", "watch")
    assert book.cohort.tolist() == [0, 1, 0, 1]
    assert book_of(HEAD, *PAIR, watches=(mine,)).market_lots == (-500, 0)
    longer = (*PAIR[:1], PAIR[1].replace("short,0.5", "short,0.4"))
    assert "BTC: longs exceed shorts by 100 lots" in refusal(book_of, HEAD, *longer, watches=(other,))
    with pytest.raises(ConfigError, match="watch 'far': ETH is not simulated"):
        book_of(HEAD, *PAIR, watches=(watched("far", "ETH", "long", 1.0, 1.0, 1.0),))


@pytest.mark.property
@given(
    size=st.decimals("0.001", "1e9", places=9),
    price=st.decimals("0.0001", "1e7", places=8),
    lot=st.sampled_from(["0.001", "1", "10", "0.00001"]),
)
def test_amounts_agree_with_fractions(size: Decimal, price: Decimal, lot: str) -> None:
    with localcontext(EXACT):
        unit = Instrument("X/USDT:USDT", "X", Decimal(1), Decimal(lot), Decimal(1))
        lots, rest, cost = exact_amounts(size, price, unit, 1)
    assert lots == Fraction(size) // Fraction(lot)
    assert lots * Fraction(lot) + Fraction(rest) == Fraction(size)
    assert cost == round(lots * Fraction(lot) * Fraction(price) * 10**6)
