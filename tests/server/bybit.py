"""Bybit v5: linear and inverse perpetuals; every answer is 200 with a ``retCode``, every list newest first."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import orjson

from tests.server.market import Tape
from tests.server.wire import MINUTE_MS, Answer, Bars, Ints, Page, Query, span, texts, whole

KLINES_MAX, KLINES_DEFAULT = 1000, 200
FUNDING_MAX = 200
INTEREST_MAX, RATIO_MAX, STATISTICS_DEFAULT = 200, 500, 50
# the venue allows 1,000 a page; a few make a client follow the cursor
INSTRUMENTS_PAGE = 3
INTERVALS = {"1": 1, "3": 3, "5": 5, "15": 15, "30": 30, "60": 60, "120": 120, "240": 240, "360": 360, "D": 1440}
STATISTIC_PERIODS = {"5min": 5, "15min": 15, "30min": 30, "1h": 60, "4h": 240, "1d": 1440}
# notional up to (USD), maintenance margin, initial margin, leverage
TIERS = (
    ("2000000", "0.005", "0.01", "100.00", "0"),
    ("10000000", "0.01", "0.02", "50.00", "10000"),
    ("50000000", "0.025", "0.05", "20.00", "160000"),
)

Tapes = Mapping[str, Tape]


def handle(path: str, query: Query, tapes: Tapes, now: int) -> Answer:
    """Answer a GET of ``/v5/market/...``."""
    route = ROUTES.get(path.strip("/").removeprefix("v5/market/"))
    if route is None:
        return 404, b"404 page not found"
    if route in UNLISTED:
        return route(query, tapes, now)
    tape = tapes.get(query.get("symbol", ""))
    if query.get("category") not in {"linear", "inverse"}:
        return error(10001, "params error: Category is invalid", now)
    if tape is None or tape.market.inverse != (query["category"] == "inverse"):
        return error(10001, "params error: symbol invalid", now)
    return route(query, tape, now)


def error(code: int, message: str, now: int) -> Answer:
    """Return Bybit's error envelope, with status 200 as the venue sends it."""
    return 200, {"retCode": code, "retMsg": message, "result": {}, "retExtInfo": {}, "time": now}


def envelope(result: Mapping[str, Any], now: int) -> Answer:
    """Return a whole object as the venue wraps it."""
    return 200, {"retCode": 0, "retMsg": "OK", "result": result, "retExtInfo": {}, "time": now}


def page(result: Mapping[str, Any], rows: list[bytes], now: int, **keys: Any) -> Answer:
    """Return rows as ``result.list`` beside the other fields of ``result``."""
    fields = orjson.dumps(result)[:-1] + (b"," if result else b"")
    prefix = b'{"retCode":0,"retMsg":"OK","result":' + fields + b'"list":['
    return 200, Page(rows, prefix, b']},"retExtInfo":{},"time":%d}' % now, **keys)


