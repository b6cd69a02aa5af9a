"""Units: whatever a venue counts in, the lake holds base units and dollars; and the nearest perpetual of a coin."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from backtest.fetch.rest.markets import Market, market_of
from backtest.fetch.rest.rows import lake_rows
from backtest.lake.availability import Availability

BAR = [60_000, 20.0, 40.0, 10.0, 30.0, 6.0]  # the mean of its prices is 25


def entry(series: str, **units: str) -> Availability:
    return Availability(
        venue="here", series=series, route="rest", step_s=60, page=100, source="a page", mark="V", **units
    )  # type: ignore[arg-type]


def perpetual(*, inverse: bool = False, contract_size: float = 5.0) -> Market:
    return Market(
        symbol="X/USD:X" if inverse else "X/USDT:USDT",
        names=frozenset({"X"}),
        inverse=inverse,
        contract_size=contract_size,
        tick_px=None,
        lot_base=None,
        quantity_min=None,
    )


@pytest.mark.parametrize(
    ("unit", "inverse", "base"),
    [("base", False, 6.0), ("contracts", False, 30.0), ("contracts", True, 1.2), ("quote", False, 0.24)],
)
def test_volume_is_in_base_units(unit: str, inverse: bool, base: float) -> None:
    units = {"volume_inverse" if inverse else "volume_linear": unit}
    assert lake_rows([BAR], entry("ohlcv", **units), perpetual(inverse=inverse))[0, 5] == pytest.approx(base)


def test_a_mark_has_no_volume() -> None:
    assert lake_rows([BAR], entry("mark_ohlcv", volume_linear="base"), perpetual()).tolist() == [[*BAR[:5], 0.0]]


@pytest.mark.parametrize(
    ("amount", "value", "inverse", "expected"),
    [
        ("base", "usd", False, (3.0, 9.0)),
        ("contracts", "none", False, (15.0, None)),
        ("contracts", "none", True, (None, 15.0)),
        ("contracts", "base", True, (9.0, 15.0)),
        ("none", "usd", False, (None, 9.0)),
    ],
)
def test_open_interest_is_in_base_units_and_dollars(
    amount: str, value: str, inverse: bool, expected: tuple[float | None, float | None]
) -> None:
    kind = "inverse" if inverse else "linear"
    row = {"timestamp": 60_000, "openInterestAmount": 3.0, "openInterestValue": 9.0}
    units = {f"amount_{kind}": amount, f"value_{kind}": value}
    (found,) = lake_rows([row], entry("open_interest", **units), perpetual(inverse=inverse)).tolist()
    assert [None if np.isnan(value) else value for value in found[1:]] == [*expected]


def test_a_ratio_is_accounts_long_over_accounts_short() -> None:
    rows = [{"timestamp": 0, "longShortRatio": 9.0, "info": {"l": "0.6", "s": short}} for short in ("0.3", "0")]
    assert lake_rows(rows, entry("long_short_ratio"), perpetual())[:, 1].tolist() == [9.0, 9.0]
    found = lake_rows(rows, entry("long_short_ratio", ratio_long="l", ratio_short="s"), perpetual())[:, 1]
    assert found[0] == 2.0
    assert np.isnan(found[1])


def listed(symbol: str) -> dict[str, Any]:
    base, quote, settle = symbol.replace(":", "/").split("/")
    return {
        "symbol": symbol, "id": symbol, "base": base, "quote": quote, "settle": settle, "swap": True, "info": {},
        "linear": settle == quote, "inverse": settle == base, "contractSize": 1, "limits": {"amount": {"min": None}},
        "precision": {"price": 0.1, "amount": 0.01},
    }  # fmt: skip


def test_the_nearest_perpetual_is_linear_and_in_the_usual_dollar() -> None:
    symbols = ("X/USD:X", "X/USDC:USDC", "X/USDT:USDT", "Y/USDT:USDT")
    markets = {symbol: listed(symbol) for symbol in symbols}

    def nearest(*, without: int = 0, coin: str = "X") -> str | None:
        left = {name: market for name, market in markets.items() if name not in symbols[3 - without : 3]}
        found = market_of(left, coin, "X/EUR:EUR")
        return found.symbol if found else None

    assert [nearest(without=number) for number in range(4)] == ["X/USDT:USDT", "X/USDC:USDC", "X/USD:X", None]
    exact = market_of(markets, "X", "X/USD:X")
    assert exact is not None
    assert (exact.symbol, exact.inverse, exact.lot_base) == ("X/USD:X", True, None)
