"""Binance futures: USD-M under ``/fapi``, COIN-M under ``/dapi``, statistics of each under its ``/data``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from tests.server.market import DAY_MS, HOUR_MS, Tape
from tests.server.wire import MINUTE_MS, PERIODS, Answer, Bars, Page, Query, span, texts, whole

KLINES_MAX, KLINES_DEFAULT = 1500, 500
FUNDING_MAX, FUNDING_DEFAULT = 1000, 100
STATISTICS_MAX, STATISTICS_DEFAULT = 500, 30
STATISTICS_DAYS = 30
PERPETUAL = 4_133_404_800_000

Tapes = Mapping[str, Tape]


def handle(path: str, query: Query, tapes: Tapes, now: int) -> Answer:
    """Answer a GET of ``/fapi/...`` or ``/dapi/...``; the code in a body is Binance's own."""
    side, _, rest = path.strip("/").partition("/")
    route = ROUTES.get(rest)
    if side not in {"fapi", "dapi"} or route is None:
        return 404, b"<html><body><h2>404 Not found</h2></body></html>"
    return route(side == "dapi", query, tapes, now)


def error(code: int, message: str, status: int = 400) -> Answer:
    """Return Binance's error body."""
    return status, {"code": code, "msg": message}


def _time(_inverse: bool, _query: Query, _tapes: Tapes, now: int) -> Answer:
    return 200, {"serverTime": now}


