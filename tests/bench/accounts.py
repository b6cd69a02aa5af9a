"""Speed and memory of cross accounts: ``python -m tests.bench.accounts [ACCOUNTS]``, ratios of one process.

Accounts hold three positions on five symbols, tiers and records on. The dense evaluation they are compared with is what
a vectorised engine would do without bounds: equity and maintenance of every account at every price walked.
"""

from __future__ import annotations

import resource
import sys
import time
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from backtest.engine.run import Outcome, simulate
from backtest.engine.world import FundingEvent, Positions, World
from backtest.mechanics.contract import Contract
from backtest.mechanics.exact import RATE_ONE, Floats, Ints
from backtest.mechanics.margin import tier_of
from backtest.mechanics.path import CLOSE, HIGH, LOW, OPEN, walk
from tests.bench.engine_world import engine_world

COINS = ("BTC", "ETH", "SOL", "XRP", "DOGE")
HELD = 3
QUANTA = 100
BARS = 4320
CRASH = slice(BARS * 2, BARS * 2 + 560)  # quarters of bars: the fall and what comes back
PRICES = 24  # at which the dense evaluation is timed


def tapes(bars: int, rng: np.random.Generator) -> Ints:
    """Return minute bars of all coins in ticks: a common walk with own noise, and one fall of a fifth in the middle."""
    common = rng.normal(0, 0.0004, bars * 4)
    common[bars * 2 : bars * 2 + 320] -= 0.000625
    common[bars * 2 + 320 : bars * 2 + 560] += 0.0004
    own = rng.normal(0, 0.0003, (len(COINS), bars * 4))
    parts = np.rint(np.exp(np.cumsum(common + own, axis=1)) * 1_000_000).astype(np.int64).reshape(len(COINS), bars, 4)
    start = np.concatenate((np.full((len(COINS), 1), 1_000_000), parts[:, :-1, 3]), axis=1)
    out = np.empty((len(COINS), bars, 4), dtype=np.int64)
    out[..., OPEN], out[..., CLOSE] = start, parts[..., 3]
    out[..., HIGH] = np.maximum(parts.max(axis=2), start)
    out[..., LOW] = np.minimum(parts.min(axis=2), start)
    return out


def cross_world(accounts: int, bars: int = BARS, seed: int = 1) -> World:
    """Return cross accounts of three positions each; leverage of the whole log-uniform from 0.5 to 25."""
    rng = np.random.default_rng(seed)
    prices = tapes(bars, rng)
    simple = engine_world(2, bars=1)
    symbol = np.argsort(rng.random((accounts, len(COINS))), axis=1)[:, :HELD]
    side = np.where(rng.random((accounts, 1)) < 0.5, 1, -1) * np.where(rng.random((accounts, HELD)) < 0.15, -1, 1)
    lots = np.maximum(np.rint(rng.lognormal(0, 1.5, (accounts, HELD)) * 20), 1).astype(np.int64)
    value = lots * 1_000_000 * QUANTA
    cost = np.rint(value * np.exp(rng.normal(0, 0.02, (accounts, HELD)))).astype(np.int64)
    leverage = np.exp(rng.uniform(np.log(0.5), np.log(25), accounts))
    equity = (value.sum(axis=1) / leverage).astype(np.int64)
    wallet = np.zeros_like(lots)
    wallet[:, 0] = equity - (side * (value - cost)).sum(axis=1)
    account = np.repeat(np.arange(accounts), HELD)
    order = np.lexsort((account, -side.ravel(), symbol.ravel()))
    volume = np.full((len(COINS), bars), int(lots.sum()) // 5 // 4000, dtype=np.int64)
    volume[:, bars // 2 : bars // 2 + 100] *= 16
    return World(
        symbols=COINS,
        contracts=(Contract(QUANTA),) * 5,
        mark_per_tick=(1,) * 5,
        tiers=simple.tiers * 5,
        walk=walk(prices, prices, "ohlc"),
        bar_s=60,
        trade_low=prices[..., LOW],
        trade_high=prices[..., HIGH],
        volume=volume,
        funding=tuple(
            FundingEvent(bar=bar, symbol=k, rate_e9=100_000) for bar in range(0, bars, 480) for k in range(5)
        ),
        book=Positions(
            account=account[order],
            symbol=symbol.ravel()[order],
            side=side.ravel()[order],
            lots=lots.ravel()[order],
            entry_value=cost.ravel()[order],
            collateral=wallet.ravel()[order],
            cross=np.ones(accounts * HELD, dtype=bool),
        ),
        watched=(),
        rules=replace(
            simple.rules,
            fund_start=int(value.sum()) // 2_000,
            inventory_limit=int(value.sum()) // 400,
            scale=(Fraction(1),) * 5,
        ),
    )


@dataclass
class Clock:
    """Seconds of a run inside the crash and outside of it."""

    crash_s: float = 0.0
    calm_s: float = 0.0
    _last: float = 0.0

    def start(self) -> None:
        """Begin to count."""
        self._last = time.perf_counter()

    def at(self, step: int, _: int) -> None:
        """Count the time since the last call to where the step lies."""
        now = time.perf_counter()
        if CRASH.start <= step < CRASH.stop:
            self.crash_s += now - self._last
        else:
            self.calm_s += now - self._last
        self._last = now


def dense(world: World, steps: Ints) -> float:
    """Return the seconds that equity and maintenance of every account take at one price, in floats."""
    accounts = int(world.book.account.max()) + 1
    signed = (world.book.side * world.book.lots).astype(np.float64)
    cash = (world.book.collateral - world.book.side * world.book.entry_value).astype(np.float64)
    began = time.perf_counter()
    for step in steps.tolist():
        each: Floats = world.walk.mark[:, step].astype(np.float64) * QUANTA
        value = signed * each[world.book.symbol]
        notional = np.abs(value)
        tier = tier_of(notional.astype(np.int64), world.tiers[0])
        need = notional * (world.tiers[0].rates_e9[tier] / RATE_ONE) - world.tiers[0].deductions[tier]
        surplus = np.bincount(world.book.account, weights=cash + value - need, minlength=accounts)
        np.flatnonzero(surplus <= 0)
    return (time.perf_counter() - began) / len(steps)


def main(accounts: int) -> None:
    """Time a run and the dense evaluation."""
    world = cross_world(accounts)
    clock, outcomes = Clock(), list[Outcome]()
    clock.start()
    outcomes.append(simulate(world, clock.at))
    seconds = clock.crash_s + clock.calm_s
    per_price = dense(world, np.linspace(0, world.steps - 1, PRICES).astype(np.int64))
    crash = CRASH.stop - CRASH.start
    breaches = len(outcomes[0].record.breaches)
    slices = len(outcomes[0].record.slices)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{accounts:,} cross accounts x {HELD} positions, {world.steps:,} prices, {breaches:,} positions in breach, "
          f"{len(outcomes[0].record.waves)} waves, {slices:,} slices")  # fmt: skip
    print(f"  engine                              {seconds:6.2f} s   (limit 20)   peak {peak:.2f} GB (limit 4)")
    for name, spent, prices in (("calm", clock.calm_s, world.steps - crash), ("crash", clock.crash_s, crash)):
        every = per_price * prices
        print(f"  {name:5} prices, {prices:6,}                {spent:6.2f} s   dense {every:.1f} s   "
              f"ratio {every / spent:.1f} (at least 3)")  # fmt: skip


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 300_000)
