"""The accounts of a drawn book: how many hold one coin, and which coins each cross account holds.

A share ``cross_frac`` of the lots of every coin and side is in cross accounts of several coins, the rest is alone: one
position an account. Accounts of both kinds have the same mean size as far as whole numbers allow. Cross accounts are
made in pairs of equal rank and equal coins, one long and one short, rank 1 the largest:

1. K positions a side in A pairs, K / A as near to ``positions_per_account`` as whole numbers allow, each pair two or
   more. K is shared out over the coins by open interest, at most A each.
2. Coin by coin, in falling open interest, consecutive places of one order of the pairs hold it, going on where the coin
   before ended: the number of coins differs by at most one between pairs. The order goes round the ranks in steps of
   the golden section, so that every coin is held evenly at all ranks.
3. Sizes are drawn by account and side. A coin's lots are shared out over its holders by size; inside the bands of ranks
   1, 2-3, 4-7, 8-15 ... the sizes are shuffled, coin by coin, so that portfolios differ.
4. In ``hedged_frac`` of the pairs every second coin's positions change places: the long account holds the short and
   the other way round. Hedged pairs are spread evenly over the ranks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from backtest.book.distributions import GOLDEN, apportion
from backtest.errors import ConfigError
from backtest.mechanics.exact import Bools, Ints, half_even, ratio
from backtest.scenario.fields import BY_NAME, Scenario


@dataclass(frozen=True, slots=True, eq=False)
class Holders:
    """Cross accounts by coin.

    Attributes
    ----------
    pairs
        Number of pairs; the long account of pair p is p, its short account ``pairs`` + p.
    ranks
        Per coin, the pairs that hold it, rising: rank 0 is the largest.
    exchanged
        Per coin and holder, whether its long is held by the short account and the other way round.
    hedged
        Pairs that hold longs and shorts.
    """

    pairs: int
    ranks: tuple[Ints, ...]
    exchanged: tuple[Bools, ...]
    hedged: Bools

    def accounts(self, coin: int, side: int) -> Ints:
        """Return the account of each holder of a coin's longs or shorts."""
        short = self.exchanged[coin] ^ (side < 0)
        return self.ranks[coin] + self.pairs * short

    @property
    def rows(self) -> int:
        """Return the number of their positions, both sides."""
        return 2 * sum(map(len, self.ranks))


def cross_share(scenario: Scenario, coins: int) -> tuple[float, float, list[str]]:
    """Return share of notional in cross accounts, mean positions of such an account, and notes on what has no effect.

    A note is on a field that has another value than its default: of a default nobody expects an effect.

    Raises
    ------
    ConfigError
        Fewer than two positions an account.
    """
    share, each = scenario.cross_frac, scenario.positions_per_account
    notes = []
    if share and coins == 1:
        if _stated(scenario, "cross_frac"):
            notes.append(f"cross_frac = {share:g} has no effect: one coin is simulated, and no account holds several")
        share = 0.0
    if share and each < 2:
        raise ConfigError(
            f"cross_frac = {share:g} with positions_per_account = {each:g}; accounts of several coins hold 2 or more: "
            "set positions_per_account to 2 or more, or cross_frac to 0"
        )
    if share and each > coins:
        if _stated(scenario, "positions_per_account"):
            notes.append(
                f"accounts of several coins hold {coins} and not positions_per_account {each:g}: no more coins"
            )
        each = float(coins)
    if scenario.hedged_frac and not share and _stated(scenario, "hedged_frac"):
        notes.append(f"hedged_frac = {scenario.hedged_frac:g} has no effect: no account holds several coins")
    return share, each, notes


def _stated(scenario: Scenario, field: str) -> bool:
    return bool(getattr(scenario, field) != BY_NAME[field].default)


def draw_holders(
    scenario: Scenario, share: float, each: float, interest: Sequence[float], rng: np.random.Generator
) -> Holders:
    """Draw which coins the cross accounts hold; see the module for the rule.

    Parameters
    ----------
    share, each
        Share of notional, above zero, and mean positions of an account, from `cross_share`.
    interest
        Open interest of each coin in USD.
    """
    coins, side = len(interest), scenario.positions // 2
    most = side if share == 1 else side - coins  # each coin has a position alone too
    if most < coins:
        need = 2 * coins if share == 1 else 4 * coins
        raise ConfigError(
            f"positions = {scenario.positions} for {coins} coins with cross_frac = {share:g}; each coin and side needs "
            f"a position {'in a cross account' if share == 1 else 'in a cross account and one alone'}: at least {need}"
        )
    positions = min(max(round(side * share * each / (1 - share + share * each)), coins), most)
    pairs = min(max(round(positions / each), -(-positions // coins)), positions // 2)
    positions = min(positions, coins * pairs)  # of two coins every pair holds both: an even number
    counts = apportion(np.array(interest), positions, 1, pairs)
    around = np.argsort(np.argsort((rng.random() + np.arange(pairs) * GOLDEN) % 1.0))
    hedged = _spread(scenario.hedged_frac, pairs, rng)
    held, start = np.zeros(pairs, dtype=np.int64), 0
    ranks, exchanged = [np.empty(0, dtype=np.int64)] * coins, [np.empty(0, dtype=np.bool_)] * coins
    for k in sorted(range(coins), key=lambda k: -interest[k]):
        count = int(counts[k])
        holders = np.sort(around[(start + np.arange(count)) % pairs])
        start += count
        held[holders] += 1
        ranks[k], exchanged[k] = holders, hedged[holders] & (held[holders] % 2 == 0)
    return Holders(pairs, tuple(ranks), tuple(exchanged), hedged)


def shuffled(count: int, rng: np.random.Generator) -> Ints:
    """Return the ranks 0 to count - 1 shuffled inside the bands of the ranks 1, 2-3, 4-7 ... counted from 1."""
    band = np.frexp(np.arange(1, count + 1))[1]
    return np.argsort(band + rng.random(count), kind="stable")


def _spread(share: float, count: int, rng: np.random.Generator) -> Bools:
    """Return a mask of round(share x count) ranks, evenly spread and shuffled inside bands."""
    exact = ratio(share)
    taken = half_even(exact.numerator * count, exact.denominator)
    even = np.diff((np.arange(count + 1) * taken + int(rng.integers(count))) // count) > 0
    mask: Bools = even[shuffled(count, rng)]
    return mask
