"""The exact range: a world in which a product or a sum of money could leave 62 bits is refused before it runs."""

from __future__ import annotations

import numpy as np

from backtest.engine.world import World
from backtest.errors import RangeError
from backtest.mechanics.exact import LIMIT, MILLIONTH, RATE_ONE, exact_sum
from backtest.mechanics.feedback import HIGHEST, LOWEST

SMALLER_BOOK = "a coarser lot or a smaller open interest"


def check_range(world: World) -> None:
    """Refuse a world in which a product or a sum of money could leave 62 bits, naming symbol and factor."""
    rules = world.rules
    money = abs(rules.fund_start) + (rules.vault.capital if rules.vault else 0)
    for symbol, name in enumerate(world.symbols):
        index, value = _funding_index(world, symbol), _most_money(world, symbol)
        held = world.book.held(symbol)
        lots = exact_sum(world.book.lots[held])
        mark = int(world.walk.mark[symbol].max()) * (1 if world.feedback is None else HIGHEST)
        money += (amount := value + lots * index // MILLIONTH)
        _refuse(name, "lots x price", amount, SMALLER_BOOK)
        _refuse(name, "lots x 1e6", lots * MILLIONTH if index else 0, SMALLER_BOOK)
        _refuse(name, "the funding index", index, "a finer lot, lower rates or a shorter window")
        _refuse(name, "mark x 1024", 1024 * mark, "a coarser mark quantum")  # places on a segment
    _refuse("all symbols and pools", "money", money, SMALLER_BOOK)


def highest_value_per_lot(world: World, symbol: int) -> int:
    """Return the highest value of a lot in quanta: at the highest price, of an inverse contract at the lowest."""
    contract, ticks = world.contracts[symbol], world.mark_per_tick[symbol]
    lowest = min(int(world.walk.mark[symbol].min()), int(world.trade_low[symbol].min()) * ticks)
    highest = max(int(world.walk.mark[symbol].max()), int(world.trade_high[symbol].max()) * ticks)
    if world.feedback is not None:  # how far displaced prices may lie from the tape
        lowest, highest = -(-lowest // LOWEST), highest * HIGHEST
    return max(contract.value_per_lot(lowest), contract.value_per_lot(highest))


def _most_money(world: World, symbol: int) -> int:
    """Return the most money of a symbol: lots at the highest price on both sides and collateral, without funding."""
    book, held = world.book, world.book.held(symbol)
    value = exact_sum(book.lots[held]) * highest_value_per_lot(world, symbol)
    return 2 * max(value, exact_sum(book.entry_value[held])) + exact_sum(np.abs(book.collateral[held]))


def _funding_index(world: World, symbol: int) -> int:
    """Return the funding index if all that could fall due fell due, in 1e-6 quanta per lot."""
    contract, top = world.contracts[symbol], highest_value_per_lot(world, symbol)
    due = [
        abs(event.rate_e9) * max(top, contract.value_per_lot(event.oracle) if event.oracle else 0)
        for event in world.funding
        if event.symbol == symbol
    ]
    return sum(due) * MILLIONTH // RATE_ONE


def _refuse(name: str, factor: str, largest: int, fix: str) -> None:
    if largest >= LIMIT:
        raise RangeError(f"{name}: {factor} reaches {largest / LIMIT:.3g} times the exact range of 2**62; use {fix}")
