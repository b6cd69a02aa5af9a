"""Every record of the fast engine, watched positions included, against a recount by the slow one."""

from __future__ import annotations

import dataclasses
from collections import Counter, defaultdict
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import pytest

from backtest.engine.records import OWNERS
from backtest.engine.run import Outcome, simulate
from tests.engine.crowds import crowd
from tests.engine.drawn_worlds import FRESH
from tests.engine.holds import Row, rows
from tests.engine.oracle import SlowWave, Trace, equity_at_detection, trace
from tests.reference.adapter import build, shape
from tests.reference.slow_ledger import name_of
from tests.reference.slow_shares import BY_SHARE
from tests.reference.slow_state import margin_of, mark_value


def both(world: dict[str, Any]) -> tuple[Outcome, Trace]:
    """Replay a world with both engines, every position watched; the results agree."""
    fast = build(world)
    outcome = simulate(dataclasses.replace(fast, watched=tuple(range(len(fast.book)))))
    slow = trace(world)
    assert shape(outcome, world) == slow.result
    return outcome, slow


def check_all(world: dict[str, Any]) -> Outcome:
    """Compare every record of one run with the recount; return the outcome of the fast engine."""
    outcome, slow = both(world)
    check_waves(world, outcome, slow)
    if world["profile"].get("adl_allocation") in BY_SHARE:
        keep_payers(world, slow, outcome.world.rules.queue_not_reached)
    else:
        check_watch(world, outcome, slow)
    check_queues(outcome, slow)
    check_breaches(world, outcome, slow)
    check_transfers(outcome)
    return outcome


def keep_payers(world: dict[str, Any], slow: Trace, spared: int) -> None:
    """Leave in each queue those closed or skipped, by account: what is recorded where nobody is ranked.

    Water-filling also keeps some that paid nothing, of the highest factor leverage.
    """
    levels, last = world["profile"]["adl_allocation"] == "water_filling", world["profile"]["losers"] == "last"
    for wave in slow.waves:
        paid = Counter[int]()
        for row in wave.slices[wave.own :]:
            paid[row[3]] += row[4]
        recorded = {*wave.skipped, *paid}
        if levels:
            holding = [stand for stand in wave.queue if stand.account not in wave.skipped]
            behind = [stand.account for stand in holding if last and stand.pnl < 0]
            losers_pay = any(account in paid for account in behind)
            group = [s for s in holding if (s.account in behind) == losers_pay and s.account not in paid]
            group.sort(key=lambda stand: stand.account)
            recorded |= {s.account for s in sorted(group, key=lambda stand: -(stand.score or 0))[:spared]}
        wave.queue = sorted((s for s in wave.queue if s.account in recorded), key=lambda stand: stand.account)
        ahead = 0
        for stand in wave.queue:
            stand.score, stand.ahead = stand.score if levels else None, ahead
            ahead += stand.value


def check_waves(world: dict[str, Any], outcome: Outcome, slow: Trace) -> None:
    waves, names = outcome.record.waves, list(world["symbols"])
    slices = by_number(rows(outcome.record.slices))
    assert len(waves) == len(slow.waves)
    for number, (fast, wave) in enumerate(zip(waves, slow.waves, strict=True), 1):
        closed = sum(row[4] for row in wave.slices)
        left = wave.unmatched if wave.source == "account" else wave.wanted - closed
        assert wave.wanted == closed + left
        each = mark_value(world, wave.symbol, 1, wave.mark)
        mine = slices[number]
        assert dataclasses.asdict(fast) == {
            "wave": number, "step": wave.step, "symbol": names.index(wave.symbol), "side": wave.side,
            "source": wave.source, "bankrupts": wave.bankrupts, "candidates": len(wave.queue),
            "wanted_lots": wave.wanted, "closed_lots": closed, "unmatched_lots": left, "notional": closed * each,
            "candidate_notional": sum(stand.value for stand in wave.queue),
            "winners": len({row[3] for row in wave.slices}),
            "skipped": len(wave.skipped), "mark": wave.mark, "previous_mark": wave.previous,
            "difference": wave.worth * sum(row["close_value"] - row["bankruptcy_value"] for row in mine),
        }  # fmt: skip


