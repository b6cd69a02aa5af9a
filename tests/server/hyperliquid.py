"""Hyperliquid: one POST endpoint ``/info``, the question in ``type``; oldest first, candles of recent days only."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from tests.server.market import HOUR_MS, Tape
from tests.server.wire import PERIODS, Answer, Bars, Page, Query, span, texts, trimmed, whole

CANDLES_KEPT = 5000
FUNDING_MAX = 500
USDC = {
    "name": "USDC",
    "szDecimals": 8,
    "weiDecimals": 8,
    "index": 0,
    "tokenId": "0x6d1e7cde53ba9467b783cb7c530ce054",
    "isCanonical": True,
    "evmContract": None,
    "fullName": None,
}
# of the position's notional (USD): from, leverage
MARGIN_TABLE = [
    56,
    {
        "description": "tiered 40x",
        "marginTiers": [
            {"lowerBound": "0.0", "maxLeverage": 40},
            {"lowerBound": "150000000.0", "maxLeverage": 20},
        ],
    },
]
UNREADABLE: Answer = (422, b"Failed to deserialize the JSON body into the target type")

Tapes = Mapping[str, Tape]


def handle(path: str, body: Any, tapes: Tapes, now: int) -> Answer:
    """Answer a POST of ``/info``."""
    route = ROUTES.get(str(body.get("type"))) if isinstance(body, dict) else None
    if path.strip("/") != "info":
        return 404, b"null"
    if route is None:
        return UNREADABLE
    try:
        return route(body, tapes, now)
    except (KeyError, TypeError, ValueError):  # a field missing or of another kind
        return UNREADABLE


def _status(_body: Query, _tapes: Tapes, now: int) -> Answer:
    return 200, {"time": now, "specialStatuses": None}


def _meta(_body: Query, tapes: Tapes, _now: int) -> Answer:
    return 200, _universe(tapes)


def _universe(tapes: Tapes) -> dict[str, Any]:
    rows = [
        {"szDecimals": tape.market.volume_decimals, "name": coin, "maxLeverage": 40, "marginTableId": 56}
        for coin, tape in tapes.items()
    ]
    return {"universe": rows, "marginTables": [MARGIN_TABLE], "collateralToken": 0}


def _contexts(body: Query, tapes: Tapes, now: int) -> Answer:
    if body.get("dex"):
        return 500, b"null"
    return 200, [_universe(tapes), [_context(tape, now) for tape in tapes.values()]]


def _context(tape: Tape, now: int) -> dict[str, Any]:
    place = max(span(tape.trade.ts, None, None, now)[1] - 1, 0)
    trade, mark, index = (
        _decimal(texts(bars.px[place : place + 1, 3], bars.px_decimals))[0]
        for bars in (tape.trade, tape.mark, tape.index)
    )
    return {
        "funding": "0.0000125",
        "openInterest": _decimal(texts(tape.open_interest[1][-1:], tape.market.volume_decimals))[0],
        "prevDayPx": mark,
        "dayNtlVlm": "1169046.29406",
        "premium": "0.00031774",
        "oraclePx": index,
        "markPx": mark,
        "midPx": trade,
        "impactPxs": [trade, trade],
        "dayBaseVlm": "10.0",
    }


def _decimal(words: list[str]) -> list[str]:
    """Return decimals as this venue writes them: no idle zeros, but at least one decimal."""
    return [word if "." in word else f"{word}.0" for word in trimmed(words)]


def _spot_meta(_body: Query, _tapes: Tapes, _now: int) -> Answer:
    return 200, {"universe": [], "tokens": [USDC]}


def _spot_contexts(_body: Query, _tapes: Tapes, _now: int) -> Answer:
    return 200, [{"universe": [], "tokens": [USDC]}, []]


def _dexes(_body: Query, _tapes: Tapes, _now: int) -> Answer:
    return 200, [None]


def _candles(body: Query, tapes: Tapes, now: int) -> Answer:
    request = body["req"]
    tape = tapes.get(request["coin"])
    if tape is None:
        return 500, b"null"
    interval = request["interval"]
    bars = tape.trade.every(PERIODS[interval])
    oldest = now - CANDLES_KEPT * bars.step_ms
    low, high = span(bars.ts, max(int(request["startTime"]), oldest), whole(request, "endTime"), now)
    rows = bars.rows("trade", partial(_rows, tape.market.id, interval), low, high)
    return 200, Page(rows, time_key="t", volume_keys=("v",), names_symbol=True)


def _rows(coin: str, interval: str, bars: Bars) -> list[bytes]:
    prices = [_decimal(column) for column in bars.prices()]
    volume = _decimal(texts(bars.volume, bars.volume_decimals))
    end, rest = bars.step_ms - 1, f'"s":"{coin}","i":"{interval}"'
    return [
        f'{{"t":{t},"T":{t + end},{rest},"o":"{o}","c":"{c}","h":"{h}","l":"{lo}","v":"{v}","n":189}}'.encode()
        for t, o, h, lo, c, v in zip(bars.ts.tolist(), *prices, volume, strict=True)
    ]


def _funding(body: Query, tapes: Tapes, now: int) -> Answer:
    tape = tapes.get(body["coin"])
    if tape is None:
        return 500, b"null"
    ts, rates = tape.funding
    # an hour is stamped some milliseconds late
    late = ts + ts // HOUR_MS * 11 % 97
    low, high = span(late, int(body["startTime"]), whole(body, "endTime"), now)
    high = min(high, low + FUNDING_MAX)
    row = '{{"coin":"{coin}","fundingRate":"{rate}","premium":"0.0003","time":{t}}}'
    table = zip(late[low:high].tolist(), trimmed(texts(rates[low:high], 8)), strict=True)
    rows = [row.format(coin=tape.market.id, rate=rate, t=t).encode() for t, rate in table]
    return 200, Page(rows, time_key="time", names_symbol=True)


ROUTES: dict[str, Callable[[Query, Tapes, int], Answer]] = {
    "exchangeStatus": _status,
    "meta": _meta,
    "metaAndAssetCtxs": _contexts,
    "spotMeta": _spot_meta,
    "spotMetaAndAssetCtxs": _spot_contexts,
    "perpDexs": _dexes,
    "candleSnapshot": _candles,
    "fundingHistory": _funding,
}
