"""Rows of the lake from ccxt's rows: columns picked, volumes and open interest turned into base units and dollars."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import chain
from typing import Any

import numpy as np

from backtest.fetch.rest.markets import Market
from backtest.lake.availability import Availability
from backtest.mechanics.exact import Floats


def lake_rows(rows: Sequence[Any], entry: Availability, market: Market) -> Floats:
    """Return ccxt's rows as an array: ``ts`` in milliseconds, then the columns of the lake; nan for what is unknown."""
    if entry.series.endswith("ohlcv"):
        table = array_of(rows, 6)
        if entry.series != "ohlcv":
            table[:, 5] = 0.0  # a mark has no volume, whatever stands in its place
        else:
            table[:, 5] *= _volume_factor(entry, market, table)
        return table
    if entry.series == "funding":
        return array_of([(row["timestamp"], row["fundingRate"]) for row in rows], 2)
    if entry.series == "long_short_ratio":
        return array_of([(row["timestamp"], _ratio(row, entry)) for row in rows], 2)
    return _open_interest(rows, entry, market)


def array_of(rows: Sequence[Any], width: int) -> Floats:
    """Return the first columns of rows as an array of shape (rows, width), nan for nulls.

    Examples
    --------
    >>> array_of([[60_000, 2.5, "7"], [120_000, None, "8"]], 2).tolist()
    [[60000.0, 2.5], [120000.0, nan]]
    """
    if rows and len(rows[0]) != width:
        rows = [row[:width] for row in rows]
    with suppress(TypeError):  # a null among the numbers
        return np.fromiter(chain.from_iterable(rows), np.float64, len(rows) * width).reshape(-1, width)
    return np.array(rows, dtype=np.float64).reshape(-1, width)


def _ratio(row: Mapping[str, Any], entry: Availability) -> float | None:
    """Return accounts long over accounts short; where ccxt's own figure is another one, from the venue's fields."""
    if not entry.ratio_long:
        ratio: float | None = row["longShortRatio"]
        return ratio
    long, short = (float(row["info"].get(key) or 0) for key in (entry.ratio_long, entry.ratio_short))
    return long / short if short else None


def _volume_factor(entry: Availability, market: Market, table: Floats) -> Floats | float:
    """Return what turns a venue's volume into base units; dollars are turned at the mean of the bar's four prices."""
    unit = entry.volume_inverse if market.inverse else entry.volume_linear
    if unit == "contracts" and not market.inverse:
        return market.contract_size
    if unit not in {"contracts", "quote"}:
        return 1.0
    price: Floats = table[:, 1:5].mean(axis=1)
    return (market.contract_size if unit == "contracts" else 1) / price


def _open_interest(rows: Sequence[Any], entry: Availability, market: Market) -> Floats:
    """Return open interest in base units and dollars, each where the venue gives it."""
    got = array_of([(row["timestamp"], row["openInterestAmount"], row["openInterestValue"]) for row in rows], 3)
    amount, value = (
        (entry.amount_inverse, entry.value_inverse) if market.inverse else (entry.amount_linear, entry.value_linear)
    )
    table = np.full_like(got, np.nan)
    table[:, 0] = got[:, 0]
    contracts = got[:, 1] * market.contract_size
    if amount == "base" or (amount == "contracts" and not market.inverse):
        table[:, 1] = got[:, 1] if amount == "base" else contracts
    if value == "usd":
        table[:, 2] = got[:, 2]
    elif amount == "contracts" and market.inverse:
        table[:, 2] = contracts
    if value == "base":
        table[:, 1] = got[:, 2]
    return table
