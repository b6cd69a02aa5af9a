"""A file of my positions: those of a book, unbalanced, as positions to watch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from backtest.book.mine import read_mine
from backtest.errors import BookError
from tests.book.support import BTC, SOL, TIERS, marks

HEAD = "account,symbol,side,quantity_base,entry_px,{},margin_mode,name\n"


def mine(tmp_path: Path, *rows: str, margin: str = "collateral_usd", hedged: bool = False) -> Any:
    path = tmp_path / "mine.csv"
    path.write_text(HEAD.format(margin) + "\n".join(rows) + "\n")
    return read_mine(path, (BTC, SOL), [TIERS] * 2, marks(BTC, SOL), inclusive=False, hedged=hedged)


def test_an_isolated_position_is_its_row(tmp_path: Path) -> None:
    (found,) = mine(tmp_path, "7,BTC,short,1.5,98000.5,14700.075,isolated,desk", hedged=True)
    assert (found.name, found.coin, found.side, found.margin_mode) == ("desk", "BTC", "short", "isolated")
    assert (found.size_base, found.entry_px, found.leverage, found.hedged) == (1.5, 98000.5, 10.0, True)


def test_positions_of_one_account_are_told_apart_and_cross_ones_have_one_leverage(tmp_path: Path) -> None:
    found = mine(
        tmp_path,
        "a,BTC,long,1,100000,20000,cross,",
        "a,SOL,short,100,200,,cross,",
        "b,BTC,long,1,100000,50000,isolated,",
        "b,SOL,long,10,200,1000,isolated,",
    )
    assert [(each.name, each.margin_mode, each.leverage) for each in found] == [
        ("a", "cross", 6.0),
        ("b long BTC", "isolated", 2.0),
        ("b long SOL", "isolated", 2.0),
        ("a", "cross", 6.0),
    ]


def test_leverage_may_be_given(tmp_path: Path) -> None:
    (found,) = mine(tmp_path, "7,SOL,long,3,210,5,,", margin="leverage")
    assert (found.name, found.leverage, found.entry_px) == ("account 7", 5.0, 210.0)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ((), "mine.csv: it holds no position; give one a row"),
        (("7,ETH,long,1,1,1,,",), "row 2, symbol: 'ETH'; simulated: BTC, SOL"),
        (("7,BTC,long,nan,1,1,,",), "row 2, quantity_base: 'nan'; it must be a number"),
        (("7,BTC,long,1,100000,0,,",), "mine.csv: account 7 has no collateral behind BTC; leave the position out"),
    ],
)
def test_a_file_that_breaks_a_rule_is_refused(tmp_path: Path, rows: tuple[str, ...], said: str) -> None:
    with pytest.raises(BookError) as raised:
        mine(tmp_path, *rows)
    assert said in str(raised.value)
