"""Copies of my positions at other leverages, so small that neither the crowd nor another copy notices them.

My own positions have their full size. For the table by leverage each position is copied once a leverage; all copies of
a coin and side together are at most ``COPIES_FRAC`` of its open interest, smaller than the position if need be, and
stand in the same run. Apart, each leverage is a run of its own with the position in full.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Self

from msgspec.structs import replace

from backtest.book.watch import SIDES, watch_rows
from backtest.errors import ConfigError, UsageError
from backtest.mechanics.exact import QUANTA_PER_USD, exact_sum, ratio
from backtest.run.prepare import Prepared
from backtest.scenario.watched import WatchedPosition
from backtest.venue.margin_table import MarginSchedule
from backtest.venue.settlement import coin_px

COPIES_FRAC = 0.005  # of the open interest of a coin and side: all copies beside my own positions
MOST_FRAC = 0.05  # the same of my own positions together; above it the crowd could not have been what it was
LEVERAGES = (1.0, 2.0, 3.0, 5.0, 7.0, 10.0, 12.0, 15.0, 20.0, 25.0, 40.0, 50.0)
HIGHEST = 1000.0

Pair = tuple[int, int]  # symbol and side


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """A position of mine, or a cross account, at one leverage.

    ``own``: at its own leverage and in full; ``watches`` are its rows under a name that no other copy has, ``factors``
    how many times larger each is in full.
    """

    position: str
    leverage: float
    own: bool
    watches: tuple[WatchedPosition, ...]
    factors: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Packs:
    """Copies by the run they stand in, and notes on leverages that were left out."""

    packs: tuple[tuple[Copy, ...], ...]
    notes: tuple[str, ...]


def check_leverages(leverages: Sequence[float]) -> tuple[float, ...]:
    """Return leverages rising, each once.

    Raises
    ------
    UsageError
        None is given, or one is no leverage.
    """
    wrong = [each for each in leverages if not 0 < each <= HIGHEST]
    if wrong or not leverages:
        what = f"{wrong[0]:g}" if wrong else "none"
        raise UsageError(f"leverages: {what}; allowed are numbers above 0 up to {HIGHEST:g}, such as 1,2,5,10,20")
    return tuple(sorted(set(map(float, leverages))))


def interest_of(prepared: Prepared) -> dict[Pair, float]:
    """Return the open interest of the crowd by symbol and side at the first mark, in USD."""
    book, world, out = prepared.book, prepared.world, {}
    for symbol, contract in enumerate(world.contracts):
        each = contract.value_per_lot(int(world.walk.mark[symbol, 0]))
        for side in SIDES.values():
            mine = book.crowd & (book.symbol == symbol) & (book.side == side)
            out[symbol, side] = exact_sum(book.lots[mine]) * each / QUANTA_PER_USD
    return out


@dataclass(frozen=True, slots=True)
class Market:
    """What decides which copies may stand: a prepared run without positions of mine, its margin tables in quanta."""

    prepared: Prepared
    schedules: tuple[MarginSchedule, ...]

    @classmethod
    def of(cls, prepared: Prepared) -> Self:
        """Return the market of a run."""
        px = coin_px(prepared.market.instruments, prepared.world.walk.mark[:, 0].tolist()) or Fraction(1)
        return cls(prepared, tuple(table.schedule(px) for table in prepared.tables))

    def check(self, watches: Sequence[WatchedPosition]) -> None:
        """Refuse positions that could not be open at the first mark; one line that names the position."""
        prepared = self.prepared
        watch_rows(
            watches, prepared.market.instruments, self.schedules, prepared.world.walk.mark[:, 0],
            inclusive=prepared.resolved.venue.inclusive, first_id=1, cohort=0,
        )  # fmt: skip

    def pair(self, watch: WatchedPosition) -> Pair:
        """Return symbol and side of a position."""
        units = self.prepared.market.instruments
        symbol = next(k for k, unit in enumerate(units) if watch.coin in {unit.coin, unit.symbol})
        return symbol, SIDES[watch.side]

    def lots(self, watch: WatchedPosition) -> int:
        """Return the whole lots of a position."""
        unit = self.prepared.market.instruments[self.pair(watch)[0]]
        return int(ratio(watch.size_base) // Fraction(unit.lot))

    def usd(self, watch: WatchedPosition) -> float:
        """Return the notional of a position at the first mark."""
        symbol, _ = self.pair(watch)
        each = self.prepared.world.contracts[symbol].value_per_lot(int(self.prepared.world.walk.mark[symbol, 0]))
        return self.lots(watch) * each / QUANTA_PER_USD

    def totals(self, watches: Sequence[WatchedPosition]) -> dict[Pair, float]:
        """Return the notional of positions by symbol and side."""
        out: dict[Pair, float] = {}
        for watch in watches:
            pair = self.pair(watch)
            out[pair] = out.get(pair, 0.0) + self.usd(watch)
        return out


def accounts_of(watches: Sequence[WatchedPosition]) -> dict[str, tuple[WatchedPosition, ...]]:
    """Return positions by name: one, or all of a cross account."""
    out: dict[str, tuple[WatchedPosition, ...]] = {}
    for watch in watches:
        out[watch.name] = (*out.get(watch.name, ()), watch)
    return out


def refuse_too_large(market: Market, watches: Sequence[WatchedPosition], interest: Mapping[Pair, float]) -> None:
    """Refuse positions with which the crowd could not have been what it was.

    Raises
    ------
    ConfigError
        They hold more than ``MOST_FRAC`` of the open interest of a coin.
    """
    for (symbol, side), usd in market.totals(watches).items():
        known = interest[symbol, side]
        if usd > MOST_FRAC * known:
            coin = market.prepared.market.instruments[symbol].coin
            sides = {number: name for name, number in SIDES.items()}
            raise ConfigError(
                f"{sides[side]} {coin}: {usd:,.0f} USD of yours are {usd / known:.1%} of the open interest of a side, "
                f"{known:,.0f} USD; allowed: {MOST_FRAC:.0%}, beyond it the others and the prices would not have been "
                "the same; lower the size"
            )


def packs_of(
    market: Market, watches: Sequence[WatchedPosition], leverages: Sequence[float] | None, *, apart: bool
) -> Packs:
    """Return my positions and their copies, by run.

    Parameters
    ----------
    leverages
        Those of the table; None: those of ``LEVERAGES`` that each position may have.
    apart
        A run for each leverage, every position in full.

    Raises
    ------
    ConfigError
        A position, or one at a leverage that was asked for, could not be open at the first mark; they are too large.
    """
    market.check(watches)
    interest = interest_of(market.prepared)
    refuse_too_large(market, watches, interest)
    accounts = accounts_of(watches)
    own = tuple(
        Copy(
            position=name,
            leverage=_leverage_of(rows),
            own=True,
            watches=tuple(replace(row, name=f"{number}") for row in rows),
            factors=(1.0,) * len(rows),
        )
        for number, (name, rows) in enumerate(accounts.items())
    )
    wanted = LEVERAGES if leverages is None else check_leverages(leverages)
    share = _shares(market, watches, interest, len(wanted))
    copies, notes = [], []
    for number, (name, rows) in enumerate(accounts.items()):
        left_out = []
        for leverage in wanted:
            if math.isclose(leverage, _leverage_of(rows)):
                continue  # it stands there in full
            at = tuple(replace(row, name=f"{number} at {leverage:g}x", leverage=leverage) for row in rows)
            try:
                market.check(tuple(replace(row, name=name) for row in at))
            except ConfigError as error:
                if leverages is not None:
                    raise ConfigError(f"{error}, or leave {leverage:g} out of the leverages") from None
                left_out.append((leverage, "in breach" if "in breach" in str(error) else "tier"))
                continue
            smaller = tuple(row if apart else _scaled(market, row, share[market.pair(row)]) for row in at)
            factors = tuple(market.lots(row) / market.lots(small) for row, small in zip(at, smaller, strict=True))
            copies.append(Copy(position=name, leverage=leverage, own=False, watches=smaller, factors=factors))
        notes += _left_out(name, left_out)
        notes += _smaller(name, [copy for copy in copies if copy.position == name])
    if not apart:
        return Packs(((*own, *copies),), tuple(notes))
    by_leverage = [tuple(copy for copy in copies if copy.leverage == leverage) for leverage in wanted]
    return Packs((own, *(pack for pack in by_leverage if pack)), tuple(notes))


def _scaled(market: Market, watch: WatchedPosition, share: float) -> WatchedPosition:
    """Return a position of a share of the size, in whole lots, one at least."""
    lot = market.prepared.market.instruments[market.pair(watch)[0]].lot
    lots = max(int(market.lots(watch) * share), 1)
    return watch if share >= 1 else replace(watch, size_base=float(lots * lot))


def _leverage_of(rows: Sequence[WatchedPosition]) -> float:
    """Return the leverage at entry of all positions of an account together."""
    if len({row.leverage for row in rows}) == 1:
        return rows[0].leverage
    entry = [row.size_base * row.entry_px for row in rows]
    return sum(entry) / sum(value / row.leverage for value, row in zip(entry, rows, strict=True))


def _shares(
    market: Market, watches: Sequence[WatchedPosition], interest: Mapping[Pair, float], count: int
) -> dict[Pair, float]:
    """Return what share of its size a copy has, by symbol and side: all copies together stay below the bound."""
    return {
        pair: min(COPIES_FRAC * interest[pair] / (usd * count), 1.0) for pair, usd in market.totals(watches).items()
    }


def _left_out(name: str, left_out: Sequence[tuple[float, str]]) -> list[str]:
    why = {"tier": "the coin's tier allows less at this size", "in breach": "in breach at the first mark"}
    out = []
    for kind, text in why.items():
        found = [f"{leverage:g}x" for leverage, reason in left_out if reason == kind]
        if found:
            out.append(f"{name}: {', '.join(found)} left out, {text}")
    return out


def _smaller(name: str, copies: Sequence[Copy]) -> list[str]:
    """Return a note where the copies of a position are smaller than it is."""
    factor = max((factor for copy in copies for factor in copy.factors), default=1.0)
    if factor <= 1:
        return []
    text = f"copies of 1/{factor:.3g} of its size stand in one run, together {COPIES_FRAC:.1%} of the open interest"
    return [f"{name}: by leverage, {text} at most; --apart runs each in full"]
