"""OKX v5: swaps; lists newest first, ``before`` and ``after`` (``begin`` and ``end``) exclusive."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from tests.server.market import DAY_MS, Tape
from tests.server.wire import MINUTE_MS, PERIODS, Answer, Bars, Ints, Page, Query, span, texts, trimmed, whole

CANDLES_MAX, AVERAGES_MAX, FUNDING_MAX, STATISTICS_MAX = 300, 100, 100, 100
CANDLES_DEFAULT = 100
RECENT_CANDLES = 1440  # of the endpoints without ``history-``; the statistics keep as many
FUNDING_DAYS = 92
# contracts from, up to, maintenance margin, initial margin, leverage
TIERS = (
    ("0", "10000", "0.004", "0.01", "100"),
    ("10001", "50000", "0.01", "0.02", "50"),
    ("50001", "200000", "0.025", "0.05", "20"),
)

Tapes = Mapping[str, Tape]


def handle(path: str, query: Query, tapes: Tapes, now: int) -> Answer:
    """Answer a GET of ``/api/v5/...``."""
    route = ROUTES.get(path.strip("/").removeprefix("api/v5/"))
    return (404, {"msg": "API endpoint not found", "code": "404"}) if route is None else route(query, tapes, now)


def error(code: str, message: str, status: int = 200) -> Answer:
    """Return OKX's error envelope."""
    return status, {"code": code, "data": [], "msg": message}


def envelope(data: list[dict[str, Any]]) -> Answer:
    """Return objects as the venue wraps them."""
    return 200, {"code": "0", "data": data, "msg": ""}


def page(rows: list[bytes], **keys: Any) -> Answer:
    """Return encoded rows as ``data``."""
    return 200, Page(rows, b'{"code":"0","msg":"","data":[', b"]}", **keys)


def _missing(_query: Query) -> Answer:
    return error("51001", "Instrument ID, Instrument ID code, or Spread ID doesn't exist.")


def _time(_query: Query, _tapes: Tapes, now: int) -> Answer:
    return envelope([{"ts": str(now)}])


def _instruments(query: Query, tapes: Tapes, _now: int) -> Answer:
    if query.get("instType") not in {"SPOT", "MARGIN", "SWAP", "FUTURES", "OPTION"}:
        return error("51000", "Parameter instType error")
    if query["instType"] != "SWAP":
        return envelope([])
    chosen = [tape for tape in tapes.values() if query.get("instId", tape.market.id) == tape.market.id]
    return envelope([_instrument(tape) for tape in chosen]) if chosen else _missing(query)


def _instrument(tape: Tape) -> dict[str, Any]:
    market = tape.market
    family = f"{market.base}-{market.quote}"
    lot = "1" if market.inverse else "0.01"
    blank = dict.fromkeys(
        ("alias", "auctionEndTime", "baseCcy", "contTdSwTime", "expTime", "openType", "optType", "quoteCcy", "stk"), ""
    )
    return blank | {
        "category": "1",
        "ctMult": "1",
        "ctType": "inverse" if market.inverse else "linear",
        "ctVal": market.contract_size,
        "ctValCcy": "USD" if market.inverse else market.base,
        "instFamily": family,
        "instId": market.id,
        "instIdCode": 10459,
        "instType": "SWAP",
        "lever": "100",
        "listTime": "1573557408000",
        "lotSz": lot,
        "maxLmtAmt": "20000000",
        "maxLmtSz": "100000000",
        "maxMktAmt": "",
        "maxMktSz": "12000",
        "minSz": lot,
        "ruleType": "normal",
        "settleCcy": market.settle,
        "state": "live",
        "tickSz": market.tick,
        "tradeQuoteCcyList": [],
        "uly": family,
    }


def _candles(price: str, history: bool, query: Query, tapes: Tapes, now: int) -> Answer:
    name = query.get("instId", "")
    tape = tapes.get(f"{name}-SWAP" if price == "index" else name)
    if tape is None:
        return _missing(query)
    minutes = _minutes(query.get("bar", "1m"))
    if minutes is None:
        return error("51000", "Parameter bar error")
    bars: Bars = getattr(tape, price).every(minutes)
    low, high = _between(bars.ts, query, ("before", "after"), now)
    if not history:
        low = max(low, int(np.searchsorted(bars.ts, now - RECENT_CANDLES * bars.step_ms)))
    limit = min(whole(query, "limit") or CANDLES_DEFAULT, CANDLES_MAX if price == "trade" else AVERAGES_MAX)
    low = max(low, high - limit)
    encode = _averages if price != "trade" else partial(_trades, tape)
    rows = bars.rows(price, encode, low, high)[::-1]
    return page(rows, volume_keys=(5, 6, 7) if price == "trade" else ())


def _minutes(bar: str) -> int | None:
    """Return the minutes of ``1m``, ``1H``, ``1D`` or ``1Dutc``; days of Hong Kong are not served."""
    return PERIODS.get(bar.removesuffix("utc").lower()) if bar != "1D" else None


def _between(ts: Ints, query: Query, names: tuple[str, str], now: int) -> tuple[int, int]:
    """Return the places newer than the first bound and older than the second."""
    newer, older = (whole(query, name) for name in names)
    return span(ts, None if newer is None else newer + 1, None if older is None else older - 1, now)


def _trades(tape: Tape, bars: Bars) -> list[bytes]:
    """Write volume in contracts, in coins, and in quote currency."""
    quote = [a * b for a, b in zip(bars.px[:, 3].tolist(), bars.volume.tolist(), strict=True)]
    amounts = _amounts(tape, bars.volume.tolist(), quote)
    prices = [trimmed(column) for column in bars.prices()]
    table = zip(bars.ts.tolist(), *prices, *amounts, strict=True)
    return [f'["{t}","{o}","{h}","{lo}","{c}","{n}","{v}","{q}","1"]'.encode() for t, o, h, lo, c, n, v, q in table]


