"""What an answer means: the status first, then the body, the client's exception last; a fault is never an end."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtest.fetch.rest.responses import (
    ENVELOPES,
    Answer,
    Fault,
    classify,
    empty_page_fault,
    server_time,
    wrong_market,
)
from backtest.lake.markets import FIRST_CLASS

OK = Answer(200, {}, "[]", [])


def answer(status: int = 200, body: str = "[]", json: Any = None, **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, named, body, [] if json is None and body == "[]" else json)


def raised(name: str, text: str = "words") -> Exception:
    """Return an exception of the client's, by the name of its class."""
    import ccxt

    error: Exception = getattr(ccxt, name)(text)
    return error


def test_whole_answers_may_be_read() -> None:
    assert classify([OK], None) is None
    assert classify([OK, answer(200, '{"a": 1}', {"a": 1})], None) is None
    assert classify([answer(200, "null", None)], None) is None


@pytest.mark.parametrize(
    ("status", "again", "whole_venue", "words"),
    [
        (401, False, True, "asks for a key (HTTP 401)"),
        (403, False, True, "refuses this address or country (HTTP 403)"),
        (451, False, True, "refuses this country (HTTP 451)"),
        (418, True, False, "has banned this address for a while (HTTP 418)"),
        (429, True, False, "is asked too often (HTTP 429)"),
        (500, True, False, "failed (HTTP 500)"),
        (503, True, False, "failed (HTTP 503)"),
        (520, True, False, "failed (HTTP 520)"),
        (400, False, False, "refuses the request (HTTP 400: '[]')"),
        (404, False, False, "refuses the request (HTTP 404: '[]')"),
    ],
)
@pytest.mark.parametrize("error", [None, "ExchangeError", "ExchangeNotAvailable", "BadSymbol", "AuthenticationError"])
def test_the_status_decides_whatever_the_client_made_of_it(
    status: int, again: bool, whole_venue: bool, words: str, error: str | None
) -> None:
    fault = classify([answer(status)], raised(error) if error else None)
    assert fault is not None
    assert (fault.again, fault.whole_venue) == (again, whole_venue)
    if status not in {400, 404} or error is None:  # there the client's own word says more
        assert fault.reason == words


@pytest.mark.parametrize(
    ("error", "words"),
    [
        ("BadSymbol", "does not list it (HTTP 400: 'sorry')"),
        ("NotSupported", "does not offer it (HTTP 400: 'sorry')"),
        ("AuthenticationError", "asks for a key (HTTP 400: 'sorry')"),
        ("BadRequest", "refuses the request (HTTP 400: 'sorry')"),
        ("ExchangeError", "refuses the request (HTTP 400: 'sorry')"),
    ],
)
def test_a_bad_request_is_explained_by_the_client_and_not_repeated(error: str, words: str) -> None:
    assert classify([answer(400, "sorry")], raised(error)) == Fault(words, again=False)


@pytest.mark.parametrize("error", ["RateLimitExceeded", "DDoSProtection"])
def test_a_bad_request_that_means_too_often_is_repeated(error: str) -> None:
    fault = classify([answer(400, "sorry")], raised(error))
    assert fault == Fault("is asked too often (HTTP 400)", again=True)


@pytest.mark.parametrize("status", [418, 429, 500, 503])
def test_the_wait_is_what_the_venue_says(status: int) -> None:
    assert classify([answer(status, Retry_After="7")], None).wait_s == 7.0  # type: ignore[union-attr]
    assert classify([answer(status, retry_after="7")], None).wait_s == 7.0  # type: ignore[union-attr]
    assert classify([answer(status, Retry_After="soon")], None).wait_s is None  # type: ignore[union-attr]
    assert classify([answer(status)], None).wait_s is None  # type: ignore[union-attr]


@pytest.mark.parametrize("body", ["", "<html>sorry</html>", '{"data": [1, 2', "[[1,2,3]", "NaN"])
@pytest.mark.parametrize("error", [None, "BadResponse", "ExchangeNotAvailable", "BadSymbol"])
def test_a_body_that_is_not_whole_json_is_asked_for_again(body: str, error: str | None) -> None:
    fault = classify([Answer(200, {}, body, None)], raised(error) if error else None)
    assert fault is not None
    assert fault.again
    assert fault.reason == f"gave no JSON with status 200: {body!r}"


def test_the_worst_answer_of_a_call_counts() -> None:
    refused = answer(451)
    assert classify([OK, refused, OK], None) == classify([refused], None)
    assert classify([Answer(200, {}, "<html>", None), refused], None) == classify([refused], None)


@pytest.mark.parametrize(
    ("error", "again", "words"),
    [
        ("AuthenticationError", False, "asks for a key ('words')"),
        ("PermissionDenied", False, "asks for a key ('words')"),
        ("BadSymbol", False, "does not list it ('words')"),
        ("NotSupported", False, "does not offer it ('words')"),
        ("BadRequest", False, "refuses the request ('words')"),
        ("ArgumentsRequired", False, "refuses the request ('words')"),
        ("RateLimitExceeded", True, "is asked too often ('words')"),
        ("DDoSProtection", True, "is asked too often ('words')"),
        ("OnMaintenance", True, "is under maintenance ('words')"),
        ("RequestTimeout", True, "did not answer in time ('words')"),
        ("ExchangeNotAvailable", True, "cannot be reached ('words')"),
        ("NetworkError", True, "cannot be reached ('words')"),
        ("BadResponse", True, "gave an answer that cannot be read ('words')"),
        ("NullResponse", True, "gave an answer that cannot be read ('words')"),
        ("ExchangeError", True, "gave an error: ExchangeError: 'words'"),
    ],
)
@pytest.mark.parametrize("answers", [[], [OK]])
def test_without_a_fault_in_the_answers_the_exception_decides(
    error: str, again: bool, words: str, answers: list[Answer]
) -> None:
    fault = classify(answers, raised(error))
    assert fault is not None
    assert (fault.again, fault.reason, fault.whole_venue) == (again, words, False)