def by_wave(
    outcome: Outcome, slow: Trace
) -> Iterator[tuple[SlowWave, list[Row], list[Row], list[Row], dict[int, int]]]:
    """Yield each slow wave with the slices, queue rows and watch rows of the fast one, and the places by account."""
    record = outcome.record
    cut, stood, watched = (
        by_number(part)
        for part in (rows(record.slices), rows(record.queue), list(map(dataclasses.asdict, record.watch)))
    )
    for number, wave in enumerate(slow.waves, 1):
        places = {stand.account: place for place, stand in enumerate(wave.queue)}
        yield wave, cut[number], stood[number], watched[number], places


def by_number(part: list[Row]) -> dict[int, list[Row]]:
    """Return the rows of each wave."""
    out: dict[int, list[Row]] = defaultdict(list)
    for row in part:
        out[row["wave"]].append(row)
    return out


def close_to(score: float, exact: Fraction | None) -> bool:
    return exact is None or abs(Fraction(score) - exact) <= abs(exact) / 10**12


def check_queues(outcome: Outcome, slow: Trace) -> None:
    account, spared = outcome.world.book.account.tolist(), outcome.world.rules.queue_not_reached
    for wave, slices, queue, _, place in by_wave(outcome, slow):
        cut: Counter[int] = Counter()
        for number, (fast, (_, _, bankrupt, winner, lots, amount)) in enumerate(zip(slices, wave.slices, strict=True)):
            if number < wave.own:
                legs = account[fast["bankrupt_row"]], account[fast["winner_row"]]
                assert (*legs, fast["lots"], fast["close_value"], fast["rank"]) == (bankrupt, winner, lots, amount, 0)
                continue
            stand = wave.queue[place[winner]]
            assert account[fast["winner_row"]] == winner
            assert bankrupt == (account[fast["bankrupt_row"]] if wave.source == "account" else wave.source)
            assert (fast["lots"], fast["close_value"], fast["rank"]) == (lots, amount, place[winner] + 1)
            assert (fast["notional_ahead"], fast["mark"], fast["previous_mark"]) == (
                stand.ahead,
                wave.mark,
                wave.previous,
            )
            assert close_to(fast["score"], stand.score)
            cut[winner] += fast["entry_value"]
        assert cut == Counter({winner: cost for winner, cost in wave.cost_cut.items() if winner in cut})
        closed = Counter[int]()
        for row in wave.slices[wave.own :]:
            closed[row[3]] += row[4]
        reached = max((place[winner] for winner in [*closed, *wave.skipped]), default=-1) + 1
        assert len(queue) == min(reached + spared, len(wave.queue))
        for number, (fast, stand) in enumerate(zip(queue, wave.queue, strict=False), 1):
            assert (account[fast["row"]], fast["rank"], fast["side"]) == (stand.account, number, -wave.side)
            assert (fast["lots"], fast["notional"], fast["pnl"]) == (stand.lots, stand.value, stand.pnl)
            assert (fast["equity"], fast["notional_ahead"], fast["closed_lots"]) == (
                stand.equity,
                stand.ahead,
                closed[stand.account],
            )
            assert fast["skipped"] == (stand.account in wave.skipped)
            assert close_to(fast["score"], stand.score)


def check_watch(world: dict[str, Any], outcome: Outcome, slow: Trace) -> None:
    account = outcome.world.book.account.tolist()
    for wave, _, _, watched, place in by_wave(outcome, slow):
        opposite = {r["id"] for r in world["accounts"] if (r["symbol"], r["side"]) == (wave.symbol, -wave.side)}
        assert {account[fast["row"]] for fast in watched} == opposite
        for fast in watched:
            me = account[fast["row"]]
            assert fast["in_queue"] == (me in place)
            if me not in place:
                continue
            # Rank and notional ahead by counting in the slow engine's order.
            before = wave.queue[: place[me]]
            assert (fast["rank"], fast["notional_ahead"]) == (len(before) + 1, sum(stand.value for stand in before))
            own = sum(row[4] for row in wave.slices[: wave.own] if row[3] == me)  # given before the queue was formed
            assert (fast["candidates"], fast["lots"]) == (len(wave.queue), wave.queue[place[me]].lots + own)
            assert fast["closed_lots"] == sum(row[4] for row in wave.slices if row[3] == me)
            assert fast["close_value"] == sum(row[5] for row in wave.slices if row[3] == me)
            assert close_to(fast["score"], wave.queue[place[me]].score)


