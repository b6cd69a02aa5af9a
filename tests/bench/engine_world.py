"""The world of the engine benchmark: one symbol, a crash, a small fund, many ADL waves."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np

from backtest.engine.world import FundingEvent, Positions, World
from backtest.mechanics.contract import Contract
from backtest.mechanics.drawdown import DrawdownTrigger
from backtest.mechanics.liquidation.base import PartTerms
from backtest.mechanics.margin import Tiers, deductions
from backtest.mechanics.path import CLOSE, HIGH, LOW, OPEN, walk
from backtest.mechanics.rules import Rules
from backtest.mechanics.vault import VaultRule

USD = 1_000_000
TICK = 1_000_000  # 0.1 USD per tick at 1 lot = 10 base: quanta per tick and lot


def tape(bars: int, rng: np.random.Generator) -> np.ndarray:
    """Return minute bars in ticks: a random walk at 100,000 with a fall of a fifth in the middle."""
    steps = rng.normal(0, 0.0004, bars * 4)
    fall = slice(bars * 2, bars * 2 + 320)
    steps[fall] -= 0.000625
    steps[bars * 2 + 320 : bars * 2 + 560] += 0.0004
    path = np.exp(np.cumsum(steps)) * 1_000_000
    parts = np.rint(path).astype(np.int64).reshape(bars, 4)
    start = np.concatenate(([1_000_000], parts[:-1, 3]))
    out = np.empty((1, bars, 4), dtype=np.int64)
    out[0, :, OPEN], out[0, :, CLOSE] = start, parts[:, 3]
    out[0, :, HIGH] = np.maximum(parts.max(axis=1), start)
    out[0, :, LOW] = np.minimum(parts.min(axis=1), start)
    return out


def engine_world(positions: int, bars: int = 4320, seed: int = 1) -> World:
    """Return a balanced isolated book on the tape; leverage log-uniform from 0.5 to 50."""
    rng = np.random.default_rng(seed)
    prices = tape(bars, rng)
    half = positions // 2
    sizes = np.maximum(np.rint(rng.lognormal(0, 1.5, half) * 20), 1).astype(np.int64)
    lots = np.concatenate((sizes, rng.permutation(sizes)))
    side = np.repeat(np.array([1, -1]), half)
    mark = int(prices[0, 0, OPEN])
    entry = np.rint(mark * np.exp(rng.normal(0, 0.02, positions))).astype(np.int64)
    quanta = 100
    value, cost = lots * mark * quanta, lots * entry * quanta
    leverage = np.exp(rng.uniform(np.log(0.5), np.log(50), positions))
    equity = (value / leverage).astype(np.int64)
    wallet = np.maximum(equity - side * (value - cost), value // 100)
    floors = [0, 50_000 * USD, 600_000 * USD, 3_000_000 * USD, 12_000_000 * USD]
    rates = [4_000_000, 5_000_000, 6_500_000, 10_000_000, 20_000_000]
    tiers = Tiers.of(list(zip(floors, rates, deductions(floors, rates), strict=True)))
    volume = np.full((1, bars), int(lots.sum()) // 4000, dtype=np.int64)  # half of the lots turn over in 12 hours ...
    volume[0, bars // 2 : bars // 2 + 100] *= 16  # ... and in the crash 16 times as fast
    rules = Rules(
        inclusive=True, fund_start=int(value.sum()) // 2_000, fund_floor=0, fund_divisible=True, fund_takes_over=True,
        inventory_limit=int(value.sum()) // 400, inventory_adl="below_floor", inventory_stop=0, quiet_steps=40,
        vault=None,
        residual_owner="fund", fee_e9=0, fee_owner="fund", ranking="bitmex", losers="last", close_price="bankruptcy",
        on_exhausted="uncovered", impact="sqrt", strength=Fraction(3, 1000), scale=(Fraction(1),),
        participation=Fraction(1), seed=seed, queue_not_reached=20,
    )  # fmt: skip
    funding = tuple(FundingEvent(bar=bar, symbol=0, rate_e9=100_000) for bar in range(0, bars, 480))
    book = Positions(
        account=np.arange(positions),
        symbol=np.zeros(positions, dtype=np.int64),
        side=side,
        lots=lots,
        entry_value=cost,
        collateral=wallet,
    )
    return World(
        symbols=("BTC",),
        contracts=(Contract(quanta),),
        mark_per_tick=(1,),
        tiers=(tiers,),
        walk=walk(prices, prices, "ohlc"),
        bar_s=60,
        trade_low=prices[..., LOW],
        trade_high=prices[..., HIGH],
        volume=volume,
        funding=funding,
        book=book,
        watched=(),
        rules=rules,
    )


def with_everything(world: World) -> dict[str, World]:
    """Return the world under rules that use all there is: partial steps, a fund that drops, a vault."""
    drop = DrawdownTrigger("pnl_ratio", (Fraction(3, 10),), (Fraction(1, 4),), 0, 8 * 3600)
    part = PartTerms(1, 5, 100_000 * USD, 30)
    vault = VaultRule(capitals=(4 * world.rules.fund_start,))
    rules = {
        "part_first, vault": {"liquidation_rule": "part_first", "part": part, "vault": vault, "fund_takes_over": False},
        "part_first, vault, fund, drop": {
            "liquidation_rule": "part_first",
            "part": part,
            "vault": vault,
            "drawdown": drop,
        },
        "tier_by_tier, fund, drop": {"liquidation_rule": "tier_by_tier", "drawdown": drop},
    }
    return {name: replace(world, rules=replace(world.rules, **more)) for name, more in rules.items()}  # type: ignore[arg-type]
