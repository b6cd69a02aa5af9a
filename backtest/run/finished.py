"""A run that has ended, before it is turned into tables or numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from backtest.book.book import PositionBook
from backtest.engine.run import Outcome
from backtest.market.path import MarketPath


@dataclass(frozen=True, slots=True)
class Finished:
    """A run that has ended: where it started from and what was recorded. The walk began at ``first_bar``."""

    run_id: str
    market: MarketPath
    book: PositionBook
    outcome: Outcome
    first_bar: int
    facts: Mapping[str, Any]  # the columns of ``runs`` that say what was run
