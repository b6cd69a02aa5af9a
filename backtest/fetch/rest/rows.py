"""Rows of the lake from ccxt's rows: columns picked, volumes and open interest turned into base units and dollars."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from itertools import chain
from operator import itemgetter
from typing import Any

import numpy as np

from backtest.fetch.rest.markets import Market
from backtest.lake.availability import Availability
from backtest.lake.series import SERIES
from backtest.mechanics.exact import Floats


def lake_rows(rows: Sequence[Any], entry: Availability, market: Market) -> Floats:
    """Return ccxt's rows as an array: ``ts`` in milliseconds, then the columns of the lake; nan for unknown values."""
    series = SERIES[entry.series]
    call, width = series.ccxt, len(series.columns)
    assert call is not None
    if not series.bars:
        table = array_of([*map(itemgetter(*call.fields), rows)], width)
        convert = CONVERSIONS.get(series.name)
        return convert(table, rows, entry, market) if convert else table
    table = array_of(rows, width)
    if call.required == width:
        table[:, -1] *= _volume_factor(entry, market, table)
    else:
        table[:, -1] = 0.0  # a mark has no volume, whatever stands in its place
    return table


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


def _volume_factor(entry: Availability, market: Market, table: Floats) -> Floats | float:
    """Return the base units in one unit of a venue's volume; dollars count at the mean of the bar's four prices."""
    unit = entry.volume_inverse if market.inverse else entry.volume_linear
    if unit == "contracts" and not market.inverse:
        return market.contract_size
    if unit not in {"contracts", "quote"}:
        return 1.0
    price: Floats = table[:, 1:5].mean(axis=1)
    return (market.contract_size if unit == "contracts" else 1) / price


def _ratios(table: Floats, rows: Sequence[Mapping[str, Any]], entry: Availability, market: Market) -> Floats:
    """Return accounts long over accounts short; where ccxt's own figure is another one, from the venue's fields."""
    if entry.ratio_long:
        for place, row in enumerate(rows):
            long, short = (float(row["info"].get(key) or 0) for key in (entry.ratio_long, entry.ratio_short))
            table[place, 1] = long / short if short else np.nan
    return table


def _open_interest(table: Floats, rows: Sequence[Mapping[str, Any]], entry: Availability, market: Market) -> Floats:
    """Return open interest in base units and dollars, each where the venue gives it."""
    amount = entry.amount_inverse if market.inverse else entry.amount_linear
    value = entry.value_inverse if market.inverse else entry.value_linear
    out = np.full_like(table, np.nan)
    out[:, 0] = table[:, 0]
    contracts = table[:, 1] * market.contract_size
    if amount == "base" or (amount == "contracts" and not market.inverse):
        out[:, 1] = table[:, 1] if amount == "base" else contracts
    if value == "usd":
        out[:, 2] = table[:, 2]
    elif amount == "contracts" and market.inverse:
        out[:, 2] = contracts
    if value == "base":
        out[:, 1] = table[:, 2]
    return out


CONVERSIONS: Mapping[str, Callable[[Floats, Sequence[Mapping[str, Any]], Availability, Market], Floats]] = {
    "long_short_ratio": _ratios,
    "open_interest": _open_interest,
}
