"""The synthetic book: drawn from a seed, exact in open interest, stated in every assumption.

Accounts are drawn: how many hold one coin and which coins the others hold (``backtest.book.holders``), their sizes and
entries coin by coin (``sides``), their leverage (``leverage``), then the collateral of each position. The book is a
prior and not a measurement.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from backtest.book.book import COLUMNS, PositionBook, assemble, base_text
from backtest.book.coin import CoinTerms, Profile
from backtest.book.cross_draw import CrossDraw
from backtest.book.distributions import apportion
from backtest.book.holders import cross_share
from backtest.book.leverage import Mixes, draw_leverage
from backtest.book.sides import LEVERAGE, SIDES, Side, account_sizes, stream_of
from backtest.book.watch import watch_rows
from backtest.errors import ConfigError
from backtest.mechanics.exact import QUANTA_PER_USD, Ints, half_even, quanta, ratio
from backtest.scenario.fields import Scenario
from backtest.scenario.values import per_coin
from backtest.venue.instrument import Instrument
from backtest.venue.margin_table import MarginSchedule


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
    relative_leverage: Sequence[float] | None = None,
) -> PositionBook:
    """Draw the book of a scenario.

    Longs and shorts of a coin have equal lots: open interest over the value of a lot at the first mark, half to even.
    A share ``cross_frac`` of them, half to even, is in cross accounts of several coins (``backtest.book.holders``);
    the rest is alone, each position an account of its own. Positions alone are split over coins in proportion to open
    interest, at least two per coin, and half per side (an odd one is long). Where no account holds several coins, the
    draws of a coin depend on the seed, its name and its number of positions: another coin beside it changes no row of
    it but through that number and the account ids.

    Sizes are stratified quantiles of a lognormal body with a Pareto tail, capped at a share of the side. Leverage is
    one draw an account, notional over equity at the first mark; the mixture of its side is filled by notional within
    one account, coin by coin for positions alone, over all cross accounts of a side. A hedged account has the side of
    its coin of largest open interest; where coins differ in their mixture, a cross account has that of its largest
    position. The draw is multiplied by (highest leverage of the coin, relative) ^ ``leverage_exponent``; the equity of
    a cross account is the sum over its positions. Its limit is that of the tiers, and of being in breach at no mark
    since the entry: whoever was is not there.

    Entries follow the traded-volume profile or, without one, a lognormal around the first mark. A position of a cross
    account has its least equity and its share by notional of what the account has beyond. Collateral posted is equity
    less the PnL since entry; where that would be below initial margin at the tier's limit, the entry is moved towards
    the first mark until it is that, hence above zero. So every position is solvent by itself.

    Watched positions come on top: no other position changes by them, and the market holds the other side of theirs.

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
        Used once, for the root of all other generators.
    relative_leverage
        Per symbol, the highest leverage at the venue whose book it is, in units in which BTC has 2; None: the highest
        of its tiers over 20.

    Raises
    ------
    ConfigError
        Too few positions for the coins, more positions than lots, a watch account that cannot be.
    """
    coins = [
        CoinTerms(
            instrument=item, mark0=int(mark0[k]), contract=item.contract(int(mark0[k])), tiers=tiers[k].tiers,
            limits=tiers[k].leverage_limits, inclusive=inclusive, profile=profiles[k], low=lows[k], high=highs[k],
            relative_leverage=None if relative_leverage is None else relative_leverage[k],
        )
        for k, item in enumerate(instruments)
    ]  # fmt: skip
    share, each, notes = cross_share(scenario, len(coins))
    interest = [per_coin(scenario.open_interest_usd, item.coin, "open_interest_usd") for item in instruments]
    totals = [_open_lots(coin, usd) for coin, usd in zip(coins, interest, strict=True)]
    sides = [Side(k, coin, s, totals[k], _part(totals[k], share)) for k, coin in enumerate(coins) for s in SIDES]
    root = int(rng.integers(2**63))
    cross = CrossDraw.of(scenario, share, each, interest, root) if share else None
    counts = _positions_alone(scenario, sides[::2], interest, cross)
    mixes = Mixes.of(scenario, [item.coin for item in instruments])
    watch = watch_rows(
        scenario.watch, instruments, tiers, mark0,
        inclusive=inclusive, first_id=scenario.positions + 1, cohort=len(mixes.cohorts) - 1,
    )  # fmt: skip
    notes = [*watch.notes, *watch.added(instruments), *notes]
    first = 1
    for side, count in zip(sides, counts, strict=True):
        _draw_alone(scenario, side, count, first, mixes, root)
        first += count
    if cross:
        notes += cross.draw(sides, mixes, first)
    parts = {name: list[Ints]() for name in COLUMNS}
    equities = [side.equity() for side in sides]
    if cross:
        cross.share_equity(sides, equities)
    for side, equity in zip(sides, equities, strict=True):
        drawn, followed = side.columns(equity), watch.of(side.symbol, side.side)
        for name, column in parts.items():
            column += [drawn[name], followed[name]]
        if side.side > 0 and side.coin.profile is None:
            spread = f"sigma {scenario.entry_spread_frac:g}"
            notes.append(f"{side.name}: pre-roll short; entries are lognormal around the first mark, {spread}")
        notes += side.notes
    return assemble(
        {name: np.concatenate(column) for name, column in parts.items()},
        len(instruments), mixes.cohorts, "synthetic",
        names=watch.names, hedged=watch.hedged, watched=list(watch.names), notes=notes,
    )  # fmt: skip


def _draw_alone(scenario: Scenario, side: Side, count: int, first: int, mixes: Mixes, root: int) -> None:
    """Draw the positions alone of one side of a coin, accounts from ``first`` on."""
    if not count:
        return
    stream = stream_of(root, side.key, side.side + 1)
    crossed = side.crossed > 0
    weights = account_sizes(scenario, count, stream, crossed=crossed)
    lots = side.share_out(scenario, weights, side.total - side.crossed)[stream.permutation(count)]
    side.add(scenario, lots, np.arange(first, first + count), stream)
    mix = mixes.of_side(side.side)[side.symbol]
    drawn = draw_leverage(
        side.where,
        lots,
        side.value() / side.least(),
        side.coin.leverage_factor(scenario.leverage_exponent),
        mix,
        stream,
        by_size=stream_of(root, side.key, side.side + 1, LEVERAGE) if crossed else None,
        neutral_frac=scenario.delta_neutral_frac if side.side < 0 else 0.0,
    )
    side.cohort, side.leverage = mixes.codes(mix, drawn.bucket), drawn.leverage
    side.notes += drawn.notes


def _part(lots: int, share: float) -> int:
    """Return a share of lots, half to even."""
    exact = ratio(share)
    return half_even(exact.numerator * lots, exact.denominator)


def _open_lots(coin: CoinTerms, usd: float) -> int:
    """Return open interest of one side in lots at the first mark."""
    each = coin.contract.value_per_lot(coin.mark0)
    lots = half_even(quanta(usd), each)
    if lots < 1:
        least, name = each / QUANTA_PER_USD, coin.instrument.coin
        raise ConfigError(f"open_interest_usd of {name} is {usd:g}, below one lot; give at least {least:g}")
    return lots


def _positions_alone(
    scenario: Scenario, longs: Sequence[Side], interest: Sequence[float], cross: CrossDraw | None
) -> list[int]:
    """Return the number of positions alone of each side: long and short of the first coin, then of the next."""
    coins, rest = len(longs), scenario.positions - (cross.holders.rows if cross else 0)
    if scenario.positions < 2 * coins:
        need = f"each needs a long and a short: at least {2 * coins}"
        raise ConfigError(f"positions = {scenario.positions} for {coins} coins; {need}")
    counts = [0] * coins
    if any(side.total > side.crossed for side in longs):
        counts = apportion(np.array(interest), rest, 2, rest).tolist()
    for k, (side, count) in enumerate(zip(longs, counts, strict=True)):
        held = len(cross.holders.ranks[k]) if cross else 0
        if side.total - side.crossed < count - count // 2 or side.crossed < held:
            raise ConfigError(
                f"open_interest_usd of {side.name} is {base_text(side.total, side.coin.instrument)} a side, less than "
                f"a lot for each of {count - count // 2 + held} positions; raise it or lower positions"
            )
    return [half for count in counts for half in (count - count // 2, count // 2)]
