"""The meaning of a venue's answer: a page, a fault to ask again for, or a refusal.

A client library turns an HTML page or half a JSON text with status 200 into an empty list, and some refusals into a
general error. So the HTTP status and the body are looked at first, the exception last, and an empty page counts only if
its text was whole JSON in the venue's own envelope. A fault is never read as the end of a history.
"""

from __future__ import annotations

import re
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from functools import lru_cache
from itertools import repeat
from typing import Any

from backtest.fetch.retry import retry_after

GROUPED = re.compile(r'"\s*[-+]?[\d.]*\d_[\d_.eE+-]*\s*"')
FOREIGN_DIGITS = re.compile(r'"[-+.0-9]*(?:[^\W\D0-9]|\\u[0-9a-fA-F]{4})(?:[-+.\d]|\\u[0-9a-fA-F]{4})*"')
LETTERS_TRIED = 32
SWITCHES = re.compile(r"[\[,]\s*(?:true|false)\s*[\],]")  # in a list, where a number should be
SHOWN = 120  # characters of a body or an error that a message repeats
REFUSED = {
    401: "asks for a key (HTTP 401)",
    403: "refuses this address or country (HTTP 403)",
    451: "refuses this country (HTTP 451)",
}
BUSY = {418: "has banned this address for a while (HTTP 418)", 429: "is asked too often (HTTP 429)"}
# names of exception classes, so that no client library need be imported; the first that is an ancestor decides
REFUSALS = {
    "AuthenticationError": "asks for a key",
    "RestrictedLocation": "refuses this country",
    "BadSymbol": "does not list it",
    "NotSupported": "does not offer it",
    "BadRequest": "refuses the request",
    "ArgumentsRequired": "refuses the request",
}
TRANSIENT = {
    "RateLimitExceeded": "is asked too often",
    "DDoSProtection": "is asked too often",
    "OnMaintenance": "is under maintenance",
    "RequestTimeout": "did not answer in time",
    "ExchangeNotAvailable": "cannot be reached",
    "NetworkError": "cannot be reached",
    "BadResponse": "gave an answer that cannot be read",
}
# where the rows of a page lie in the answer; an empty page must show one of these places
ENVELOPES: dict[str, tuple[tuple[str, ...], ...]] = {
    "binanceusdm": ((),),
    "binancecoinm": ((),),
    "bybit": (("result", "list"),),
    "okx": (("data",),),
    "hyperliquid": ((),),
    "krakenfutures": (("candles",), ("rates",)),
    "bitget": (("data",), ("data", "resultList")),
    "gate": ((),),
    "kucoinfutures": (("data",), ("data", "dataList")),
}
NAME_KEYS = ("symbol", "instId", "coin", "s", "contract", "pair")  # how rows and envelopes name their market


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer as it came: ``json`` is the parsed body, or None where the body is not whole JSON.

    ``switches`` is whether the body has the word true or false, of which Python makes numbers.
    """

    status: int
    headers: Mapping[str, str]
    body: str
    json: Any
    switches: bool = False

    def header(self, name: str) -> str | None:
        """Return a header, whatever the case of its name."""
        return next((value for key, value in self.headers.items() if key.lower() == name.lower()), None)


@dataclass(frozen=True, slots=True)
class Fault:
    """Why there is no page: ``again`` if asking again may help, after ``wait_s`` where the venue names a time.

    ``whole_venue`` is true where nothing else need be asked of the venue.
    """

    reason: str
    again: bool
    wait_s: float | None = None
    whole_venue: bool = False


def classify(answers: Sequence[Answer], error: Exception | None) -> Fault | None:
    """Return the fault of the answers of one call, None where they may be read.

    Parameters
    ----------
    answers
        All HTTP answers of the call, in order; none where the connection failed.
    error
        The exception of the client, None where it returned.

    Examples
    --------
    >>> classify([Answer(200, {}, "<html>", None)], None).reason
    "gave no JSON with status 200: '<html>'"
    >>> classify([Answer(451, {}, "{}", {})], None)
    Fault(reason='refuses this country (HTTP 451)', again=False, wait_s=None, whole_venue=True)
    """
    for answer in answers:
        fault = _by_status(answer, error)
        if fault:
            return fault
    for answer in answers:
        if answer.status < 400 and answer.json is None and answer.body != "null":
            return Fault(f"gave no JSON with status {answer.status}: {_short(answer.body)}", again=True)
    return _by_error(error) if error else None


def _by_status(answer: Answer, error: Exception | None) -> Fault | None:
    if answer.status in REFUSED:
        return Fault(REFUSED[answer.status], again=False, whole_venue=True)
    if answer.status in BUSY:
        wait = retry_after(answer.header("Retry-After"), time.time())
        return Fault(BUSY[answer.status], again=True, wait_s=wait)
    if answer.status >= 500:
        wait = retry_after(answer.header("Retry-After"), time.time())
        return Fault(f"failed (HTTP {answer.status})", again=True, wait_s=wait)
    if answer.status >= 400:
        kinds = _kinds(error)
        if "RateLimitExceeded" in kinds or "DDoSProtection" in kinds:
            return Fault(f"is asked too often (HTTP {answer.status})", again=True)
        meaning = next((text for name, text in REFUSALS.items() if name in kinds), "refuses the request")
        return Fault(f"{meaning} (HTTP {answer.status}: {_short(answer.body)})", again=False)
    return None


def _by_error(error: Exception) -> Fault:
    kinds = _kinds(error)
    for name, meaning in REFUSALS.items():
        if name in kinds:
            return Fault(f"{meaning} ({_short(str(error))})", again=False, whole_venue=name == "RestrictedLocation")
    for name, meaning in TRANSIENT.items():
        if name in kinds:
            return Fault(f"{meaning} ({_short(str(error))})", again=True)
    # an error of the venue, or one of the client's own parser upon rows it does not understand
    return Fault(f"gave an error: {type(error).__name__}: {_short(str(error))}", again=True)


def _kinds(error: Exception | None) -> set[str]:
    return {kind.__name__ for kind in type(error).__mro__}


def _short(text: str) -> str:
    line = " ".join(text.split())
    return repr(line if len(line) <= SHOWN else f"{line[: SHOWN - 3]}...")


def empty_page_fault(venue: str, answer: Answer | None) -> Fault | None:
    """Return why an empty page cannot be believed: its rows are not where the venue puts them.

    Examples
    --------
    >>> empty_page_fault("bybit", Answer(200, {}, "", {"retCode": 0, "result": {"list": []}})) is None
    True
    >>> empty_page_fault("bybit", Answer(200, {}, "", {"retCode": 0, "result": {}})).again
    True
    """
    places = ENVELOPES.get(venue)
    if places is None or (answer is not None and any(isinstance(dig(answer.json, place), list) for place in places)):
        return None
    return Fault("gave an empty page without the place where its rows belong", again=True)


def dig(value: Any, place: Sequence[str]) -> Any:
    """Return what lies at a place of nested tables, None where a step of it is absent."""
    for key in place:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def wrong_market(answer: Answer, names: Collection[str]) -> Fault | None:
    """Return the fault of an answer that names another market than the one asked for.

    Parameters
    ----------
    names
        The names under which the venue knows the market.

    Examples
    --------
    >>> wrong_market(Answer(200, {}, "", [{"s": "ETH", "t": 1}]), {"BTC"}).reason
    "answered for 'ETH' in place of 'BTC'"
    """
    for name in _names(answer.json):
        if name not in names:
            return Fault(f"answered for {_short(name)} in place of {_short(min(names))}", again=True)
    return None


def _names(value: Any) -> Iterator[str]:
    """Give the market names in an answer: of its envelope and of its rows."""
    if isinstance(value, dict):
        yield from (value[key] for key in NAME_KEYS if isinstance(value.get(key), str))
        for nested in value.values():
            if isinstance(nested, dict):
                yield from _names(nested)
            elif isinstance(nested, list):
                yield from _row_names(nested)
    elif isinstance(value, list):
        yield from _row_names(value)


def _row_names(rows: Sequence[Any]) -> Iterator[str]:
    if rows and isinstance(rows[0], dict):
        tables = rows if set(map(type, rows)) == {dict} else [row for row in rows if isinstance(row, dict)]
        named = (set(map(dict.get, tables, repeat(key))) for key in NAME_KEYS)
        yield from (name for names in named for name in names if isinstance(name, str))


def strange_numbers(body: str) -> bool:
    r"""Return whether a text holds a number as no venue writes one, which Python would read: ``"5_0.0"``, ``true``.

    Examples
    --------
    >>> [strange_numbers(text) for text in ('["5_0.0"]', '["BTCUSD_251226"]', '[1, true]', '{"ok": true}')]
    [True, False, True, False]
    >>> strange_numbers('["\N{ARABIC-INDIC DIGIT FIVE}"]'), strange_numbers(r'["\u0665"]'), strange_numbers('["\xe9"]')
    (True, True, False)
    """
    # one character is looked for many times faster than a pattern
    if (not body.isascii() or "\\" in body) and FOREIGN_DIGITS.search(body):
        return True
    return (has_switch(body) and bool(SWITCHES.search(body))) or ("_" in body and bool(GROUPED.search(body)))


def has_switch(body: str) -> bool:
    """Return whether a text holds the word true or false.

    Examples
    --------
    >>> [has_switch(text) for text in ('{"a":true}', '{"result":{}}', "[false]", '["f"]', "u" * 99 + "true")]
    [True, False, True, False, True]
    """
    return any(_holds(body, word, letter) for word, letter in (("true", "u"), ("false", "f")))


def _holds(body: str, word: str, letter: str) -> bool:
    """Return whether a text holds a word, by one of its letters, which numbers do not have."""
    offset, place = word.index(letter), -1
    for _ in range(LETTERS_TRIED):
        place = body.find(letter, place + 1)
        if place < 0 or body.startswith(word, max(place - offset, 0)):
            return place >= 0
    return body.find(word, place) >= 0


def server_time(answer: Answer) -> float | None:
    """Return the time of an answer's ``Date`` header in seconds since the epoch, None where there is none."""
    text = answer.header("Date")
    return _seconds(text) if text else None


@lru_cache(maxsize=1)  # many answers come within one second
def _seconds(date: str) -> float | None:
    try:
        return parsedate_to_datetime(date).timestamp()
    except ValueError:
        return None
