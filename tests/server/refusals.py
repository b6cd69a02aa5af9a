"""How each venue says no: limits of rate, bans, countries, errors of the server and errors with status 200."""

from __future__ import annotations

from typing import Any

from tests.server.wire import Answer

MAINTENANCE = b"<!DOCTYPE html><html><head><title>Maintenance</title></head><body><h1>Back soon</h1></body></html>"
CLOUDFRONT = (
    b'<!DOCTYPE HTML PUBLIC "-//W3C//DTD HTML 4.01 Transitional//EN"><HTML><HEAD><TITLE>ERROR: The request could not '
    b"be satisfied</TITLE></HEAD><BODY><H1>403 ERROR</H1>The Amazon CloudFront distribution is configured to block "
    b"access from your country.</BODY></HTML>"
)
RESTRICTED = (
    "Service unavailable from a restricted location according to 'b. Eligibility' in "
    "https://www.binance.com/en/terms. Please contact customer service if you believe you received this message in "
    "error."
)
TOO_MANY = "Too many requests; current limit of IP(127.0.0.1) is 2400 requests per minute."
BANNED = "Way too much request weight used; IP(127.0.0.1) banned until 1760140800000."
GATEWAY = b"<html><head><title>%d %s</title></head><body><center><h1>%d %s</h1></center></body></html>"
REASONS = {500: b"Internal Server Error", 502: b"Bad Gateway", 503: b"Service Temporarily Unavailable"}

# status where the fault names none, and the body by venue; "" stands for the rest
BODIES: dict[str, tuple[int, dict[str, Any]]] = {
    "html": (200, {"": MAINTENANCE}),
    "rate_limited": (
        429,
        {
            "binance": {"code": -1003, "msg": TOO_MANY},
            "bybit": {"retCode": 10006, "retMsg": "Too many visits!", "result": {}, "retExtInfo": {}, "time": 0},
            "okx": {"msg": "Too Many Requests", "code": "50011"},
            "hyperliquid": None,
            "": b"Too Many Requests",
        },
    ),
    "banned": (
        418,
        {"binance": {"code": -1003, "msg": BANNED}, "": b"banned"},
    ),
    "blocked": (
        0,
        {
            "binance": {"code": 0, "msg": RESTRICTED},
            "bybit": CLOUDFRONT,
            "okx": b"<html><head><title>403 Forbidden</title></head><body>Access denied by country</body></html>",
            "hyperliquid": b"<html><head><title>403 Forbidden</title></head><body>403 Forbidden</body></html>",
            "": CLOUDFRONT,
        },
    ),
    "server_error": (503, {}),
    "envelope_error": (200, {}),
}
BLOCKED_STATUS = {"binance": 451}
# with status 200; the first code of a venue is the one meant where the fault names none
ENVELOPES: dict[str, dict[str, Any]] = {
    "binance": {
        "-1003": {"code": -1003, "msg": TOO_MANY},
        "-1001": {"code": -1001, "msg": "Internal error; unable to process your request. Please try again."},
    },
    "bybit": {
        "10006": {"retCode": 10006, "retMsg": "Too many visits. Exceeded the API Rate Limit.", "result": {}},
        "10016": {"retCode": 10016, "retMsg": "Server error.", "result": {}},
    },
    "okx": {
        "50011": {"code": "50011", "data": [], "msg": "Rate limit reached. Please refer to API documentation."},
        "50001": {"code": "50001", "data": [], "msg": "Service temporarily unavailable. Try again later."},
    },
    "hyperliquid": {"err": {"status": "err", "response": "Too many requests"}},
}


def refuse(kind: str, venue: str, status: int, code: str, now: int) -> Answer:
    """Return the refusal of a venue; 0 and "" leave status and code to the venue.

    >>> refuse("blocked", "binance", 0, "", 0)[0], refuse("blocked", "bybit", 0, "", 0)[0]
    (451, 403)
    """
    usual, bodies = BODIES[kind]
    if kind == "server_error":
        status = status or usual
        reason = REASONS.get(status, b"Error")
        return status, GATEWAY % (status, reason, status, reason)
    if kind == "envelope_error":
        codes = ENVELOPES[venue]
        body = codes[code or next(iter(codes))]
        return status or usual, body | {"retExtInfo": {}, "time": now} if venue == "bybit" else body
    if kind == "blocked":
        usual = BLOCKED_STATUS.get(venue, 403)
    body = bodies[venue] if venue in bodies else bodies[""]
    return status or usual, body
