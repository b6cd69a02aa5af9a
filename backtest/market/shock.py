"""A deeper or a shallower fall: every coin's prices below its first one, moved by a factor on the logarithm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from backtest.market.inputs import InputSeries
from backtest.market.mark_model import model_mark
from backtest.market.path import MarketPath, build_market, path_digest
from backtest.mechanics.exact import Ints
from backtest.mechanics.path import OPEN
from backtest.scenario.fields import Scenario

if TYPE_CHECKING:
    from backtest.catalogue.events import CrashEvent
    from backtest.venue.profile import VenueProfile


def market_of(
    event: CrashEvent, profile: VenueProfile, scenario: Scenario, terms: Sequence[InputSeries] = ()
) -> MarketPath:
    """Build the market path of a scenario from the tape, its falls as deep as ``shock`` makes them."""
    market = build_market(event, profile, scenario, terms)
    return market if scenario.shock == 1 else shocked(market, scenario.shock, scenario.mark_half_life_s)


def shocked(market: MarketPath, factor: float, half_life_s: float) -> MarketPath:
    """Return the market whose falls below the first price walked are ``factor`` times as deep in logarithms.

    A price p below the first one, P, becomes P x (p / P) ^ ``factor``, to the tick, at least one. Prices at or above P,
    volumes, order books, funding and the bars before the first one stay, so that the same book is drawn. Measured marks
    fall by their own first mark; modelled ones follow from the trades.

    Parameters
    ----------
    half_life_s
        That of the model of marks.
    """
    first = market.core_bar if all(profile is not None for profile in market.entry_profiles) else 0
    trade, mark = market.trade.copy(), market.mark.copy()
    for s, unit in enumerate(market.instruments):
        trade[s, first:] = deepened(trade[s, first:], int(trade[s, first, OPEN]), factor)
        if market.modelled[s]:
            mark[s] = model_mark(trade[s], market.bar_s, half_life_s, unit.mark_per_tick)
        else:
            mark[s, first:] = deepened(mark[s, first:], int(mark[s, first, OPEN]), factor)
    digest = path_digest(f"{market.digest} shock {factor!r}", trade, mark)
    note = f"every coin's fall below its first price is {factor:g} times that of the tape, in logarithms"
    return replace(market, trade=trade, mark=mark, digest=digest, notes=(*market.notes, note))


def deepened(prices: Ints, first: int, factor: float) -> Ints:
    """Return prices whose falls below the first one are ``factor`` times as deep in logarithms.

    Examples
    --------
    Half of 1000 becomes a quarter, a tenth a hundredth; what stands above stays.

    >>> deepened(np.array([1000, 500, 100, 1200]), 1000, 2.0).tolist()
    [1000, 250, 10, 1200]
    """
    below = prices < first
    moved = first * (np.maximum(prices, 1) / first) ** factor
    out: Ints = np.where(below, np.clip(np.rint(moved), 1, first), prices).astype(np.int64)
    return out