def _time(_query: Query, _tapes: Tapes, now: int) -> Answer:
    return envelope({"timeSecond": str(now // 1000), "timeNano": f"{now}000000"}, now)


def _instruments(query: Query, tapes: Tapes, now: int) -> Answer:
    category = query.get("category")
    if category not in {"spot", "linear", "inverse", "option"}:
        return error(10001, "params error: Category is invalid", now)
    listed = sorted(
        (tape for tape in tapes.values() if category == ("inverse" if tape.market.inverse else "linear")),
        key=lambda tape: tape.market.id,
    )
    if query.get("status", "Trading") != "Trading":
        listed = []
    if query.get("symbol"):
        listed = [tape for tape in listed if tape.market.id == query["symbol"]]
    start = int(query.get("cursor") or 0)
    stop = start + min(whole(query, "limit") or 500, INSTRUMENTS_PAGE)
    rows = [_instrument(tape) for tape in listed[start:stop]]
    cursor = str(stop) if stop < len(listed) else ""
    return envelope({"category": category, "list": rows, "nextPageCursor": cursor}, now)


def _instrument(tape: Tape) -> dict[str, Any]:
    market = tape.market
    return {
        "symbol": market.id,
        "contractType": "InversePerpetual" if market.inverse else "LinearPerpetual",
        "status": "Trading",
        "baseCoin": market.base,
        "quoteCoin": market.quote,
        "launchTime": "1585526400000",
        "deliveryTime": "0",
        "deliveryFeeRate": "",
        "priceScale": str(market.px_decimals),
        "leverageFilter": {"minLeverage": "1", "maxLeverage": "100.00", "leverageStep": "0.01"},
        "priceFilter": {"minPrice": market.tick, "maxPrice": "1999999.80", "tickSize": market.tick},
        "lotSizeFilter": {
            "maxOrderQty": "1190.000",
            "minOrderQty": market.lot,
            "qtyStep": market.lot,
            "postOnlyMaxOrderQty": "1190.000",
            "maxMktOrderQty": "119.000",
            "minNotionalValue": "5",
        },
        "unifiedMarginTrade": True,
        "fundingInterval": 480,
        "settleCoin": market.settle,
        "copyTrading": "both",
        "upperFundingRate": "0.00375",
        "lowerFundingRate": "-0.00375",
        "isPreListing": False,
        "preListingInfo": None,
    }


def _klines(price: str, query: Query, tape: Tape, now: int) -> Answer:
    minutes = INTERVALS.get(query.get("interval", ""))
    if minutes is None:
        return error(10001, "Invalid period!", now)
    limit = min(whole(query, "limit") or KLINES_DEFAULT, KLINES_MAX)
    bars: Bars = getattr(tape, price).every(minutes)
    start, end = whole(query, "start"), whole(query, "end")
    low, high = span(bars.ts, start, end, now)
    # a start alone counts forward; with an end the newest are kept
    low, high = (low, min(high, low + limit)) if start is not None and end is None else (max(low, high - limit), high)
    encode = _averages if price != "trade" else _coins if tape.market.inverse else _trades
    rows = bars.rows(price, encode, low, high)[::-1]
    result = {"category": query["category"], "symbol": tape.market.id}
    return page(result, rows, now, names_symbol=True, volume_keys=(5, 6) if price == "trade" else ())


def _trades(bars: Bars) -> list[bytes]:
    volume = texts(bars.volume, bars.volume_decimals)
    table = zip(bars.ts.tolist(), *bars.prices(), volume, bars.quote_volume(), strict=True)
    return [f'["{t}","{o}","{h}","{lo}","{c}","{v}","{q}"]'.encode() for t, o, h, lo, c, v, q in table]


def _coins(bars: Bars) -> list[bytes]:
    """An inverse market counts volume in dollars, turnover in coins."""
    usd = bars.px[:, 3] * bars.volume // 10 ** (bars.px_decimals + bars.volume_decimals)
    table = zip(bars.ts.tolist(), *bars.prices(), usd.tolist(), texts(bars.volume, bars.volume_decimals), strict=True)
    return [f'["{t}","{o}","{h}","{lo}","{c}","{v}","{q}"]'.encode() for t, o, h, lo, c, v, q in table]


def _averages(bars: Bars) -> list[bytes]:
    table = zip(bars.ts.tolist(), *bars.prices(), strict=True)
    return [f'["{t}","{o}","{h}","{lo}","{c}"]'.encode() for t, o, h, lo, c in table]


def _funding(query: Query, tape: Tape, now: int) -> Answer:
    start, end = whole(query, "startTime"), whole(query, "endTime")
    if start is not None and end is None:
        return error(10001, "params error: endTime is required with startTime", now)
    ts, rates = tape.funding
    low, high = span(ts, start, end, now)
    low = max(low, high - min(whole(query, "limit") or FUNDING_MAX, FUNDING_MAX))
    row = '{{"symbol":"{id}","fundingRate":"{rate}","fundingRateTimestamp":"{t}"}}'
    table = zip(ts[low:high].tolist(), texts(rates[low:high], 8), strict=True)
    rows = [row.format(id=tape.market.id, rate=rate, t=t).encode() for t, rate in table][::-1]
    return page({"category": query["category"]}, rows, now, time_key="fundingRateTimestamp", names_symbol=True)


def _statistics(what: str, query: Query, tape: Tape, now: int) -> Answer:
    interest = what == "interest"
    period = STATISTIC_PERIODS.get(query.get("intervalTime" if interest else "period", ""))
    if period is None:
        return error(10001, "params error: period is invalid", now)
    if what not in tape.cached:
        tape.cached[what] = _interest_rows(tape) if interest else _ratio_rows(tape)
    times: Ints = tape.ratio[0]
    on_period = np.flatnonzero(times % (period * MINUTE_MS) == 0)
    cursor = whole(query, "cursor")
    end = whole(query, "endTime") if cursor is None else cursor - 1
    low, high = span(times[on_period], whole(query, "startTime"), end, now)
    first = max(low, high - min(whole(query, "limit") or STATISTICS_DEFAULT, INTEREST_MAX if interest else RATIO_MAX))
    places = on_period[first:high].tolist()
    more = str(times[places[0]]) if places and first > low else ""
    result = {"symbol": tape.market.id, "category": query["category"]} if interest else {}
    rows = [tape.cached[what][place] for place in reversed(places)]
    return page(result | {"nextPageCursor": more}, rows, now, time_key="timestamp", names_symbol=True)


def _interest_rows(tape: Tape) -> list[bytes]:
    """An inverse market counts open interest in dollars."""
    ts, base, px = tape.open_interest
    market = tape.market
    scale = 10 ** (market.px_decimals + market.volume_decimals)
    amount = texts(base, market.volume_decimals)
    if market.inverse:
        amount = [f"{b * p // scale}.00000000" for b, p in zip(base.tolist(), px.tolist(), strict=True)]
    table = zip(ts.tolist(), amount, strict=True)
    return [f'{{"openInterest":"{amount}","timestamp":"{t}"}}'.encode() for t, amount in table]


def _ratio_rows(tape: Tape) -> list[bytes]:
    ts, longs = tape.ratio
    row = '{{"symbol":"{id}","buyRatio":"{a}","sellRatio":"{b}","timestamp":"{t}"}}'
    table = zip(ts.tolist(), texts(longs, 4), texts(10_000 - longs, 4), strict=True)
    return [row.format(id=tape.market.id, a=a, b=b, t=t).encode() for t, a, b in table]


def _risk_limit(query: Query, tapes: Tapes, now: int) -> Answer:
    category = query.get("category")
    asked = query.get("symbol")
    if category not in {"linear", "inverse"} or (asked and asked not in tapes):
        return error(10001, "params error: symbol invalid", now)
    chosen = [tapes[asked]] if asked else [tapes[name] for name in sorted(tapes)]
    rows = [
        {
            "id": number,
            "symbol": tape.market.id,
            "riskLimitValue": cap,
            "maintenanceMargin": maintenance,
            "initialMargin": initial,
            "isLowestRisk": int(number == 1),
            "maxLeverage": leverage,
            "mmDeduction": deduction,
        }
        for tape in chosen
        if tape.market.inverse == (category == "inverse")
        for number, (cap, maintenance, initial, leverage, deduction) in enumerate(TIERS, start=1)
    ]
    return envelope({"category": category, "list": rows, "nextPageCursor": ""}, now)


ROUTES: dict[str, Callable[..., Answer]] = {
    "time": _time,
    "instruments-info": _instruments,
    "risk-limit": _risk_limit,
    "kline": partial(_klines, "trade"),
    "mark-price-kline": partial(_klines, "mark"),
    "index-price-kline": partial(_klines, "index"),
    "premium-index-price-kline": partial(_klines, "premium"),
    "funding/history": _funding,
    "open-interest": partial(_statistics, "interest"),
    "account-ratio": partial(_statistics, "ratio"),
}
UNLISTED = (_time, _instruments, _risk_limit)
