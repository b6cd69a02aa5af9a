"""Market paths of several scenarios, each distinct one built once."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

from backtest.market.path import MarketPath, with_half_life
from backtest.market.shock import market_of
from backtest.run.resolve import Resolved

# Fields on which a market path depends; modelled marks of another half-life are made from it.
OF_MARKET = ("event", "venue", "contract", "coins", "start", "end", "timeframe", "allow_gaps", "allow_suspect",
             "impact", "shock")  # fmt: skip


class Markets:
    """The market paths built last.

    Parameters
    ----------
    most
        Paths that are kept; the oldest goes first.
    """

    def __init__(self, most: int = 64) -> None:
        self.most = most
        self._built: dict[tuple[Any, ...], tuple[float, MarketPath]] = {}
        self._modelled: dict[tuple[Any, ...], MarketPath] = {}

    def of(self, resolved: Resolved) -> MarketPath:
        """Return the market of a scenario, without what no draw reads."""
        scenario = resolved.scenario
        key = tuple(getattr(scenario, name) for name in OF_MARKET)
        if key not in self._built:
            terms = [row for part in resolved.terms for row in part.rows]
            built = market_of(resolved.event, resolved.venue, scenario, terms)
            self._keep(self._built, key, (scenario.mark_half_life_s, replace(built, actual=cast(Any, None))))
        half_life, market = self._built[key]
        if half_life == scenario.mark_half_life_s:
            return market
        other = (*key, scenario.mark_half_life_s)
        if other not in self._modelled:
            self._keep(self._modelled, other, with_half_life(market, scenario.mark_half_life_s))
        return self._modelled[other]

    def _keep(self, kept: dict[tuple[Any, ...], Any], key: tuple[Any, ...], value: Any) -> None:
        while len(kept) >= self.most:
            del kept[next(iter(kept))]
        kept[key] = value
