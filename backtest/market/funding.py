"""Funding settlements of a window: fetched rates on the venue's clock, within its caps, on its notional."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_HALF_EVEN, Decimal
from typing import TYPE_CHECKING, NamedTuple

from backtest.errors import DataError
from backtest.lake.checks import Facts, check_bars, check_funding
from backtest.lake.place import Place, shown
from backtest.lake.plausible import LARGE_RATE, judge_rates
from backtest.lake.read import read_series
from backtest.lake.suspect import Suspect
from backtest.lake.witnesses import suspects_of
from backtest.market.inputs import InputSeries, from_lake
from backtest.mechanics.exact import rate_e9
from backtest.times import Window
from backtest.venue.funding_rule import compare_clock
from backtest.venue.instrument import Instrument

if TYPE_CHECKING:
    import polars as pl

    from backtest.venue.profile import VenueProfile

MINUTE = dt.timedelta(minutes=1)
AROUND = dt.timedelta(hours=36)  # rates that a rate is judged by
NO_RATES = "no funding data in the window"
NOT_DUE = "no settlement is due in the window"


class Settlement(NamedTuple):
    """One settlement of one symbol: the rate charged, the price it is charged on, and the rate fetched.

    ``bar`` counts from the window's start. Rates are in 1e-9. ``oracle`` is the price the payment is charged on in
    mark quanta; 0 where that is the first mark walked in the bar.
    """

    bar: int
    symbol: int
    rate_e9: int
    oracle: int
    fetched_e9: int


@dataclass(frozen=True, slots=True)
class Paid:
    """Settlements of one symbol, the series they come from, and notes on them."""

    settlements: tuple[Settlement, ...]
    series: tuple[InputSeries, ...]
    notes: tuple[str, ...]


def read_settlements(profile: VenueProfile, index: int, unit: Instrument, window: Window, bar_s: int) -> Paid:
    """Read the settlements of a symbol in a window; each belongs to the bar it falls in.

    A rate beyond the cap of its day is clipped to it. Where the venue charges the oracle price, that is the open of
    the index bar of the settlement's minute; without such a bar the mark is charged.

    Raises
    ------
    DataError
        Rows that break a rule of ``check_funding`` or ``check_bars``, or two different rates within a minute.
    """
    rule = profile.funding
    place = Place(profile.host, unit.symbol, "funding")
    frame, facts = _rates(place, window)
    if not frame.height:
        due = compare_clock(rule, unit.coin, (), window)[1]
        note = NO_RATES if due else NOT_DUE
        return Paid((), (InputSeries("funding", unit.symbol, source="", label="missing", note=note),), ())
    times: list[dt.datetime] = frame["ts"].to_list()
    fetched = [rate_e9(rate) for rate in frame["rate"].to_list()]
    oracles, index_series = _oracles(profile, unit, window, times)
    settlements = tuple(
        Settlement(
            (time - window[0]) // dt.timedelta(seconds=bar_s),
            index,
            rule.clipped(unit.coin, time.date(), rate),
            oracle,
            rate,
        )
        for time, rate, oracle in zip(times, fetched, oracles, strict=True)
    )
    before = window[0] - dt.timedelta(seconds=rule.interval_s)
    earlier, _ = _rates(place, (before, window[0]))
    known = [(time, rate_e9(rate)) for time, rate in earlier.rows()] + list(zip(times, fetched, strict=True))
    notes = [
        *_clock_notes(profile, unit, known, window),
        *_clip_notes(times, settlements),
        *([f"has {index_series[0].note}"] if 0 in oracles and index_series else []),
    ]
    rates = from_lake(place, facts, _charged(settlements), suspects=_suspect_rates(place, frame, window))
    return Paid(settlements, (rates, *index_series), tuple(notes))


def _suspect_rates(place: Place, frame: pl.DataFrame, window: Window) -> tuple[Suspect, ...]:
    """Return the rates of a window that those around it do not bear out."""
    if not (frame["rate"].abs() > LARGE_RATE).any():
        return ()
    wider, _ = _rates(place, (window[0] - AROUND, window[1] + AROUND))
    return tuple(each for each in judge_rates(wider) if window[0] <= each.ts < window[1])


def _rates(place: Place, window: Window) -> tuple[pl.DataFrame, Facts]:
    """Return checked rates at whole minutes: venues stamp a settlement some milliseconds late."""
    import polars as pl

    where = shown(place.folder)
    frame, facts = check_funding(read_series(place, *window), place.symbol, where)
    minutes, again = check_funding(frame.with_columns(pl.col("ts").dt.truncate("1m")), place.symbol, where)
    return minutes, replace(facts, duplicates=facts.duplicates + again.duplicates)


def _oracles(
    profile: VenueProfile, unit: Instrument, window: Window, times: Sequence[dt.datetime]
) -> tuple[list[int], tuple[InputSeries, ...]]:
    """Return the oracle price of each settlement in mark quanta, 0 without one, and the series it comes from."""
    import polars as pl

    if profile.funding.notional == "mark":
        return [0] * len(times), ()
    place = Place(profile.host, unit.symbol, "index_ohlcv")
    where = shown(place.folder)
    rows = read_series(place, *window)
    frame, facts = check_bars(rows.with_columns(volume=pl.lit(0.0)), unit.symbol, 60, where)
    opens = dict(frame.select("ts", "open").rows())
    oracles = [_in_quanta(opens[time], unit, where) if time in opens else 0 for time in times]
    have = len(times) - oracles.count(0)
    note = f"index prices at {have} of {len(times)} settlements, else the mark is charged" if have < len(times) else ""
    if not have:
        return oracles, (InputSeries("index_ohlcv", unit.symbol, source="", label="missing", note=note),)
    return oracles, (from_lake(place, facts, note, suspects=suspects_of(place, frame)),)


def _in_quanta(price: float, unit: Instrument, where: str) -> int:
    quanta = int((Decimal(repr(price)) / unit.mark_quantum).to_integral_value(ROUND_HALF_EVEN))
    if quanta < 1:
        least = f"an index price rounds to zero in steps of {unit.mark_quantum:f}"
        raise DataError(f"{where}: {unit.symbol}: {least}; allowed: prices of at least a step; correct the file")
    return quanta


def _charged(settlements: Sequence[Settlement]) -> str:
    on_oracle = sum(row.oracle > 0 for row in settlements)
    basis = {0: "charged on the mark", len(settlements): "charged on the oracle price"}.get(
        on_oracle, f"charged on the oracle price {on_oracle} times, else on the mark"
    )
    clipped = sum(row.rate_e9 != row.fetched_e9 for row in settlements)
    return f"{basis}; {clipped} clipped to the cap" if clipped else basis


def _clock_notes(
    profile: VenueProfile, unit: Instrument, known: Sequence[tuple[dt.datetime, int]], window: Window
) -> Iterator[str]:
    rule = profile.funding
    off, absent = compare_clock(rule, unit.coin, known, window)
    clock = f"the venue's clock (every {rule.interval_s // 3600} h{', hourly after a cap' if rule.hourly_from else ''})"
    if off:
        yield f"has {_times('settlement', off)} off {clock}, the first at {off[0].isoformat()}: paid as fetched"
    if absent:
        yield f"has no rate at {_times('time', absent)} of {clock}, the first {absent[0].isoformat()}: none paid"


def _clip_notes(times: Sequence[dt.datetime], settlements: Sequence[Settlement]) -> Iterator[str]:
    clipped = [(time, row) for time, row in zip(times, settlements, strict=True) if row.rate_e9 != row.fetched_e9]
    if clipped:
        time, row = clipped[0]
        yield (
            f"is clipped to the venue's cap at {_times('settlement', clipped)}, the first at {time.isoformat()} from "
            f"{row.fetched_e9 / 1e7:g} % to {row.rate_e9 / 1e7:g} %"
        )


def _times(name: str, rows: Sequence[object]) -> str:
    return f"{len(rows)} {name}" if len(rows) == 1 else f"{len(rows)} {name}s"


def funding_notes(paid: Sequence[Paid]) -> Iterator[str]:
    """Give the notes as sentences, each with the symbols it is true of."""
    rows = [(note, each.series[0].symbol) for each in paid for note in each.notes]
    for note in dict.fromkeys(text for text, _ in rows):
        yield f"Funding of {', '.join(symbol for text, symbol in rows if text == note)} {note}."