def _amounts(tape: Tape, base: list[int], worth: list[int]) -> tuple[list[str], list[str], list[str]]:
    """Return contracts, coins and quote currency as text, from units of coins and of coins times price."""
    market = tape.market
    places = market.px_decimals + market.volume_decimals
    coins, quote = trimmed(texts(base, market.volume_decimals)), trimmed(texts(worth, places))
    if market.inverse:
        size = int(market.contract_size)
        return [str(usd // (10**places * size)) for usd in worth], coins, quote
    whole_size, _, part = market.contract_size.partition(".")
    size = int(whole_size + part)
    # a lot of the tape is a hundredth of a contract or more, so contracts have two decimals
    contracts = [b * 10 ** (len(part) + 2) // (size * 10**market.volume_decimals) for b in base]
    return trimmed(texts(contracts, 2)), coins, quote


def _averages(bars: Bars) -> list[bytes]:
    prices = [trimmed(column) for column in bars.prices()]
    table = zip(bars.ts.tolist(), *prices, strict=True)
    return [f'["{t}","{o}","{h}","{lo}","{c}","1"]'.encode() for t, o, h, lo, c in table]


def _funding(query: Query, tapes: Tapes, now: int) -> Answer:
    tape = tapes.get(query.get("instId", ""))
    if tape is None:
        return _missing(query)
    ts, rates = tape.funding
    low, high = _between(ts, query, ("before", "after"), now)
    low = max(low, int(np.searchsorted(ts, now - FUNDING_DAYS * DAY_MS)))
    low = max(low, high - min(whole(query, "limit") or FUNDING_MAX, FUNDING_MAX))
    row = (
        '{{"formulaType":"withRate","fundingRate":"{rate}","fundingTime":"{t}","instId":"{id}",'
        '"instType":"SWAP","method":"current_period","realizedRate":"{rate}"}}'
    )
    table = zip(ts[low:high].tolist(), trimmed(texts(rates[low:high], 8)), strict=True)
    rows = [row.format(id=tape.market.id, rate=rate, t=t).encode() for t, rate in table][::-1]
    return page(rows, time_key="fundingTime", names_symbol=True)


def _statistics(what: str, query: Query, tapes: Tapes, now: int) -> Answer:
    tape = tapes.get(query.get("instId", ""))
    if tape is None:
        return _missing(query)
    minutes = _minutes(query.get("period", "5m"))
    if minutes is None or minutes < 5:
        return error("51000", "Parameter period error")
    if what not in tape.cached:
        tape.cached[what] = _interest_rows(tape) if what == "interest" else _ratio_rows(tape)
    times = tape.ratio[0]
    step = minutes * MINUTE_MS
    on_period = np.flatnonzero(times % step == 0)
    low, high = _between(times[on_period], query, ("begin", "end"), now)
    low = max(low, int(np.searchsorted(times[on_period], now - RECENT_CANDLES * step)))
    low = max(low, high - min(whole(query, "limit") or STATISTICS_MAX, STATISTICS_MAX))
    return page([tape.cached[what][place] for place in on_period[low:high][::-1].tolist()])


def _interest_rows(tape: Tape) -> list[bytes]:
    ts, base, px = tape.open_interest
    worth = [a * b for a, b in zip(base.tolist(), px.tolist(), strict=True)]
    table = zip(ts.tolist(), *_amounts(tape, base.tolist(), worth), strict=True)
    return [f'["{t}","{n}","{v}","{q}"]'.encode() for t, n, v, q in table]


def _ratio_rows(tape: Tape) -> list[bytes]:
    ts, longs = tape.ratio
    return [f'["{t}","{n / (10_000 - n):.4f}"]'.encode() for t, n in zip(ts.tolist(), longs.tolist(), strict=True)]


def _tiers(query: Query, tapes: Tapes, _now: int) -> Answer:
    family = query.get("instFamily") or query.get("uly") or ""
    if query.get("instType") != "SWAP" or query.get("tdMode") not in {"cross", "isolated"}:
        return error("51000", "Parameter instType error")
    if f"{family}-SWAP" not in tapes:
        return _missing(query)
    blank = dict.fromkeys(("baseMaxLoan", "instId", "quoteMaxLoan"), "") | {"optMgnFactor": "0"}
    return envelope(
        [
            blank
            | {"imr": initial, "instFamily": family, "maxLever": leverage, "maxSz": high, "minSz": low}
            | {"mmr": maintenance, "tier": str(number), "uly": family}
            for number, (low, high, maintenance, initial, leverage) in enumerate(TIERS, start=1)
        ]
    )


ROUTES: dict[str, Callable[[Query, Tapes, int], Answer]] = {
    "public/time": _time,
    "public/instruments": _instruments,
    "public/position-tiers": _tiers,
    "public/funding-rate-history": _funding,
    "market/candles": partial(_candles, "trade", False),
    "market/history-candles": partial(_candles, "trade", True),
    "market/mark-price-candles": partial(_candles, "mark", False),
    "market/history-mark-price-candles": partial(_candles, "mark", True),
    "market/index-candles": partial(_candles, "index", False),
    "market/history-index-candles": partial(_candles, "index", True),
    "rubik/stat/contracts/open-interest-history": partial(_statistics, "interest"),
    "rubik/stat/contracts/long-short-account-ratio-contract": partial(_statistics, "ratio"),
}
