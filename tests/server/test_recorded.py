"""The local venues against answers as the real ones sent them: the same keys in the same order, of the same types.

Where a recorded answer is of another day of the venue's interface than the local one, the difference is written down.
Without the recorded answers, which are kept outside this repository, the tests are skipped.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.fetch.venues import tapes
from tests.server.app import HANDLERS
from tests.server.wire import encoded

RECORDED = Path(__file__).parents[3] / "shared" / "data" / "exchange_responses"
NOW = 1_760_227_200_000
START = 1_760_119_200_000


@dataclass(frozen=True)
class Case:
    """A recorded answer, the question to the local venue, and the keys by which they may differ, with the reason."""

    file: str
    venue: str
    path: str
    query: Mapping[str, Any]
    only_recorded: frozenset[str] = frozenset()
    only_local: frozenset[str] = frozenset()
    ordered: bool = True
    types: Mapping[str, tuple[str, str]] = field(default_factory=dict)


LINEAR = {"category": "linear", "symbol": "BTCUSDT", "limit": "5"}
CASES = (
    Case("bybit/http_get_klines_linear.json", "bybit", "/v5/market/kline", {**LINEAR, "interval": "1", "start": START}),
    Case(
        "bybit/http_get_funding_history.json", "bybit", "/v5/market/funding/history", LINEAR,
        only_local=frozenset({"retExtInfo"}),  # left out of the recorded answer
    ),
    Case(
        "bybit/http_get_instruments_linear.json", "bybit", "/v5/market/instruments-info", LINEAR,
        # fields of later days
        only_local=frozenset({"category", "copyTrading", "upperFundingRate", "lowerFundingRate", "isPreListing",
                              "preListingInfo"}),
        ordered=False,  # the order of fields changed when some were added
        types={"nextPageCursor": ("NoneType", "str")},
    ),
    Case(
        "okx/http_get_candlesticks_full.json", "okx", "/api/v5/market/history-candles",
        {"instId": "BTC-USDT-SWAP", "bar": "1m", "limit": "5"},
    ),
    Case(
        "okx/http_get_funding_rate_history.json", "okx", "/api/v5/public/funding-rate-history",
        {"instId": "BTC-USDT-SWAP", "limit": "5"},
        only_local=frozenset({"formulaType", "method"}),  # added in 2025
        ordered=False,
    ),
    Case(
        "okx/http_get_instruments_swap.json", "okx", "/api/v5/public/instruments", {"instType": "SWAP"},
        only_recorded=frozenset({"futureSettlement", "maxIcebergSz", "maxPlatOILmt", "maxStopSz", "maxTriggerSz",
                                 "maxTwapSz", "posLmtAmt", "posLmtPct", "preMktSwTime"}),  # nothing reads them
        ordered=False,
    ),
    Case(
        "okx/http_get_position_tiers.json", "okx", "/api/v5/public/position-tiers",
        {"instType": "SWAP", "tdMode": "cross", "instFamily": "BTC-USDT"}, ordered=False,
    ),
    Case(
        "hyperliquid/http_funding_history.json", "hyperliquid", "/info",
        {"type": "fundingHistory", "coin": "BTC", "startTime": START},
    ),
    Case(
        "hyperliquid/http_meta_perp_sample.json", "hyperliquid", "/info", {"type": "meta"},
        only_recorded=frozenset({"isDelisted", "onlyIsolated"}),  # of markets with such a mark only
        only_local=frozenset({"marginTables", "collateralToken", "marginTableId"}),  # added with margin tables
        ordered=False,
    ),
)  # fmt: skip


def local(case: Case) -> Any:
    """Return what the local venue answers."""
    mine = {tape.market.id: tape for tape in tapes().values() if tape.market.venue.startswith(case.venue)}
    status, payload = HANDLERS[case.venue](case.path, case.query, mine, NOW)
    assert status == 200
    return orjson.loads(encoded(payload))


def differences(case: Case, theirs: Any, ours: Any, place: str = "") -> list[str]:
    """Return where two answers differ in keys, their order or types; a list is compared by its first items."""
    if isinstance(theirs, dict) and isinstance(ours, dict):
        common = [key for key in theirs if key in ours]
        out = [f"{place}.{key} is only recorded" for key in theirs if key not in ours and key not in case.only_recorded]
        out += [f"{place}.{key} is only local" for key in ours if key not in theirs and key not in case.only_local]
        if case.ordered and common != [key for key in ours if key in theirs]:
            out.append(f"{place}: the order of keys is {[*ours]}, recorded {[*theirs]}")
        return out + [text for key in common for text in differences(case, theirs[key], ours[key], f"{place}.{key}")]
    if isinstance(theirs, list) and isinstance(ours, list):
        if not (theirs and ours) or not isinstance(theirs[0], list | dict):
            rows = [*zip(theirs, ours, strict=len(theirs) == len(ours))] if place.endswith("[]") else []
            wide = (
                [f"{place} has {len(ours)} cells, recorded {len(theirs)}"] if rows and len(theirs) != len(ours) else []
            )
            return wide + [text for pair in rows for text in differences(case, *pair, f"{place}.cell")]
        return differences(case, theirs[0], ours[0], f"{place}[]")
    name = place.rpartition(".")[2]
    kinds = (type(theirs).__name__, type(ours).__name__)
    return (
        [] if kinds[0] == kinds[1] or case.types.get(name) == kinds else [f"{place} is {kinds[1]}, recorded {kinds[0]}"]
    )


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.file)
def test_a_local_answer_has_the_keys_order_and_types_of_the_recorded_one(case: Case) -> None:
    path = RECORDED / case.file
    if not path.is_file():
        pytest.skip(f"no recorded answers of venues at ../shared/data/exchange_responses ({case.file})")
    theirs, ours = orjson.loads(path.read_bytes()), local(case)
    assert differences(case, theirs, ours) == []
    assert case.only_recorded <= keys(theirs) - keys(ours)  # no difference is written down that is none
    assert case.only_local <= keys(ours) - keys(theirs)


def keys(value: Any) -> set[str]:
    """Return the keys of an answer and of the first items of its lists."""
    if isinstance(value, list):
        return keys(value[0]) if value else set()
    return set(value).union(*map(keys, value.values())) if isinstance(value, dict) else set()


def test_a_local_bar_of_binance_has_the_cells_of_the_published_one() -> None:
    published = [[1499040000000, "0.01634790", "0.80000000", "0.01575800", "0.01577100", "148976.11427815",
                  1499644799999, "2434.19055334", 308, "1756.87402397", "28.46694368", "0"]]  # fmt: skip
    case = Case("", "binance", "/fapi/v1/klines", {"symbol": "BTCUSDT", "interval": "1m", "limit": "5"})
    assert differences(case, published, local(case)) == []
    assert local(case)[0][6] - local(case)[0][0] == 59_999


@pytest.mark.parametrize("venue", ["binance", "okx"])
def test_the_comparison_sees_what_it_is_for(venue: str) -> None:
    case = Case("", venue, "", {})
    assert differences(case, {"a": 1, "b": "x"}, {"b": "x", "a": 1}) == [
        ": the order of keys is ['b', 'a'], recorded ['a', 'b']"
    ]
    assert differences(case, {"a": [["1", 2]]}, {"a": [["1", "2"]]}) == [".a[].cell is str, recorded int"]
    assert differences(case, {"a": [["1", 2]]}, {"a": [["1"]]}) == [".a[] has 1 cells, recorded 2"]
    assert differences(case, {"a": 1}, {"c": 1}) == [".a is only recorded", ".c is only local"]
