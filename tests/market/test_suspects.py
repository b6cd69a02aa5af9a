"""A replay refuses doubtful values where it walks, and tells those it was allowed."""

from __future__ import annotations

import polars as pl
import pytest

from backtest.errors import SuspectError
from backtest.lake.series import schema_of
from backtest.lake.suspect import Suspect
from backtest.market.inputs import InputSeries
from backtest.market.suspects import refuse_suspects, suspect_notes, suspects_used
from backtest.report import render_html
from backtest.run.run import open_run
from backtest.run.summary import block
from tests.support.hostile import START, accepted, prepared, refusal, replay_words, run_of, spoilt, store, tape

AT = "2021-12-04T05:23:00"


@pytest.mark.parametrize(("low", "shown"), [(0.0, "0"), (100.0, "100")])
def test_a_wrong_low_is_refused_in_one_line_with_two_ways_out(low: float, shown: str) -> None:
    store(spoilt(low=low))
    line = refusal(3)
    assert line.startswith(f"BTC/USDT:USDT: suspicious ohlcv low {shown} at {AT}, expected at least ")
    assert "crashbook fetch 2021-12-04 --venue binanceusdm --coins BTC --series ohlcv --refetch, or" in line
    assert line.endswith("or replay it as it is with --allow-suspect")


def test_a_wrong_mark_is_refused() -> None:
    store(tape())
    store(spoilt(low=100.0), "mark_ohlcv")
    assert refusal(3).startswith(f"BTC/USDT:USDT: suspicious mark_ohlcv low 100 at {AT}")


def test_marks_in_another_unit_are_refused() -> None:
    store(tape())
    store(tape().with_columns(pl.col("open", "high", "low", "close") / 100), "mark_ohlcv")
    assert "marks are 0.01 times the trades of the same bars" in refusal(3)


def test_a_wrong_rate_is_refused() -> None:
    store(tape())
    rates = {"ts": [START.replace(hour=hour, minute=0) for hour in (0, 4)] + [START], "rate": [1e-4, 1e-4, 0.5]}
    store(pl.DataFrame(rates, schema=schema_of("funding")), "funding")
    assert "suspicious funding rate 0.5" in refusal(3)


def test_a_mark_that_goes_there_too_lets_the_replay_run() -> None:
    store(spoilt(low=100.0))
    store(spoilt(low=100.0), "mark_ohlcv")
    assert prepared().market.suspects == ()


def test_what_lies_before_the_bars_replayed_is_told_and_not_refused() -> None:
    early, late = (Suspect(START.replace(hour=hour), "low", 1.0, 5.0, None, "alone") for hour in (1, 5))
    series = InputSeries("ohlcv", "BTC/USDT:USDT", "binanceusdm: a folder", "measured", suspects=(early, late))
    used = suspects_used([series], START.replace(hour=2))
    assert [each.suspect for each in used] == [late, early]
    with pytest.raises(
        SuspectError, match=r"low 1 at 2021-12-04T05:20:00, expected at least 5 \(alone\), in a folder;"
    ):
        refuse_suspects(used, "2021-12-04", allowed=False)
    refuse_suspects(used, "2021-12-04", allowed=True)
    refuse_suspects(used[1:], "2021-12-04", allowed=False)
    assert [note.rpartition(": ")[2] for note in suspect_notes(used)] == [
        "replayed as it is.", "used before the core as it is.",
    ]  # fmt: skip


def test_what_is_allowed_is_told_and_part_of_the_run() -> None:
    store(spoilt(low=100.0))
    out = accepted(*replay_words(), "--allow-suspect")
    assert f"suspicious  1 value, replayed: BTC ohlcv low 100 at {AT}" in out
    run = open_run()
    assert run.meta.scenario.allow_suspect is True
    (suspect,) = run.meta.suspects
    assert (suspect.field, suspect.value, suspect.ts.isoformat(), suspect.walked) == ("low", 100.0, AT, True)
    assert any(note.startswith("BTC/USDT:USDT: suspicious ohlcv low 100") for note in run.meta.notes)
    page = render_html(run)
    assert "suspicious value of the data used was allowed" in page
    assert "the bars before and after it neither open nor close near it" in page


def test_the_keyword_of_the_interface_allows_it_too() -> None:
    store(spoilt(low=100.0))
    with pytest.raises(SuspectError):
        run_of()
    assert "suspicious" in block(run_of(allow_suspect=True))


def test_allowing_changes_the_identity_of_a_run_and_not_its_values() -> None:
    store(tape())
    plain, allowed = prepared(), prepared("allow_suspect=true")
    assert plain.run_id != allowed.run_id
    assert plain.market.digest == allowed.market.digest
