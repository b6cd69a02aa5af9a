"""The synthetic book: drawn from a seed, exact in open interest, stated in every assumption.

Per coin and side, in this order: sizes, entries, leverage, collateral. The book is a prior and not a measurement.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from statistics import NormalDist

import numpy as np

from backtest.book.sheet import COLUMNS, SIDES, WATCH_COHORT, MarginTable, PositionBook, assemble, base_text, watch_rows
from backtest.errors import ConfigError, RangeError
from backtest.instrument import Instrument
from backtest.mechanics.exact import LIMIT, QUANTA_PER_USD, RATE_ONE, Floats, Ints, half_even, mul_rate_up, quanta
from backtest.mechanics.margin import maintenance, tier_of
from backtest.scenario import Scenario, per_coin

Mixture = tuple[tuple[float, float, float], ...]
LOWEST_LEVERAGE = 0.5  # of a bucket that starts at 0: half of the notional stands against twice its collateral


@dataclass(frozen=True, slots=True, eq=False)
class EntryProfile:
    """Where the positions open at the first mark were entered: one row per bar before it.

    ``prices`` in ticks, ``weights`` traded volume; ``lows`` and ``highs`` are the extremes of the mark, in mark
    quanta, from that bar to the first mark: a position entered in a bar has lived through them.
    """

    prices: Ints
    weights: Floats
    lows: Ints
    highs: Ints


def entry_profile(prices: Ints, weights: Floats, low_marks: Ints, high_marks: Ints) -> EntryProfile | None:
    """Build a profile from bars, oldest first; None where nothing was traded.

    Parameters
    ----------
    prices
        A price of each bar, in ticks.
    weights
        Volume of each bar.
    low_marks, high_marks
        Lowest and highest mark of each bar, in mark quanta.

    Examples
    --------
    The first bar's position has seen 90; the last bar's has not.

    >>> bars = entry_profile(np.array([100, 95, 99]), np.ones(3), np.array([98, 90, 97]), np.array([104, 101, 100]))
    >>> bars.lows.tolist(), bars.highs.tolist()
    ([90, 90, 97], [104, 101, 100])
    """
    if not len(weights) or not float(weights.sum()) > 0:
        return None
    lows, highs = np.minimum.accumulate(low_marks[::-1])[::-1], np.maximum.accumulate(high_marks[::-1])[::-1]
    return EntryProfile(prices, weights, lows, highs)


def synthesize(
    scenario: Scenario,
    instruments: Sequence[Instrument],
    tiers: Sequence[MarginTable],
    mark0: Ints,
    profiles: Sequence[EntryProfile | None],
    inclusive: bool,
    rng: np.random.Generator,
) -> PositionBook:
    """Draw the book of a scenario.

    Positions are split over coins in proportion to open interest, at least two per coin, and half per side (an odd one
    is long); each is an account of its own. Longs and shorts of a coin have equal lots: open interest over the value of
    a lot at the first mark, half to even. The draws of a coin depend on the seed, its name and its number of positions,
    so another coin beside it changes no row of it except through that number and the account ids.

    Sizes are stratified quantiles of a lognormal body with a Pareto tail, capped at a share of the side. Leverage is
    notional over equity at the first mark. Its mixture is filled by notional within one account. Its limit is the
    tier's, and that of a position that breached at no mark since its entry: those who did are not there.

    An entry is a bar of the traded-volume profile or, without one, lognormal around the first mark. Collateral posted
    is equity less the PnL since entry; where that would be below initial margin at the tier's limit, the entry is
    moved towards the first mark until it is that, hence above zero.

    Parameters
    ----------
    tiers
        Per symbol, the maintenance schedule and the highest leverage of each tier.
    mark0
        First mark per symbol, in mark quanta.
    profiles
        Per symbol, the entries; None where the pre-roll is short.
    inclusive
        Liquidation at equity equal to maintenance margin.
    rng
        Used once; the draws of each coin come from children of it.

    Raises
    ------
    ConfigError
        Too few positions for the coins, more positions than lots, a watch account that cannot be.
    """
    usd = [per_coin(scenario.open_interest_usd, item.coin, "open_interest_usd") for item in instruments]
    totals = [_open_lots(usd[k], item, int(mark0[k])) for k, item in enumerate(instruments)]
    counts = _positions_per_coin(scenario.positions, usd, totals, instruments)
    mixes = [_mixture(scenario, item.coin) for item in instruments]
    cohorts = list(dict.fromkeys(bucket_name(row) for mix in mixes for row in mix)) + [WATCH_COHORT] * bool(scenario.watch)
    watch = watch_rows(scenario.watch, instruments, tiers, mark0, inclusive, scenario.positions + 1, len(cohorts) - 1)
    columns = {name: np.empty(scenario.positions + len(scenario.watch), dtype=np.int64) for name in COLUMNS}
    notes: list[str] = list(watch.notes)
    root, row, account = int(rng.integers(2**63)), 0, 1
    for k, item in enumerate(instruments):
        coin_key = int.from_bytes(hashlib.sha256(item.coin.encode()).digest()[:8], "big")
        market = _Market(item, int(mark0[k]), *tiers[k], inclusive, profiles[k])
        codes = np.array([cohorts.index(bucket_name(line)) for line in mixes[k]], dtype=np.int64)
        for side, count in ((1, counts[k] - counts[k] // 2), (-1, counts[k] // 2)):
            stream = np.random.Generator(np.random.PCG64(np.random.SeedSequence([root, coin_key, side + 1])))
            mine = _draw_side(scenario, market, side, count, totals[k], watch.lots(k, side), mixes[k], stream, notes)
            mine["cohort"] = codes[mine["cohort"]]
            mine |= {"account_id": np.arange(account, account + count), "symbol": np.int64(k), "side": np.int64(side)}
            _put(columns, row, count, mine)
            followed = (watch.columns["symbol"] == k) & (watch.columns["side"] == side)
            extra = int(followed.sum())
            _put(columns, row + count, extra, {name: part[followed] for name, part in watch.columns.items()})
            row, account = row + count + extra, account + count
    return assemble(columns, len(instruments), cohorts, "synthetic", watch.names, watch.hedged, list(watch.names), notes)


def _put(columns: dict[str, Ints], row: int, count: int, part: dict[str, Ints]) -> None:
    for name, values in part.items():
        columns[name][row : row + count] = values


def _mixture(scenario: Scenario, coin: str) -> Mixture:
    mix = scenario.leverage_mix.get(coin, scenario.leverage_mix.get("default"))
    if mix is None:
        raise ConfigError(f"leverage_mix has no rows for {coin}; give leverage_mix.{coin} or leverage_mix.default")
    return mix


def bucket_name(row: tuple[float, float, float]) -> str:
    """Return the cohort name of a row of the leverage mixture.

    Examples
    --------
    >>> bucket_name((3.0, 7.0, 0.49)), bucket_name((7.0, 0.0, 0.15))
    ('3-7x', '7x+')
    """
    return f"{row[0]:g}-{row[1]:g}x" if row[1] else f"{row[0]:g}x+"


def _open_lots(usd: float, instrument: Instrument, mark0: int) -> int:
    return half_even(quanta(usd), mark0 * instrument.q_mark)


def _positions_per_coin(positions: int, usd: list[float], totals: list[int], instruments: Sequence[Instrument]) -> list[int]:
    coins = len(instruments)
    if positions < 2 * coins:
        raise ConfigError(f"positions = {positions} for {coins} coins; each needs a long and a short: at least {2 * coins}")
    counts: list[int] = apportion(np.array(usd), positions, 2, positions).tolist()
    for item, count, lots in zip(instruments, counts, totals, strict=True):
        if lots < count - count // 2:
            raise ConfigError(
                f"open_interest_usd of {item.coin} is {base_text(lots, item)} a side, less than a lot for each of its "
                f"{count - count // 2} positions a side; raise it or lower positions"
            )
    return counts


def apportion(weights: Floats, total: int, low: int, high: int) -> Ints:
    """Share out ``total`` in proportion to the weights with every part in [low, high], by largest remainder.

    What the bounds cut off or add is spread over the other parts in proportion. Ties go to the first.

    Examples
    --------
    7.5 is cut to 5, and 1.25 each grows to 2.5: one of the two takes the odd lot.

    >>> apportion(np.array([6.0, 1.0, 1.0]), 10, 1, 5).tolist()
    [5, 3, 2]
    """
    order = np.argsort(weights, kind="stable")
    rising = weights[order]
    sums = np.concatenate([[0.0], np.cumsum(rising)])
    bounds = math.log(low) - math.log(rising[-1]), math.log(high) - math.log(max(rising[0], 1e-300))
    for _ in range(100):  # sum(clip(scale x weight)) rises with the scale
        middle = (bounds[0] + bounds[1]) / 2
        scale = math.exp(middle)
        few, many = np.searchsorted(rising, [low / scale, high / scale])
        held = few * low + (len(rising) - many) * high + scale * float(sums[many] - sums[few])
        bounds = (middle, bounds[1]) if held < total else (bounds[0], middle)
    parts = np.clip(weights * math.exp(bounds[1]), low, high)
    whole = parts.astype(np.int64)
    first = np.argsort(whole - parts, kind="stable")
    while left := total - int(whole.sum()):
        open_to = first[whole[first] < high] if left > 0 else first[::-1][whole[first[::-1]] > low]
        whole[open_to[: abs(left)]] += 1 if left > 0 else -1
    return whole


def _draw_side(
    scenario: Scenario,
    market: _Market,
    side: int,
    count: int,
    total: int,
    watched: int,
    mix: Mixture,
    rng: np.random.Generator,
    notes: list[str],
) -> dict[str, Ints]:
    """Draw one side of one coin: lots, cost, wallet and bucket of each position."""
    where = f"{market.instrument.coin} {'long' if side > 0 else 'short'}"
    cap = math.floor(scenario.size_cap_frac * total)
    if cap < -(-total // count):
        cap = -(-total // count)
        notes.append(f"{where}: {count} positions cannot all be within size_cap_frac {scenario.size_cap_frac:g}; the cap is {cap / total:.3g}")
    lots = apportion(sizes(count, scenario.size_sigma, scenario.size_alpha, scenario.size_tail_frac, rng), total, 1, cap)
    lots = lots[rng.permutation(count)]
    entries, extremes, said = market.entries(side, count, scenario.entry_spread_frac, rng)
    floor = market.least_equity(side, lots, extremes)
    limits = market.value(lots) / floor
    walk = rng.permutation(count)
    bucket, leverage = np.empty(count, dtype=np.int64), np.empty(count)
    bucket[walk] = fill_buckets(lots[walk], limits[walk], mix)
    leverage[walk] = _draw_leverage(lots[walk], limits[walk], bucket[walk], mix, rng)
    ...
