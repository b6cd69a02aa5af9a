"""Positions of different coins joined to accounts: only who owns them changes, no size, entry or collateral.

A book drawn with ``positions_per_account`` above 1 holds the very positions of the book drawn without it. Accounts are
made in pairs of equal rank and equal coins, one long and one short, the largest first:

1. A is the largest number of pairs for which the coins have enough positions: with N_c the lesser of a coin's longs and
   shorts, the largest A with sum of min(N_c, A) >= A x ``positions_per_account``.
2. Coin by coin, min(N_c, A) pairs hold it: consecutive places of one random order of the pairs, going on where the coin
   before ended. So the number of coins differs by at most one between pairs, and the mean is that asked for.
3. On each side the coin's largest positions by notional go to its pairs, largest to largest; inside the bands of ranks
   1, 2-3, 4-7, 8-15 ... they are shuffled.
4. In ``hedged_frac`` of the pairs every second coin's positions change places: the long account holds the short and
   the other way round.
5. ``cross_frac`` of the pairs are in cross margin. Hedged and cross pairs are spread evenly over the ranks.

The account takes the lowest id of its positions. Positions left over stay accounts of their own, the smallest of their
side. Every position is solvent by itself, so no account is in breach at the first mark.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from backtest.book.accounts import cross_accounts, lot_values
from backtest.errors import ConfigError
from backtest.mechanics.exact import Bools, Ints, half_even, ratio
from backtest.scenario.fields import Scenario
from backtest.venue.instrument import Instrument

KEY = 3  # of the generator that joins positions; a coin and side have keys of three numbers, this one of two


@dataclass(frozen=True, slots=True, eq=False)
class AccountPairing:
    """Owner and margin mode of each position, with notes on them."""

    account_id: Ints
    cross: Bools
    notes: tuple[str, ...]


def check_pairing(scenario: Scenario, coins: int) -> None:
    """Refuse shares of accounts that do not exist, and more positions an account than coins."""
    each = scenario.positions_per_account
    if each > coins:
        many = f"positions_per_account = {each:g} with {coins} coin{'s' * (coins > 1)}"
        raise ConfigError(f"{many}; an account holds one position a coin: allowed 1 to {coins}, or name more coins")
    for name in ("cross_frac", "hedged_frac"):
        if getattr(scenario, name) and each == 1:
            raise ConfigError(
                f"{name} = {getattr(scenario, name):g}, but no account holds several coins; "
                "set positions_per_account above 1"
            )


def pair_accounts(
    scenario: Scenario, columns: dict[str, Ints], instruments: Sequence[Instrument], mark0: Ints, root: int
) -> tuple[str, ...]:
    """Join the positions of a drawn book, in place, by a generator of their own; those to watch stay as they are."""
    mine = columns["account_id"] <= scenario.positions
    account, symbol, side, lots = (columns[name][mine] for name in ("account_id", "symbol", "side", "lots"))
    stream = np.random.Generator(np.random.PCG64(np.random.SeedSequence([root, KEY])))
    value, coins = lots * lot_values(instruments, mark0)[symbol], [item.coin for item in instruments]
    pairing = join(account, symbol, side, value, coins, scenario, stream)
    columns["account_id"][mine], columns["cross"][mine] = pairing.account_id, pairing.cross
    return pairing.notes


def join(
    account: Ints, symbol: Ints, side: Ints, value: Ints, coins: Sequence[str], scenario: Scenario,
    rng: np.random.Generator,
) -> AccountPairing:  # fmt: skip
    """Join positions, each an account of its own so far, to accounts; see the module for the rule.

    Parameters
    ----------
    value
        Notional at the first mark, in quanta.
    coins
        Names of the symbols.
    """
    held = {(k, s): np.flatnonzero((symbol == k) & (side == s)) for k in range(len(coins)) for s in (1, -1)}
    enough = [min(len(held[k, 1]), len(held[k, -1])) for k in range(len(coins))]
    pairs = pair_count(enough, ratio(scenario.positions_per_account))
    around, start = rng.permutation(pairs), 0
    hedged = _spread(ratio(scenario.hedged_frac), pairs, rng)
    coins_of = np.zeros(pairs, dtype=np.int64)
    group = -1 - np.arange(len(account))  # of positions that stay alone
    for k, most in enumerate(enough):
        count = min(most, pairs)
        holders = np.sort(around[(start + np.arange(count)) % pairs])
        start += count
        coins_of[holders] += 1
        exchanged = hedged[holders] & (coins_of[holders] % 2 == 0)
        for s in (1, -1):
            rows = held[k, s]
            ranked = rows[np.argsort(-value[rows], kind="stable")][:count]
            group[ranked[_shuffled(count, rng)]] = 2 * holders + ((s < 0) ^ exchanged)
    ids, place = np.unique(group, return_inverse=True)
    lowest = np.full(len(ids), np.iinfo(np.int64).max)
    np.minimum.at(lowest, place, account)
    crossed = _spread(ratio(scenario.cross_frac), pairs, rng) & (coins_of > 1)
    cross = (group >= 0) & crossed[np.maximum(group, 0) // 2]
    return AccountPairing(lowest[place], cross, tuple(_notes(lowest[place], symbol, side, value, cross, coins)))


def pair_count(enough: Sequence[int], each: Fraction) -> int:
    """Return the largest number of pairs A for which sum(min(N, A)) >= A x each.

    Examples
    --------
    Of 60 and 40 positions, 40 pairs can hold two each; with 1.5 each, 66 pairs hold 100 >= 99.

    >>> pair_count([60, 40], Fraction(2)), pair_count([60, 40], Fraction(3, 2))
    (40, 66)
    """
    low, high = 1, sum(enough) + 1
    while high - low > 1:  # the sum is concave in A: once too small, it stays so
        middle = (low + high) // 2
        fits = sum(min(most, middle) for most in enough) >= middle * each
        low, high = (middle, high) if fits else (low, middle)
    return low


def _shuffled(count: int, rng: np.random.Generator) -> Ints:
    """Return the ranks 0 to count - 1 shuffled inside the bands of the ranks 1, 2-3, 4-7 ... counted from 1."""
    band = np.frexp(np.arange(1, count + 1))[1]
    return np.argsort(band + rng.random(count), kind="stable")


def _spread(share: Fraction, count: int, rng: np.random.Generator) -> Bools:
    """Return a mask of round(share x count) ranks, evenly spread and shuffled inside bands."""
    taken = half_even(share.numerator * count, share.denominator)
    even = np.diff((np.arange(count + 1) * taken + int(rng.integers(count))) // count) > 0
    mask: Bools = even[_shuffled(count, rng)]
    return mask


def _notes(account: Ints, symbol: Ints, side: Ints, value: Ints, cross: Bools, coins: Sequence[str]) -> list[str]:
    """Return notes on accounts of several coins and on the share in cross margin."""
    _, place, count = np.unique(account, return_inverse=True, return_counts=True)
    longs = np.bincount(place[side > 0], minlength=len(count))
    several = count > 1
    both = several & (longs > 0) & (longs < count)
    several_coins = (
        f"accounts of several coins: {int(several.sum()):,} with {int(count[several].sum()):,} of {len(account):,}"
    )
    notes = [f"{several_coins} positions, {int(both.sum()):,} of them long and short"]
    if cross.any():
        whole = cross_accounts(account, cross)
        notional = value.astype(np.float64)
        shares = [f"{coin} {notional[cross & (symbol == k)].sum() / notional[symbol == k].sum():.3f}"
                  for k, coin in enumerate(coins)]  # fmt: skip
        notes.append(
            f"cross accounts: {len(whole.ids):,} with {len(whole.rows):,} of {len(account):,} positions; share of "
            f"notional {', '.join(shares)}"
        )
    return notes
