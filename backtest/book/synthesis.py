"""The synthetic book: drawn from a seed, exact in open interest, stated in every assumption.

Per coin and side, in this order: sizes, entries, leverage, collateral. The book is a prior and not a measurement.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from backtest.book.book import COLUMNS, PositionBook, assemble, base_text
from backtest.book.distributions import (
    Mixture,
    _lowest,
    apportion,
    bucket_name,
    fill_buckets,
    level_down,
    leverages,
    sizes,
)
from backtest.book.pairing import check_pairing, pair_accounts
from backtest.book.watch import WATCH_COHORT, watch_rows
from backtest.errors import ConfigError, RangeError
from backtest.mechanics.contract import Contract
from backtest.mechanics.exact import LIMIT, QUANTA_PER_USD, RATE_ONE, Floats, Ints, half_even, mul_rate_up, quanta
from backtest.mechanics.margin import Tiers, maintenance, tier_of
from backtest.mechanics.margin_stepped import steps_up
from backtest.scenario.fields import Scenario
from backtest.scenario.values import per_coin
from backtest.venue.instrument import Instrument
from backtest.venue.margin_table import MarginSchedule

Profile = tuple[Ints, Floats]  # prices in ticks, volume traded there


def synthesize(
    scenario: Scenario,
    instruments: Sequence[Instrument],
    tiers: Sequence[MarginSchedule],
    mark0: Ints,
    *,
    profiles: Sequence[Profile | None],
    lows: Ints | Sequence[Ints],
    highs: Ints | Sequence[Ints],
    inclusive: bool,
    rng: np.random.Generator,
) -> PositionBook:
    """Draw the book of a scenario.

    Positions are split over coins in proportion to open interest, at least two per coin, and half per side (an odd one
    is long); each is an account of its own unless ``positions_per_account`` joins them (``backtest.book.pairing``),
    which changes owners only. Longs and shorts of a coin have equal lots: open interest over the value of a lot at the
    first mark, half to even. The draws of a coin depend on the seed, its name and its number of positions: another coin
    beside it changes no row of it but through that number and the account ids.

    Sizes are stratified quantiles of a lognormal body with a Pareto tail, capped at a share of the side. Leverage is
    notional over equity at the first mark; its mixture is filled by notional within one account. Its limit is that of
    the tier, and of being in breach at no mark since the entry: whoever was is not there.

    Entries follow the traded-volume profile or, without one, a lognormal around the first mark. Collateral posted is
    equity less the PnL since entry; where that would be below initial margin at the tier's limit, the entry is moved
    towards the first mark until it is that, hence above zero.

    Parameters
    ----------
    tiers
        Per symbol, the maintenance schedule and the highest leverage of each tier.
    mark0
        First mark per symbol, in mark quanta.
    profiles
        Per symbol, prices in ticks and volumes of the bars before the first mark; None where that pre-roll is short.
    lows, highs
        Per symbol, lowest and highest mark since entry, in mark quanta: one for the profile or one for each price.
    inclusive
        Liquidation at equity equal to maintenance margin.
    rng
        Used once, for the root of each coin's own generator.

    Raises
    ------
    ConfigError
        Too few positions for the coins, more positions than lots, a watch account that cannot be.
    """
    check_pairing(scenario, len(instruments))
    totals = [_open_lots(scenario, item, int(mark0[k])) for k, item in enumerate(instruments)]
    counts = _positions_per_coin(scenario, totals, instruments)
    mixes = [_mixture(scenario, item.coin) for item in instruments]
    cohorts = list(dict.fromkeys(bucket_name(line) for mix in mixes for line in mix))
    cohorts += [WATCH_COHORT] * bool(scenario.watch)
    watch = watch_rows(
        scenario.watch, instruments, tiers, mark0,
        inclusive=inclusive, first_id=scenario.positions + 1, cohort=len(cohorts) - 1,
    )  # fmt: skip
    columns = {name: np.empty(scenario.positions + len(scenario.watch), dtype=np.int64) for name in COLUMNS}
    notes = list(watch.notes)
    root, row, account = int(rng.integers(2**63)), 0, 1
    for k, item in enumerate(instruments):
        coin = _Coin(
            instrument=item,
            mark0=int(mark0[k]),
            contract=item.contract(int(mark0[k])),
            tiers=tiers[k].tiers,
            limits=tiers[k].leverage_limits,
            inclusive=inclusive,
            profile=profiles[k],
            low=lows[k],
            high=highs[k],
            mix=mixes[k],
        )
        coin_key = int.from_bytes(hashlib.sha256(item.coin.encode()).digest()[:8], "big")
        codes = np.array([cohorts.index(bucket_name(line)) for line in mixes[k]], dtype=np.int64)
        if coin.profile is None:
            spread = f"sigma {scenario.entry_spread_frac:g}"
            notes.append(f"{item.coin}: pre-roll short; entries are lognormal around the first mark, {spread}")
        for side, count in ((1, counts[k] - counts[k] // 2), (-1, counts[k] // 2)):
            stream = np.random.Generator(np.random.PCG64(np.random.SeedSequence([root, coin_key, side + 1])))
            drawn, side_notes = _draw_side(
                scenario, coin, side, count, totals[k], watched=watch.lots(k, side), rng=stream
            )
            drawn["cohort"] = codes[drawn["cohort"]]
            drawn["account_id"] = np.arange(account, account + count)
            drawn |= {"symbol": np.full(count, k), "side": np.full(count, side), "cross": np.full(count, 0)}
            followed = watch.of(k, side)
            for name, column in columns.items():
                column[row : row + count] = drawn[name]
                column[row + count : row + count + len(followed[name])] = followed[name]
            row, account = row + count + len(followed["lots"]), account + count
            notes += side_notes
    if scenario.positions_per_account > 1:
        notes += pair_accounts(scenario, columns, instruments, mark0, root)
    return assemble(
        columns, len(instruments), cohorts, "synthetic",
        names=watch.names, hedged=watch.hedged, watched=list(watch.names), notes=notes,
    )  # fmt: skip


def _mixture(scenario: Scenario, coin: str) -> Mixture:
    mix = scenario.leverage_mix.get(coin, scenario.leverage_mix.get("default"))
    if mix is None:
        raise ConfigError(f"leverage_mix has no rows for {coin}; give leverage_mix.{coin} or leverage_mix.default")
    return mix


def _open_lots(scenario: Scenario, instrument: Instrument, mark0: int) -> int:
    """Return open interest of one side in lots at the first mark."""
    usd = per_coin(scenario.open_interest_usd, instrument.coin, "open_interest_usd")
    each = instrument.contract(mark0).value_per_lot(mark0)
    lots = half_even(quanta(usd), each)
    if lots < 1:
        least = each / QUANTA_PER_USD
        raise ConfigError(f"open_interest_usd of {instrument.coin} is {usd:g}, below one lot; give at least {least:g}")
    return lots


def _positions_per_coin(scenario: Scenario, totals: list[int], instruments: Sequence[Instrument]) -> list[int]:
    coins = len(instruments)
    if scenario.positions < 2 * coins:
        need = f"each needs a long and a short: at least {2 * coins}"
        raise ConfigError(f"positions = {scenario.positions} for {coins} coins; {need}")
    usd = np.array([per_coin(scenario.open_interest_usd, item.coin, "open_interest_usd") for item in instruments])
    counts: list[int] = apportion(usd, scenario.positions, 2, scenario.positions).tolist()
    for item, count, lots in zip(instruments, counts, totals, strict=True):
        if lots < count - count // 2:
            raise ConfigError(
                f"open_interest_usd of {item.coin} is {base_text(lots, item)} a side, less than a lot for each of "
                f"{count - count // 2} positions; raise it or lower positions"
            )
    return counts


@dataclass(frozen=True, slots=True, eq=False)
class _Coin:
    """What the draws of one coin need."""

    instrument: Instrument
    mark0: int
    contract: Contract
    tiers: Tiers
    limits: tuple[float, ...]
    inclusive: bool
    profile: Profile | None
    low: Ints
    high: Ints
    mix: Mixture

    def value(self, lots: Ints) -> Ints:
        """Return notional at the first mark, in quanta."""
        return lots * self.contract.value_per_lot(self.mark0)

    def initial_rate_e9(self, lots: Ints) -> Ints:
        """Return initial margin over notional at the highest leverage of each position's tier, in 1e-9."""
        rates = np.array([math.ceil(RATE_ONE / limit) for limit in self.limits], dtype=np.int64)
        return rates[tier_of(self.value(lots), self.tiers)]

    def least_equity(self, lots: Ints, side: int, extremes: Ints, entry_value: Ints) -> Ints:
        """Return the least equity at the first mark: initial margin, and no breach at the worst mark since entry."""
        worst, sign = lots * self.contract.values_per_lot(extremes), side * self.contract.value_sign
        # an entry value that moves towards the first mark ends at most where that is
        most = np.maximum(entry_value, self.value(lots)) + 1
        required = maintenance(self.tiers.notional(worst, most), self.tiers)
        survival = required + int(self.inclusive) - sign * (worst - self.value(lots))
        if sign > 0 and steps_up(self.tiers):  # where a tier above the worst mark begins, a long needs more than there
            for floor, rate in zip(self.tiers.floors.tolist(), self.tiers.rates_e9.tolist(), strict=True):
                passed = (worst < floor) & (floor <= self.value(lots))
                need = -(-floor * rate // RATE_ONE) + int(self.inclusive) - (floor - self.value(lots))
                survival = np.where(passed, np.maximum(survival, need), survival)
        return np.maximum(mul_rate_up(self.value(lots), self.initial_rate_e9(lots)), survival)

    def entries(self, side: int, count: int, spread: float, rng: np.random.Generator) -> tuple[Ints, Ints]:
        """Draw entry prices in ticks, and the worst mark since each entry for this side."""
        if self.profile is None:
            ticks = self.mark0 / self.instrument.mark_per_tick * np.exp(spread * rng.standard_normal(count))
            return np.maximum(np.rint(ticks), 1.0).astype(np.int64), np.full(count, self.mark0)
        prices, volumes = self.profile
        sums = np.cumsum(volumes)
        bar = np.minimum(np.searchsorted(sums, rng.random(count) * sums[-1], side="right"), len(sums) - 1)
        worst = np.minimum(self.low, self.mark0) if side > 0 else np.maximum(self.high, self.mark0)
        return prices[bar], np.broadcast_to(worst, prices.shape)[bar]


def _draw_side(
    scenario: Scenario, coin: _Coin, side: int, count: int, total: int, *, watched: int, rng: np.random.Generator
) -> tuple[dict[str, Ints], list[str]]:
    """Draw one side of one coin: lots, entry value, collateral and bucket of each position, and notes on them."""
    item, notes = coin.instrument, []
    where = f"{item.coin} {'long' if side > 0 else 'short'}"
    cap_frac = scenario.size_cap_frac
    cap = max(math.floor(cap_frac * total), -(-total // count))
    if cap > cap_frac * total:
        least_cap = f"the least that {count} can hold, {cap / total:.3g}"
        notes.append(f"{where}: the largest share is not size_cap_frac {cap_frac:g} but {least_cap}")
    weights = sizes(count, scenario.size_sigma, scenario.size_alpha, scenario.size_tail_frac, rng)
    lots = apportion(weights, total, 1, cap)[rng.permutation(count)]
    entries, worst = coin.entries(side, count, scenario.entry_spread_frac, rng)
    ends = [int(end) * item.mark_per_tick for end in (entries.min(), entries.max())]
    if total * max(map(coin.contract.value_per_lot, [*ends, int(worst.min()), int(worst.max()), coin.mark0])) >= LIMIT:
        fix = "lower open_interest_usd or entry_spread_frac"
        at = "lowest" if item.inverse else "highest"
        raise RangeError(f"{where}: open interest at the {at} entry is too large for 64-bit integers; {fix}")
    entered = coin.contract.values_per_lot(entries * item.mark_per_tick)
    least = coin.least_equity(lots, side, worst, lots * entered)
    limits = coin.value(lots) / least
    walk, bucket, leverage = rng.permutation(count), np.empty(count, dtype=np.int64), np.empty(count)
    bucket[walk] = fill_buckets(lots[walk], limits[walk], coin.mix)
    leverage[walk] = leverages(lots[walk], limits[walk], bucket[walk], coin.mix, rng)
    notes += _misses(where, lots, limits, bucket, coin.mix)
    if watched:
        mine = f"{base_text(watched, item)} of watch accounts"
        if watched > total - count:
            fix = f"{count} others need a lot each; lower size_base or raise open_interest_usd"
            raise ConfigError(f"{where}: {mine} in {base_text(total, item)} of open interest; {fix}")
        notes.append(f"{where}: {mine} taken from the largest other positions")
        lots = level_down(lots, watched)
        least = coin.least_equity(lots, side, worst, lots * entered)
    value = coin.value(lots)
    equity = np.maximum(least, np.ceil(value / leverage).astype(np.int64))
    sign = side * coin.contract.value_sign
    entry_value = _entry_value_within_margin(coin, sign, lots, lots * entered, equity)
    return {
        "lots": lots,
        "entry_value": entry_value,
        "collateral": equity + sign * (entry_value - value),
        "cohort": bucket,
    }, notes


def _entry_value_within_margin(coin: _Coin, sign: int, lots: Ints, entry_value: Ints, equity: Ints) -> Ints:
    """Move entry values towards the first mark until collateral posted is initial margin, and above zero.

    Collateral is equity + sign x (entry value - value), initial margin is rate x entry value: the bound solves for the
    entry value. ``sign`` is the sign of the position's value: its side, of an inverse contract the other.
    """
    value, rate = coin.value(lots), coin.initial_rate_e9(lots) / RATE_ONE
    if sign > 0:
        least = np.ceil(np.maximum(value - equity, 0) / np.maximum(1 - rate, 1e-9)).astype(np.int64)
        higher: Ints = np.maximum(entry_value, np.maximum(least, value - equity + 1))
        return higher
    most = np.floor((value + equity) / (1 + rate)).astype(np.int64)
    lower: Ints = np.minimum(entry_value, np.minimum(most, value + equity - 1))
    return lower


def _misses(where: str, lots: Ints, limits: Floats, bucket: Ints, mix: Mixture) -> list[str]:
    """Return notes where limits kept positions from the shares of the mixture or from their bucket."""
    total, largest = int(lots.sum()), int(lots.max())
    why = "tier limits and the path since entry allow no more"
    notes = []
    for k, line in enumerate(mix):
        rows = bucket == k
        have, low = int(lots[rows].sum()), int((limits[rows] < _lowest(line)).sum())
        if abs(have - line[2] * total) > largest:
            notes.append(f"{where}: {bucket_name(line)} holds {have / total:.3f} of notional, not {line[2]:.3f}; {why}")
        if low:
            notes.append(f"{where}: positions of {bucket_name(line)} with less leverage than that: {low:,}; {why}")
    return notes