def test_a_restricted_location_holds_for_the_venue() -> None:
    fault = classify([OK], raised("RestrictedLocation"))
    assert fault == Fault("refuses this country ('words')", again=False, whole_venue=True)


@pytest.mark.parametrize("error", [TypeError("x"), KeyError("x"), ValueError("x"), IndexError(), ZeroDivisionError()])
def test_what_the_clients_parser_stumbles_over_is_asked_for_again(error: Exception) -> None:
    fault = classify([OK], error)
    assert fault is not None
    assert fault.again
    assert fault.reason.startswith(f"gave an error: {type(error).__name__}: ")


def test_no_answer_and_no_exception_is_no_fault() -> None:
    assert classify([], None) is None


@given(st.text(max_size=400), st.sampled_from([200, 400, 404, 500]))
def test_reasons_are_one_short_line(text: str, status: int) -> None:
    for error in (None, raised("ExchangeError", text)):
        fault = classify([Answer(status, {}, text, None)], error)
        if fault is not None:
            assert "\n" not in fault.reason
            assert "\r" not in fault.reason
            assert fault.reason.isprintable()
            assert len(fault.reason) < 2000


ROWS = {
    "binanceusdm": [], "binancecoinm": [], "hyperliquid": [], "gate": [],
    "bybit": {"retCode": 0, "result": {"list": []}}, "okx": {"code": "0", "data": []},
    "krakenfutures": {"candles": []}, "bitget": {"data": {"resultList": []}}, "kucoinfutures": {"data": []},
}  # fmt: skip


@pytest.mark.parametrize("venue", ROWS)
def test_an_empty_page_in_its_envelope_is_believed(venue: str) -> None:
    assert empty_page_fault(venue, answer(json=ROWS[venue], body="x")) is None


@pytest.mark.parametrize("venue", ROWS)
@pytest.mark.parametrize("json", [None, {}, {"code": 1}, {"data": None}, {"result": {}}, {"result": []}, "text", 5])
def test_an_empty_page_without_its_envelope_is_a_fault(venue: str, json: Any) -> None:
    fault = empty_page_fault(venue, Answer(200, {}, "x", json))
    assert fault is not None
    assert fault.again
    no_answer = empty_page_fault(venue, None)
    assert no_answer is not None
    assert no_answer.again


def test_every_first_class_venue_has_an_envelope() -> None:
    assert set(FIRST_CLASS) == set(ENVELOPES)
    assert empty_page_fault("deribit", answer(json={}, body="x")) is None  # of others nothing is known


@pytest.mark.parametrize(
    ("json", "name"),
    [
        ({"symbol": "ETHUSDT", "data": []}, "ETHUSDT"),
        ({"result": {"symbol": "ETHUSDT", "list": []}}, "ETHUSDT"),
        ({"result": {"category": "linear", "list": [{"symbol": "ETHUSDT"}]}}, "ETHUSDT"),
        ({"data": [{"instId": "BTCUSDT"}, {"instId": "ETHUSDT"}]}, "ETHUSDT"),
        ([{"coin": "ETH", "time": 1}], "ETH"),
        ([{"s": "BTCUSDT"}, {"s": "ETH"}], "ETH"),
        ({"a": {"b": {"contract": "ETH_USDT"}}}, "ETH_USDT"),
    ],
)
def test_another_market_in_an_answer_is_a_fault(json: Any, name: str) -> None:
    fault = wrong_market(answer(json=json, body="x"), {"BTCUSDT", "BTC"})
    assert fault == Fault(f"answered for '{name}' in place of 'BTC'", again=True)


@pytest.mark.parametrize(
    "json",
    [
        [[1, "2", "3"]], [], None, 5, "text", {"data": [["1", "2"]]}, {"symbol": 5}, {"data": [{"symbol": None}]},
        {"result": {"symbol": "BTCUSDT", "list": [[1]]}}, [{"coin": "BTC"}], [{"price": 1}, {"symbol": "BTC"}], [None],
    ],
)  # fmt: skip
def test_an_answer_that_names_no_other_market_is_taken(json: Any) -> None:
    assert wrong_market(Answer(200, {}, "x", json), {"BTCUSDT", "BTC"}) is None


def test_the_clock_of_a_venue_is_its_date_header() -> None:
    assert server_time(answer(Date="Fri, 10 Oct 2025 21:00:00 GMT")) == 1_760_130_000.0
    assert server_time(answer(date="Fri, 10 Oct 2025 21:00:00 GMT")) == 1_760_130_000.0
    assert server_time(answer()) is None
    for text in ("", "yesterday", "Fri, 40 Oct 2025 21:00:00 GMT", "Fri, 10 Oct 99999 21:00:00 GMT", "0"):
        assert server_time(answer(Date=text)) is None


def test_the_name_of_a_header_has_no_case() -> None:
    assert Answer(200, {"RETRY-after": "5"}, "", None).header("Retry-After") == "5"
    assert Answer(200, {}, "", None).header("Retry-After") is None
