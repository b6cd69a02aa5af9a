"""Worlds too large for exact integers are refused by name, and a ledger that does not add up stops the run."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from backtest.engine.exact_range import check_range
from backtest.engine.figures import FLOAT_EXACT, fits_floats
from backtest.engine.ledger import Ledger
from backtest.engine.owners import Party
from backtest.engine.records import Record
from backtest.engine.run import simulate
from backtest.engine.world import FundingEvent, World
from backtest.errors import ConservationError, RangeError
from backtest.mechanics.contract import Contract
from backtest.mechanics.exact import Ints
from tests.engine.small import LONG, SHORT, bar, small
from tests.reference.adapter import build


def world_of(**changes: Any) -> World:
    """Return 10 lots on each side at 1000 ticks of 100 quanta, with fields replaced."""
    return dataclasses.replace(build(small([bar(1000), bar(990)])), **changes)


def holding(**columns: Any) -> World:
    """Return the same with columns of its book replaced."""
    world = world_of()
    return dataclasses.replace(world, book=dataclasses.replace(world.book, **columns))


def due(*events: tuple[int, int, int]) -> tuple[FundingEvent, ...]:
    return tuple(FundingEvent(bar=bar, symbol=0, rate_e9=rate, oracle=oracle) for bar, rate, oracle in events)


def funded(world: World, **rules: Any) -> World:
    return dataclasses.replace(world, rules=dataclasses.replace(world.rules, **rules))


def column(value: int) -> Any:
    return np.array([value, value], dtype=np.int64)


# Money of the plain world: twice 20 lots at 100,000 quanta, and 300,000 of wallets.
@pytest.mark.parametrize(
    ("world", "message"),
    [
        (holding(lots=column(2**60)), r"BTC: lots x price reaches [0-9.e+]+ times the exact range of 2\*\*62"),
        (holding(entry_value=column(2**60)), r"BTC: lots x price reaches 1 times"),
        (holding(collateral=column(-(2**61))), r"BTC: lots x price reaches 1 times"),
        (world_of(funding=due((0, 10**18, 0))), r"BTC: the funding index reaches 21\.7 times .* shorter window"),
        (world_of(funding=due((0, 10**17, 0), (1, -(10**17), 0))), r"BTC: the funding index reaches 4\.34 times"),
        (world_of(funding=due((0, 10**9, 10**12))), r"BTC: the funding index reaches 21\.7 times"),
        (
            dataclasses.replace(holding(lots=column(2**42)), contracts=(Contract(1),), funding=due((0, 1, 0))),
            r"BTC: lots x 1e6 reaches 1\.91 times",
        ),
        (world_of(walk=dataclasses.replace(world_of().walk, mark=np.array([[1, 10**16]]))), "BTC: .* reaches"),
        (funded(world_of(), fund_start=2**62), "all symbols and pools: money reaches 1 times"),
    ],
)  # fmt: skip
def test_what_could_leave_the_exact_range_is_refused(world: World, message: str) -> None:
    with pytest.raises(RangeError, match=message):
        simulate(world)


def test_the_limit_itself() -> None:
    money = 2 * 20 * 100_000 + 300_000
    check_range(funded(world_of(), fund_start=2**62 - 1 - money))
    with pytest.raises(RangeError):
        check_range(funded(world_of(), fund_start=2**62 - money))


def test_wallets_beyond_64_bits_in_sum_are_refused_and_not_wrapped() -> None:
    rows = [{**LONG, "id": 1, "wallet": 2**62}, {**SHORT, "wallet": 2**62}]
    with pytest.raises(RangeError, match="BTC: lots x price"):
        simulate(build(small([bar(1000)], rows)))


def test_floats_are_trusted_below_two_to_the_53() -> None:
    assert fits_floats(holding(entry_value=column(FLOAT_EXACT - 1)))
    assert not fits_floats(holding(entry_value=column(FLOAT_EXACT)))
    assert not fits_floats(holding(lots=column(FLOAT_EXACT // 100_000 + 1)))


def test_a_quantum_or_a_lot_too_many_stops_the_run() -> None:
    ledger = Ledger(world_of(), Record())
    ledger.funds[0].cash += 1
    with pytest.raises(ConservationError, match="step 0: cash of all owners sums to 1 quanta instead of 0"):
        ledger.check()
    ledger.funds[0].cash -= 1
    ledger.funds[0].lots[0] += 2
    with pytest.raises(ConservationError, match="step 0: lots of BTC sum to 2, not 0"):
        ledger.check()
    ledger.funds[0].lots[0] -= 2
    ledger.cash[0] += 3
    ledger.check()  # totals alone do not show it ...
    with pytest.raises(ConservationError, match="accounts holds 3 quanta more than its total"):
        ledger.check(full=True)  # ... the arrays do
    ledger.cash[0] -= 3
    ledger.lots[0] += 1
    with pytest.raises(ConservationError, match="lots of BTC in accounts do not match"):
        ledger.check(full=True)


def test_a_fee_that_no_one_receives_stops_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    world = small([bar(1000), bar(930, volume_lots=10)], fee_e9=1_000_000)
    simulate(build(world))

    post = Ledger._post

    def lost(ledger: Ledger, party: Party, symbol: int | Ints, sign: int, lots: Ints | None, cash: Ints) -> Ints:
        return cash[:0] if party is ledger.venue else post(ledger, party, symbol, sign, lots, cash)

    monkeypatch.setattr(Ledger, "_post", lost)
    with pytest.raises(ConservationError, match="step 2: cash of all owners sums to -930 quanta"):
        simulate(build(world))