def check_breaches(world: dict[str, Any], outcome: Outcome, slow: Trace) -> None:
    account, names = outcome.world.book.account.tolist(), list(world["symbols"])
    breaches = rows(outcome.record.breaches)
    assert len(breaches) == len(slow.breaches)
    for number, (fast, (step, claim, lots, amount)) in enumerate(zip(breaches, slow.breaches, strict=True)):
        equity = equity_at_detection(world, claim, lots, amount)
        notional = mark_value(world, claim.symbol, lots, claim.mark)
        assert (fast["serial"], fast["step"], account[fast["row"]]) == (number, step, name_of(claim.owner))
        assert (names[fast["symbol"]], fast["side"], fast["mark"]) == (claim.symbol, claim.side, claim.mark)
        assert Fraction(fast["passed"], fast["length"]) == claim.fraction
        assert (fast["lots"], fast["bankruptcy_value"], fast["equity"]) == (lots, amount, equity)
        assert fast["maintenance"] == margin_of(world, claim.symbol, notional, claim.cost)
        if (
            world["profile"].get("liquidation_rule") != "fillable_price"
        ):  # which counts orders, and sends them below zero
            assert fast["skipped"] == (equity < 0)
        assert (fast["book_lots"], fast["book_value"]) == (claim.lots_book, claim.book_amount)
        assert (fast["fee"], fast["residual"]) == (claim.fee, claim.residual)
        assert (fast["takeover_lots"], fast["adl_lots"]) == (claim.lots_takeover, claim.lots_adl)
        assert fast["deferred_lots"] == lots - claim.lots_book - claim.lots_takeover - claim.lots_adl
        assert not (fast["refused"] and fast["book_lots"])
        partial = world["profile"].get("liquidation_rule", "full_position") != "full_position"
        waits = partial or world["profile"].get("vault") or world["profile"]["on_exhausted"] == "waits"
        assert waits or not fast["deferred_lots"]


def check_transfers(outcome: Outcome) -> None:
    """Opening balances and transfers alone give every owner's cash and lots at the end."""
    world, book, ledger = outcome.world, outcome.world.book, outcome.ledger
    cash: Counter[tuple[str, int]] = Counter()
    lots: Counter[tuple[str, int, int]] = Counter()
    for row in rows(outcome.record.transfers):
        for sign, owner in (
            (1, (OWNERS[row["taker"]], row["taker_row"])),
            (-1, (OWNERS[row["giver"]], row["giver_row"])),
        ):
            cash[owner] += sign * row["cash"]
            lots[(*owner, row["symbol"])] += sign * row["lots"]
    start = (book.collateral - world.value_signs[book.symbol] * book.side * book.entry_value).tolist()
    for place, symbol in enumerate(book.symbol.tolist()):
        side = int(book.side[place])
        assert start[place] + cash["account", place] == int(ledger.cash[place])
        assert side * int(book.lots[place]) + lots["account", place, symbol] == side * int(ledger.lots[place])
    assert sum(rule.start for rule in world.rules.pools) in {0, world.rules.fund_start}
    assert world.rules.fund_start + sum(cash["fund", fund.number] for fund in ledger.funds) == sum(
        fund.cash for fund in ledger.funds
    )
    for vault, capital in zip(ledger.vaults, world.rules.vault.capitals if world.rules.vault else (0,), strict=True):
        assert capital + cash["vault", vault.number] == vault.cash
    for owner in (ledger.venue, ledger.rounding, ledger.uncovered):
        assert cash[OWNERS[owner.code], -1] == owner.cash
    for symbol in range(len(world.symbols)):
        for fund in ledger.funds:
            assert lots["fund", fund.number, symbol] == fund.lots[symbol]
        for vault in ledger.vaults:
            assert lots["vault", vault.number, symbol] == vault.lots[symbol]


# seeds of the first 64 that ``chosen`` keeps for the steps in both engines
CROWDS = (0, 1, 4, 5, 6, 10, 13, 14, 18, 20, 22, 23, 27, 29, 30, 33, 35, 36, 37, 44, 47, 52, 57)


@pytest.mark.property
@pytest.mark.parametrize("part", range(2))
def test_records_of_crowds(part: int) -> None:
    for seed in (range(64) if FRESH else CROWDS)[part::2]:
        check_all(crowd(seed, unit=1000))
