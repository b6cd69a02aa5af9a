"""One writer of money: nothing but the ledger assigns cash, lots or entry values, and its one verb conserves both."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtest.engine.ledger import Ledger
from backtest.engine.owners import EachPool, Rows, cut_entry_values
from backtest.engine.records import ACCOUNT, CAUSES, FUND, MARKET, ROUNDING, VENUE, Record
from tests.engine.small import FUND as NO_FUND
from tests.engine.small import LONG, SHORT, bar, small
from tests.reference.adapter import build

ROOT = Path(__file__).parents[2]
MONEY = {"cash", "lots", "entry_value", "earned", "settled", "index", "accounts_cash", "accounts_lots"}
IN_PLACE = {"at", "put", "copyto", "place", "putmask"}  # np.add.at and the like write to their first argument
WRITERS = {"fill", "sort", "append", "extend", "insert", "clear", "pop", "itemset"}


def owned(node: ast.expr) -> bool:
    """Return whether an expression is a place where a ledger or an owner keeps money: ``x.cash``, ``x.lots[k]``."""
    while isinstance(node, ast.Subscript | ast.Starred):
        node = node.value
    return isinstance(node, ast.Attribute) and node.attr in MONEY


def targets(node: ast.AST) -> Iterator[ast.expr]:
    """Yield the places a node writes to."""
    if isinstance(node, ast.Assign):
        yield from node.targets
    elif isinstance(node, ast.AugAssign) or (isinstance(node, ast.AnnAssign) and node.value is not None):
        yield node.target
    elif isinstance(node, ast.Delete):
        yield from node.targets
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        if node.func.attr in IN_PLACE and node.args:
            yield node.args[0]
        if node.func.attr in WRITERS:
            yield node.func.value
        yield from (keyword.value for keyword in node.keywords if keyword.arg == "out")


def writes(source: str) -> list[str]:
    """Return where a source writes to money, a line each."""
    found = []
    for node in ast.walk(ast.parse(source)):
        for target in targets(node):
            parts = target.elts if isinstance(target, ast.Tuple | ast.List) else [target]
            found += [f"{part.lineno}: {ast.unparse(part)}" for part in parts if owned(part)]
    return sorted(found)


def test_nothing_but_the_ledger_writes_money() -> None:
    found = {
        path.relative_to(ROOT).as_posix(): where
        for room in ("engine", "run")  # mechanics knows no ledger
        for path in sorted((ROOT / "backtest" / room).rglob("*.py"))
        if path.name != "ledger.py" and (where := writes(path.read_text("utf-8")))
    }
    assert found == {}


@pytest.mark.parametrize(
    "line",
    [
        "ledger.cash[rows] += amount",
        "replay.ledger.lots[row] = 0",
        "fund.cash -= 3",
        "pool.lots[symbol], price = 4, 5",
        "np.add.at(ledger.cash, rows, amount)",
        "np.subtract(a, b, out=ledger.entry_value)",
        "owner.lots.append(1)",
        "ledger.entry_value: Ints = values",
        "ledger.accounts_cash -= total",
        "np.copyto(ledger.cash, values)",
    ],
)
def test_the_check_sees_a_second_writer(line: str) -> None:
    assert len(writes(f"def act(replay):\n    {line}\n")) == 1


def test_the_check_lets_reading_pass() -> None:
    assert writes("cash = ledger.cash[rows]\nlots = ledger.lots\nlots = lots + ledger.cash.sum()\n") == []


def ledger_of(**changes: object) -> Ledger:
    """Return the ledger of a long and a short of 10 lots at a mark of 1000; the fund starts with 5000."""
    world = small([bar(1000)], [LONG, SHORT], fund={**NO_FUND, "start": 5000}, **changes)
    return Ledger(build(world), Record())


def test_a_move_posts_both_sides_and_keeps_the_totals() -> None:
    ledger = ledger_of()
    before = ledger.cash.copy()
    lots, cash = np.array([-4]), np.array([400_000])
    of_market = ledger.move(
        "book", symbol=0, taker=Rows(np.array([0])), giver=ledger.market, lots=lots, cash=cash, serial=7
    )
    assert (ledger.lots.tolist(), ledger.market.lots) == ([6, 10], [4])
    assert (ledger.cash - before).tolist() == [400_000, 0]
    assert of_market.size == 0
    assert ledger.entry_value.tolist() == [600_000, 1_000_000]  # four tenths of 1,000,000 left
    ledger.check(full=True)
    written = ledger.record.transfers.join()
    assert (written.cause.tolist(), written.serial.tolist()) == ([CAUSES.index("book")], [7])
    assert (written.taker.tolist(), written.giver.tolist()) == ([ACCOUNT], [MARKET])


def test_slices_of_one_position_cut_its_entry_value_one_after_the_other() -> None:
    ledger = ledger_of()
    twice, short = np.array([0, 0]), np.array([1])
    of_winner = ledger.move(
        "adl",
        symbol=0,
        taker=Rows(np.array([1, 1]), distinct=short),
        giver=Rows(twice, distinct=twice[:1]),
        lots=np.array([3, 7]),
        cash=np.array([-300_000, -700_000]),
    )
    assert of_winner.tolist() == [300_000, 700_000]
    assert (ledger.lots.tolist(), ledger.entry_value.tolist()) == ([0, 0], [0, 0])
    ledger.check(full=True)


@pytest.mark.parametrize("bankrupt_takes", [True, False])
def test_a_position_that_keeps_lots_keeps_the_entry_value_of_its_slices_by_floor(bankrupt_takes: bool) -> None:
    ledger = ledger_of()
    long = Rows(np.array([0, 0]), distinct=np.array([0]))
    lots, cash = np.array([-3, -4]), np.array([300_000, 400_000])
    if bankrupt_takes:
        ledger.move("adl", symbol=0, taker=long, giver=ledger.market, lots=lots, cash=cash)
    else:
        ledger.move("adl", symbol=0, taker=ledger.market, giver=long, lots=-lots, cash=-cash)
    assert (ledger.lots.tolist(), ledger.entry_value.tolist()) == ([3, 10], [300_000, 1_000_000])
    ledger.check(full=True)


@pytest.mark.property
@given(st.lists(st.tuples(st.integers(1, 40), st.integers(0, 10**6)), min_size=1, max_size=5), st.randoms())
def test_entry_values_leave_slice_after_slice_in_any_order(positions: list[tuple[int, int]], pick: Random) -> None:
    slices: list[tuple[int, int]] = []
    for row, (held, _) in enumerate(positions):
        left = pick.randint(1, held)
        while left:
            k = pick.randint(1, left)
            slices.append((row, k))
            left -= k
    pick.shuffle(slices)
    now, expected = [list(position) for position in positions], []
    for row, k in slices:
        expected.append(now[row][1] * k // now[row][0])
        now[row] = [now[row][0] - k, now[row][1] - expected[-1]]
    rows, lots = np.array(slices, dtype=np.int64).T
    held, value = np.array([positions[row] for row in rows], dtype=np.int64).T
    assert cut_entry_values(rows, lots, held, value).tolist() == expected


def test_funding_of_both_sides_is_settled_before_lots_change_and_not_for_cash_alone() -> None:
    ledger = ledger_of()
    ledger.move_index(0, 5_000_000)  # 5 quanta per lot
    ledger.move("fee", symbol=0, taker=Rows(np.array([0])), giver=ledger.venue, cash=np.array([-9]))
    assert ledger.settled.tolist() == [0, 0]
    lots, cash = np.array([-4]), np.array([400_000])
    ledger.move("book", symbol=0, taker=Rows(np.array([0])), giver=ledger.market, lots=lots, cash=cash)
    assert (ledger.settled.tolist(), ledger.market.index) == ([5_000_000, 0], [5_000_000])
    written = ledger.record.transfers.join()
    assert [CAUSES[code] for code in written.cause.tolist()] == ["fee", "funding", "book"]
    assert (written.cash.tolist(), written.giver.tolist()) == ([-9, -50, 400_000], [VENUE, ROUNDING, MARKET])
    ledger.check(full=True)


def test_a_pool_nets_its_inventory_and_knows_what_a_symbol_earned() -> None:
    ledger = ledger_of()
    fund = ledger.funds[0]
    long = Rows(np.array([0]))
    ledger.move("takeover", symbol=0, taker=long, giver=fund, lots=np.array([-10]), cash=np.array([990_000]))
    assert (fund.lots, fund.entry_value, fund.cash, fund.earned) == ([10], [990_000], -985_000, [-990_000])
    assert ledger.equity(fund) == 15_000  # ten lots at 100,000 each
    lots, cash = np.array([-10]), np.array([1_010_000])
    ledger.move("unwind", symbol=0, taker=fund, giver=ledger.market, lots=lots, cash=cash)
    assert (fund.lots, fund.entry_value, fund.cash, fund.earned) == ([0], [0], 25_000, [20_000])
    ledger.check(full=True)


def test_the_fund_of_each_symbol_is_paid() -> None:
    ledger = ledger_of()
    ledger.move("residual", symbol=np.array([0]), taker=Rows(np.array([0])), giver=EachPool(FUND), cash=np.array([-77]))
    assert ledger.funds[0].cash == 5077
    assert ledger.record.transfers.join().giver.tolist() == [FUND]
    assert ledger.record.transfers.join().giver_row.tolist() == [0]


def test_caches_hear_of_the_positions_that_changed() -> None:
    ledger = ledger_of()
    changed: list[list[int]] = []
    ledger.caches.append(lambda rows: changed.append(rows.tolist()))
    ledger.move("fee", symbol=0, taker=Rows(np.array([1])), giver=ledger.venue, cash=np.array([-1]))
    assert changed == [[1]]