def _exchange_info(inverse: bool, _query: Query, tapes: Tapes, now: int) -> Answer:
    describe = _coin_margined if inverse else _usd_margined
    symbols = [describe(tape) for tape in tapes.values() if tape.market.inverse == inverse]
    limits = [{"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 2400}]
    return 200, {
        "timezone": "UTC",
        "serverTime": now,
        "rateLimits": limits,
        "exchangeFilters": [],
        "symbols": symbols,
    }


def _common(tape: Tape) -> dict[str, Any]:
    market = tape.market
    return {
        "symbol": market.id,
        "pair": market.base + market.quote,
        "contractType": "PERPETUAL",
        "deliveryDate": PERPETUAL,
        "onboardDate": 1_569_398_400_000,
        "maintMarginPercent": "2.5000",
        "requiredMarginPercent": "5.0000",
        "baseAsset": market.base,
        "quoteAsset": market.quote,
        "marginAsset": market.settle,
        "pricePrecision": market.px_decimals,
        "quantityPrecision": 0 if market.inverse else market.volume_decimals,
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "underlyingType": "COIN",
        "underlyingSubType": ["PoW"],
        "triggerProtect": "0.0500",
        "liquidationFee": "0.012500",
        "marketTakeBound": "0.05",
        "filters": [
            {"filterType": "PRICE_FILTER", "minPrice": market.tick, "maxPrice": "4529764", "tickSize": market.tick},
            {"filterType": "LOT_SIZE", "minQty": market.lot, "maxQty": "1000000", "stepSize": market.lot},
            {"filterType": "MARKET_LOT_SIZE", "minQty": market.lot, "maxQty": "120000", "stepSize": market.lot},
            {"filterType": "MAX_NUM_ORDERS", "limit": 200},
        ],
        "orderTypes": ["LIMIT", "MARKET", "STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET"],
        "timeInForce": ["GTC", "IOC", "FOK", "GTX"],
    }


def _usd_margined(tape: Tape) -> dict[str, Any]:
    row = _common(tape)
    row["filters"].append({"filterType": "MIN_NOTIONAL", "notional": "5"})
    return row | {"status": "TRADING", "settlePlan": 0}


def _coin_margined(tape: Tape) -> dict[str, Any]:
    size = int(tape.market.contract_size)
    return _common(tape) | {"contractStatus": "TRADING", "contractSize": size, "equalQtyPrecision": 4}


def _klines(price: str, inverse: bool, query: Query, tapes: Tapes, now: int) -> Answer:
    tape = _pair(inverse, query, tapes) if price == "index" else _symbol(inverse, query, tapes)
    if tape is None:
        return error(-1121, "Invalid symbol.")
    if query.get("interval") not in PERIODS:
        return error(-1120, "Invalid interval.")
    limit = whole(query, "limit") or KLINES_DEFAULT
    if not 0 < limit <= KLINES_MAX:
        return error(-1130, "Data sent for parameter 'limit' is not valid.")
    bars: Bars = getattr(tape, price).every(PERIODS[query["interval"]])
    start, end = whole(query, "startTime"), whole(query, "endTime")
    low, high = span(bars.ts, start, end, now)
    # from the start on where one is given, else up to the end
    low, high = (low, min(high, low + limit)) if start is not None else (max(low, high - limit), high)
    encode = _averages if price != "trade" else partial(_contracts, int(tape.market.contract_size))
    rows = bars.rows(price, encode if inverse or price != "trade" else _trades, low, high)
    volumes = (5, 7) if price == "trade" else ()
    return 200, Page(rows, volume_keys=volumes)


def _trades(bars: Bars) -> list[bytes]:
    taker = texts(bars.volume * 9 // 20, bars.volume_decimals)
    quote = bars.quote_volume()
    table = zip(bars.ts.tolist(), *bars.prices(), texts(bars.volume, bars.volume_decimals), quote, taker, strict=True)
    return [
        f'[{t},"{o}","{h}","{lo}","{c}","{v}",{t + bars.step_ms - 1},"{q}",1000,"{b}","{q}","0"]'.encode()
        for t, o, h, lo, c, v, q, b in table
    ]


def _contracts(size: int, bars: Bars) -> list[bytes]:
    """Volume in contracts first, in coins eighth."""
    units = bars.px[:, 3] * bars.volume // (10 ** (bars.px_decimals + bars.volume_decimals) * size)
    coins = texts(bars.volume, bars.volume_decimals)
    table = zip(bars.ts.tolist(), *bars.prices(), units.tolist(), coins, strict=True)
    return [
        f'[{t},"{o}","{h}","{lo}","{c}","{v}",{t + bars.step_ms - 1},"{q}",1000,"{v // 2}","{q}","0"]'.encode()
        for t, o, h, lo, c, v, q in table
    ]


def _averages(bars: Bars) -> list[bytes]:
    """Mark, index and premium have no volume and eight decimals."""
    eight = Bars(bars.ts, bars.px * 10 ** (8 - bars.px_decimals), bars.volume, 8, step_ms=bars.step_ms)
    table = zip(bars.ts.tolist(), *eight.prices(), strict=True)
    end = bars.step_ms - 1
    return [f'[{t},"{o}","{h}","{lo}","{c}","0",{t + end},"0",60,"0","0","0"]'.encode() for t, o, h, lo, c in table]


def _funding(inverse: bool, query: Query, tapes: Tapes, now: int) -> Answer:
    tape = _symbol(inverse, query, tapes)
    if tape is None:
        return error(-1121, "Invalid symbol.")
    ts, rates = tape.funding
    # a settlement is stamped a few milliseconds late
    late = ts + ts // HOUR_MS * 7 % 13
    limit = min(whole(query, "limit") or FUNDING_DEFAULT, FUNDING_MAX)
    start, end = whole(query, "startTime"), whole(query, "endTime")
    low, high = span(late, start, end, now)
    low, high = (low, min(high, low + limit)) if start is not None else (max(low, high - limit), high)
    marks = tape.mark.px[np.searchsorted(tape.mark.ts, ts[low:high]), 0] * 10 ** (8 - tape.mark.px_decimals)
    table = zip(late[low:high].tolist(), texts(rates[low:high], 8), texts(marks, 8), strict=True)
    row = '{{"symbol":"{id}","fundingTime":{t},"fundingRate":"{rate}","markPrice":"{mark}"}}'
    rows = [row.format(id=tape.market.id, t=t, rate=rate, mark=mark).encode() for t, rate, mark in table]
    return 200, Page(rows, time_key="fundingTime", names_symbol=True)


def _statistics(what: str, inverse: bool, query: Query, tapes: Tapes, now: int) -> Answer:
    tape = _pair(inverse, query, tapes) if inverse else _symbol(inverse, query, tapes)
    if tape is None:
        return error(-1121, "Invalid symbol.")
    period = PERIODS.get(query.get("period", ""), 0)
    if period < 5 or (inverse and what == "interest" and query.get("contractType") != "PERPETUAL"):
        return error(-1130, "Data sent for parameter 'period' is not valid.")
    start, end = whole(query, "startTime"), whole(query, "endTime")
    oldest = now - STATISTICS_DAYS * DAY_MS
    if start is not None and start < oldest:
        return error(-1130, "parameter 'startTime' is invalid.")
    encode: Callable[[Tape], list[bytes]] = _interest_rows if what == "interest" else _ratio_rows
    times = tape.open_interest[0]
    if what not in tape.cached:
        tape.cached[what] = encode(tape)
    on_period = np.flatnonzero(times % (period * MINUTE_MS) == 0)
    low, high = span(times[on_period], max(start or 0, oldest), end, now)
    limit = min(whole(query, "limit") or STATISTICS_DEFAULT, STATISTICS_MAX)
    # counted back from the end, as a longer span is cut at its start
    places = on_period[max(low, high - limit) : high].tolist()
    return 200, Page([tape.cached[what][place] for place in places], time_key="timestamp", names_symbol=True)


def _name(tape: Tape) -> str:
    market = tape.market
    return f'"pair":"{market.base}{market.quote}"' if market.inverse else f'"symbol":"{market.id}"'


def _interest_rows(tape: Tape) -> list[bytes]:
    ts, base, px = tape.open_interest
    market = tape.market
    scale = 10 ** (market.px_decimals + market.volume_decimals)
    worth = [b * p for b, p in zip(base.tolist(), px.tolist(), strict=True)]
    if market.inverse:
        amount = [f"{usd // (scale * int(market.contract_size))}.00000000" for usd in worth]
        value, extra = texts(base, 8), ',"contractType":"PERPETUAL"'
    else:
        amount = texts(base * 10 ** (8 - market.volume_decimals), 8)
        value, extra = texts([usd * 10**8 // scale for usd in worth], 8), ""
    row = '{{{name}{extra},"sumOpenInterest":"{a}","sumOpenInterestValue":"{v}","timestamp":{t}}}'
    table = zip(ts.tolist(), amount, value, strict=True)
    return [row.format(name=_name(tape), extra=extra, a=a, v=v, t=t).encode() for t, a, v in table]


def _ratio_rows(tape: Tape) -> list[bytes]:
    ts, longs = tape.ratio
    row = '{{{name},"longAccount":"{a}","longShortRatio":"{r:.4f}","shortAccount":"{b}","timestamp":{t}}}'
    table = zip(ts.tolist(), longs.tolist(), texts(longs, 4), texts(10_000 - longs, 4), strict=True)
    return [row.format(name=_name(tape), a=a, b=b, r=n / (10_000 - n), t=t).encode() for t, n, a, b in table]


def _symbol(inverse: bool, query: Query, tapes: Tapes) -> Tape | None:
    tape = tapes.get(query.get("symbol", ""))
    return tape if tape is not None and tape.market.inverse == inverse else None


def _pair(inverse: bool, query: Query, tapes: Tapes) -> Tape | None:
    return tapes.get(query.get("pair", "") + "_PERP" * inverse)


Route = Callable[[bool, Query, Tapes, int], Answer]
ROUTES: dict[str, Route] = {
    "v1/time": _time,
    "v1/exchangeInfo": _exchange_info,
    "v1/klines": partial(_klines, "trade"),
    "v1/markPriceKlines": partial(_klines, "mark"),
    "v1/indexPriceKlines": partial(_klines, "index"),
    "v1/premiumIndexKlines": partial(_klines, "premium"),
    "v1/fundingRate": _funding,
    "data/openInterestHist": partial(_statistics, "interest"),
    "data/globalLongShortAccountRatio": partial(_statistics, "ratio"),
}
