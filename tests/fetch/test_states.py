"""A day is whole, partial or disputed: an outage that passes leaves no hole, and two answers that differ are told."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import orjson
import pytest

from backtest.errors import DataError
from backtest.fetch.day import FetchedDay, state_of
from backtest.fetch.outcome import Outcome
from backtest.fetch.settle import HeldDay, held_day, settle
from backtest.lake.digests import rows_digest
from backtest.lake.manifest import read_manifest
from backtest.lake.place import Place
from backtest.lake.read import read_file
from backtest.lake.states import Standing, read_standing, standing_of
from tests.fetch.standins import flat
from tests.fetch.venues import NOW, SYMBOLS, VENUES, lake_digests, wanted
from tests.fetch.wire import Reply, Request, Wire, fetched_over
from tests.server.market import CRASH_DAYS, HOUR_MS
from tests.support.command import call

DAY = CRASH_DAYS[:1]
START = 1_760_054_400_000
HOUR = START + 5 * HOUR_MS
NOW_S = NOW.replace(tzinfo=dt.UTC).timestamp()
PLACES = {venue: Place(venue, SYMBOLS[venue], "ohlcv") for venue in VENUES}
Monkey = pytest.MonkeyPatch


def without(wire: Wire, start_ms: int, end_ms: int) -> None:
    """Let the venues be without rows of some time: an outage that has not passed."""

    def time_of(row: Any) -> int:
        if isinstance(row, list):
            return int(row[0])
        return int(
            next(row[name] for name in ("t", "time", "timestamp", "fundingTime", "fundingRateTimestamp") if name in row)
        )

    def change(request: Request, reply: Reply) -> Reply:
        if not request.page:
            return reply
        body = orjson.loads(reply.body)
        rows = body if isinstance(body, list) else body["data"] if "data" in body else body["result"]["list"]
        rows[:] = [row for row in rows if not start_ms <= time_of(row) < end_ms]
        return replace(reply, body=orjson.dumps(body))

    wire.change = change


def outage() -> Wire:
    wire = Wire()
    without(wire, HOUR, HOUR + HOUR_MS)
    return wire


def told(outcome: Outcome) -> list[tuple[str, int, int, str, bool]]:
    return [(day.source, day.rows, day.missing, day.state, day.fresh) for day in outcome.served]


@pytest.mark.parametrize("venue", VENUES)
def test_a_day_in_part_is_stored_and_the_next_venue_is_asked(venue: str, monkeypatch: Monkey) -> None:
    backup = "okx" if venue != "okx" else "bybit"
    wire = outage()
    part = wire.change
    wire.change = lambda request, reply: part(request, reply) if venue.startswith(request.venue) else reply
    goals = wanted([venue, backup], days=DAY)
    outcome = fetched_over(wire, goals, monkeypatch)
    assert told(outcome) == [(venue, 1380, 60, "partial", True), (backup, 1440, 0, "whole", True)]
    assert outcome.lacking(goals[0]) == outcome.holes(goals[0]) == []
    assert [read_standing(PLACES[name].file(DAY[0])).state for name in (venue, backup)] == ["partial", "whole"]
    states = [entry["state"] for entry in read_manifest().values()]
    assert states == ["partial", "whole"]


def test_a_day_in_part_is_a_hole_that_says_what_there_is(monkeypatch: Monkey) -> None:
    (goal,) = wanted(["okx", "bybit"], days=DAY)
    outcome = fetched_over(outage(), [goal], monkeypatch)
    assert outcome.lacking(goal) == [*DAY]
    assert [(hole.days, hole.reason) for hole in outcome.holes(goal)] == [(DAY, "partial from okx, 60 rows missing")]


@pytest.mark.parametrize("venue", VENUES)
def test_an_outage_that_passes_leaves_the_lake_of_a_quiet_day(venue: str, monkeypatch: Monkey) -> None:
    goals = wanted([venue], days=DAY)
    fetched_over(outage(), goals, monkeypatch)
    outcome = fetched_over(Wire(), goals, monkeypatch, clock=lambda: NOW_S + 901)
    assert told(outcome) == [(venue, 1440, 0, "whole", True)]
    assert outcome.served[0].note == "60 rows more than before"
    healed = lake_digests()
    PLACES[venue].file(DAY[0]).unlink()
    fetched_over(Wire(), goals, monkeypatch)
    assert lake_digests() == healed


def test_a_source_that_gave_a_part_rests_for_the_pause(monkeypatch: Monkey) -> None:
    goals = wanted(["bybit"], days=DAY)
    fetched_over(outage(), goals, monkeypatch)
    for later_s, asked in ((0, False), (899, False), (900, True)):
        wire = outage()
        outcome = fetched_over(wire, goals, monkeypatch, clock=lambda now=NOW_S + later_s: now)
        assert bool(wire.asked) == asked
        assert told(outcome)[0][1:4] == (1380, 60, "partial")
        assert outcome.lacking(goals[0]) == [*DAY]
        assert asked or outcome.served[0].note == "asked again from 2025-10-12 06:15 UTC on"
    wire = Wire()  # the third asking began the pause anew; a shorter one may be set
    fetched_over(wire, goals, monkeypatch, clock=lambda: NOW_S + 901)
    assert wire.asked == []
    fetched_over(wire, goals, monkeypatch, clock=lambda: NOW_S + 910, budget={"pause_s": 5})
    assert wire.asked != []


def test_another_source_of_the_same_place_is_asked_at_once(monkeypatch: Monkey) -> None:
    goals = wanted(["bybit"], days=DAY)
    fetched_over(outage(), goals, monkeypatch)
    path = PLACES["bybit"].file(DAY[0])
    held = held_day(PLACES["bybit"], DAY[0])
    assert (held.state, held.standing.source) == ("partial", "bybit")
    from backtest.fetch.day import store

    store(held.fetched, PLACES["bybit"], Standing("partial", "bybit archive"), dt.datetime.fromtimestamp(NOW_S, dt.UTC))
    assert read_standing(path).source == "bybit archive"
    wire = Wire()
    assert told(fetched_over(wire, goals, monkeypatch)) == [("bybit", 1440, 0, "whole", True)]


def test_whole_days_are_asked_for_again_with_refetch_only(monkeypatch: Monkey) -> None:
    goals = wanted(["okx"], days=DAY)
    fetched_over(Wire(), goals, monkeypatch)
    before = lake_digests()
    wire = Wire()
    assert told(fetched_over(wire, goals, monkeypatch)) == [("okx", 1440, 0, "whole", False)]
    assert wire.asked == []
    outcome = fetched_over(wire, goals, monkeypatch, refetch=True)
    assert wire.asked != []
    assert [(day.state, day.note) for day in outcome.served] == [("whole", "the same again")]
    assert lake_digests() == before


def dearer(wire: Wire) -> Wire:
    """Let a venue change its mind about one bar."""

    def change(request: Request, reply: Reply) -> Reply:
        if not request.page:
            return reply
        body = orjson.loads(reply.body)
        for row in body["data"]:
            if int(row[0]) == HOUR:
                row[2] = f"{float(row[2]) + 1:.1f}"
        return replace(reply, body=orjson.dumps(body))

    wire.change = change
    return wire


def test_two_answers_that_differ_make_a_disputed_day_and_a_third_settles_it(monkeypatch: Monkey) -> None:
    goals, place = wanted(["okx"], days=DAY), PLACES["okx"]
    fetched_over(Wire(), goals, monkeypatch)
    first = rows_digest(read_file(place.file(DAY[0]))[0])
    outcome = fetched_over(dearer(Wire()), goals, monkeypatch, refetch=True)
    (entry,) = read_manifest().values()
    second = entry["other_sha256"]
    assert (entry["state"], entry["sha256"]) == ("disputed", first)
    assert second not in {"", first}
    assert outcome.served[0].note == f"okx differs now ({second[:12]}); the rows of before are kept ({first[:12]})"
    assert outcome.lacking(goals[0]) == [*DAY]
    assert read_standing(place.file(DAY[0])) == Standing("disputed", "okx", second)
    strict = call("data", "--strict", "--format", "json")
    assert (strict.exit_code, "1 disputed day" in strict.stderr) == (3, True)
    assert [row["state"] for row in json.loads(strict.stdout)] == ["disputed: 2025-10-10"]

    wire = Wire()  # asked again with refetch only
    assert told(fetched_over(wire, goals, monkeypatch, clock=lambda: NOW_S + 1e6))[0][3:] == ("disputed", False)
    assert wire.asked == []
    outcome = fetched_over(dearer(Wire()), goals, monkeypatch, refetch=True)
    assert [(day.state, day.fresh) for day in outcome.served] == [("whole", True)]
    (entry,) = read_manifest().values()
    assert (entry["state"], entry["sha256"], entry.get("other_sha256")) == ("whole", second, None)


def test_a_third_answer_for_what_is_kept_settles_it_too(monkeypatch: Monkey) -> None:
    goals = wanted(["okx"], days=DAY)
    fetched_over(Wire(), goals, monkeypatch)
    before = lake_digests()
    fetched_over(dearer(Wire()), goals, monkeypatch, refetch=True)
    assert lake_digests() != before
    outcome = fetched_over(Wire(), goals, monkeypatch, refetch=True)
    assert [day.note for day in outcome.served] == ["disputed before; two answers of three are these rows"]
    assert lake_digests() == before


def test_a_whole_day_stays_where_its_source_fails_or_gives_less(monkeypatch: Monkey) -> None:
    goals = wanted(["okx"], days=DAY)
    fetched_over(Wire(), goals, monkeypatch)
    before = lake_digests()
    outcome = fetched_over(outage(), goals, monkeypatch, refetch=True)
    assert [(day.state, day.note) for day in outcome.served] == [("whole", "60 rows fewer than before; not taken")]
    down = Wire(lambda request, reply: replace(reply, status=503, body=b"") if request.page else reply)
    outcome = fetched_over(down, goals, monkeypatch, refetch=True)
    assert told(outcome) == [("okx", 1440, 0, "whole", False)]
    assert outcome.denied[0].reason == "failed (HTTP 503), on every attempt"
    assert lake_digests() == before


def rows(minutes: int, price: float = 100.0, first: int = 0) -> FetchedDay:
    start = dt.datetime.combine(DAY[0], dt.time()) + dt.timedelta(minutes=first)
    return FetchedDay(DAY[0], frame=flat(start, minutes, price=price))


def held(fetched: FetchedDay, **more: Any) -> HeldDay:
    standing = Standing(state_of(fetched, PLACES["okx"]), "okx")
    standing = replace(standing, **more)
    assert standing.state is not None
    return HeldDay(fetched, standing, standing.state)


@pytest.mark.parametrize(
    ("ours", "theirs", "kept", "state"),
    [
        (rows(100), rows(100), "ours", "partial"),
        (rows(100), rows(200), "theirs", "partial"),
        (rows(100), rows(1440), "theirs", "whole"),
        (rows(200), rows(100), "ours", "partial"),
        (rows(100), rows(100, first=50), "ours", "disputed"),
        (rows(100), rows(200, first=50), "theirs", "disputed"),
        (rows(1440), rows(1440, price=9), "ours", "disputed"),
        (rows(1440), rows(100, price=9), "ours", "disputed"),
    ],
)
def test_which_answer_is_kept(ours: FetchedDay, theirs: FetchedDay, kept: str, state: str) -> None:
    settled = settle(held(ours), theirs, PLACES["okx"], "okx")
    assert settled.fetched is (ours if kept == "ours" else theirs)
    assert settled.standing.state == state
    other = theirs if kept == "ours" else ours
    digest = rows_digest(other.frame) if other.frame is not None else ""
    assert settled.standing.other_sha256 == (digest if state == "disputed" else "")


def funding(*hours: int) -> FetchedDay:
    return FetchedDay(DAY[0], rows=np.array([[START + hour * HOUR_MS + 7.0, 0.0001] for hour in hours]).reshape(-1, 2))


@pytest.mark.parametrize(
    ("series", "fetched", "state"),
    [
        ("ohlcv", rows(1440), "whole"),
        ("ohlcv", rows(1439), "partial"),
        ("ohlcv", replace(rows(3), sparse=True), "whole"),
        ("funding", funding(0, 8, 16), "whole"),
        ("funding", funding(*range(24)), "whole"),
        ("funding", funding(0, 16), "partial"),
        ("funding", funding(*range(23)), "partial"),
        ("funding", funding(*range(2, 24)), "partial"),
        ("funding", funding(), "partial"),
        ("depth", rows(3), "whole"),
        ("depth", replace(rows(3), dropped=1), "partial"),
    ],
)
def test_what_makes_a_day_whole(series: str, fetched: FetchedDay, state: str) -> None:
    assert state_of(fetched, replace(PLACES["bybit"], series=series)) == state


@pytest.mark.parametrize("text", [b"", b"Whole", b"whole\0", b"\xff", b"partial disputed"])
def test_a_state_that_is_none_is_unknown(text: bytes) -> None:
    assert standing_of({b"state": text}).state is None
    assert standing_of(None) == Standing()


def test_a_file_without_a_state_has_that_of_its_rows(monkeypatch: Monkey) -> None:
    import polars as pl

    goals, place = wanted(["bybit"], days=DAY), PLACES["bybit"]
    for minutes, asked in ((1440, False), (1000, True)):
        place.folder.mkdir(parents=True, exist_ok=True)
        frame = rows(minutes).frame
        assert isinstance(frame, pl.DataFrame)
        frame.write_parquet(place.file(DAY[0]))
        wire = Wire()
        fetched_over(wire, goals, monkeypatch)
        assert bool(wire.asked) == asked
    place.file(DAY[0]).write_bytes(b"PAR1")
    assert read_standing(place.file(DAY[0])) == Standing()
    with pytest.raises(DataError):
        held_day(place, DAY[0])


def test_the_command_ends_with_3_and_a_line_for_each_hole_of_any_series(monkeypatch: Monkey) -> None:
    from backtest.cli import fetch as command

    def run(series: str, change: Callable[[Request, Reply], Reply] | None = None) -> tuple[int, list[str]]:
        def over_the_wire(order: Any, output: Any) -> Outcome:
            return fetched_over(Wire(change or (lambda request, reply: reply)), order.targets, monkeypatch)

        with monkeypatch.context() as patch:
            patch.setattr(command, "run_order", over_the_wire)
            words = ("--venue", "bybit", "--only", "--coins", "BTC", "--end", "2025-10-10", "--series", series)
            result = call("fetch", "2025-10-10", *words, "-q")
        return result.exit_code, result.stderr.splitlines()

    def down(request: Request, reply: Reply) -> Reply:
        return replace(reply, status=503, body=b"") if request.page or "risk" in request.path else reply

    every = ("ohlcv", "mark_ohlcv", "index_ohlcv", "funding", "open_interest", "leverage_tiers")
    code, lines = run(",".join(every), change=down)
    assert code == 3
    assert [line.split()[:3] for line in lines[:-1]] == [["hole:", series, "BTC"] for series in every]
    assert all("bybit: failed (HTTP 503), on every attempt" in line for line in lines[:-1])
    assert lines[-1].startswith(f"crashbook: 6 holes, of {', '.join(every)}: a line above for each")
    assert run(",".join(every)) == (0, [])
    code, lines = run(
        "limits,mark_ohlcv",
        change=lambda request, reply: replace(reply, body=b"{}") if "instr" in request.path else reply,
    )
    assert code == 3
    assert [line.split()[1] for line in lines[:-1]] == ["limits"]  # the marks are in the lake
    code, lines = run("liquidations")
    assert (code, lines[0]) == (3, "hole: liquidations BTC 2025-10-10: bybit: serves no history over REST")
