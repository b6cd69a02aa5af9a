"""``crashbook events``: the catalogue of crashes, and one crash with all that was published of it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING
from urllib.parse import unquote

import click

from backtest.assets import lake_folder
from backtest.cli.command import command
from backtest.cli.output import Output, emit, output_options, page
from backtest.cli.table import Table, table_of
from backtest.cli.text import MARKS, bullets, heading, section
from backtest.formatting import period, readable

if TYPE_CHECKING:
    from backtest.catalogue.events import CrashEvent
    from backtest.catalogue.facts import Fact

NOTHING = "no bars: none in the sample, none in the lake"


@command("crashbook events 2025-10-10")
@click.argument("event", metavar="[ID]", required=False)
@output_options
def events(event: str | None, output: Output) -> None:
    """List the crashes of the catalogue, or show one.

    The list names the default venue first and the data on disk. One event, by id, date or alias, is
    shown with its window, every published figure, its defaults with reasons and its comparisons with a run;
    other formats than table give the published figures.
    """
    from backtest.catalogue.events import get_event, load_events

    if event is None:
        emit(_listed(load_events(), brief=output.for_reader and not output.exact), output)
        return
    found = get_event(event)
    if output.for_reader:
        page(_text(found), output)
    else:
        emit(_facts(found), output)


def _listed(events: Sequence[CrashEvent], *, brief: bool) -> Table:
    """Return one row per event: id, title, grade, venues, coins and data on disk, in short without periods."""
    rows = [
        {"number": event.number, "id": event.id, "title": event.title, "grade": event.grade,
         "venues": ", ".join(event.venues), "coins": ", ".join(event.coins),
         "data": "; ".join(_brief(event) if brief else on_disk(event)) or "none"}
        for event in events
    ]  # fmt: skip
    return table_of(rows, ("number", "id", "title", "grade", "venues", "coins", "data"))


def on_disk(event: CrashEvent) -> Iterator[str]:
    """Yield the data of an event's window: periods of the sample, then days of the lake by venue."""
    by_span = sorted(event.sample, key=lambda one: (one.start, one.end, one.venue))
    for (start, end, venue), rows in groupby(by_span, key=lambda one: (one.start, one.end, one.venue)):
        yield f"sample {venue} {' '.join(row.coin for row in rows)} {period(start, end)}"
    held: dict[str, dict[str, int]] = {}
    for day in _days(event):
        for path in sorted(lake_folder().glob(f"ohlcv/venue=*/symbol=*/1m/{day.isoformat()}.parquet")):
            venue, symbol = (unquote(part.partition("=")[2]) for part in path.parts[-4:-2])
            coins = held.setdefault(venue, {})
            coin = symbol.partition("/")[0]
            coins[coin] = coins.get(coin, 0) + 1
    for venue, coins in held.items():
        yield f"lake {venue} " + ", ".join(f"{coin} {days} day{'s' * (days > 1)}" for coin, days in coins.items())


def _brief(event: CrashEvent) -> dict[str, None]:
    """Return the data of an event without periods: coins of the sample, then the lake by venue."""
    coins = dict.fromkeys(row.coin for row in event.sample)
    sample = [f"sample {', '.join(coins)}"] if coins else []
    return dict.fromkeys([*sample, *(text for text in on_disk(event) if text.startswith("lake "))])


def _days(event: CrashEvent) -> Iterator[dt.date]:
    first, last = event.start.date(), (event.end - dt.timedelta(microseconds=1)).date()
    return (first + dt.timedelta(days=k) for k in range((last - first).days + 1))


def _facts(event: CrashEvent) -> Table:
    """Return every published figure of an event as one row."""
    columns = ("id", "quantity", "value", "low", "high", "at", "unit", "coin", "venue", "side", "start", "end", "grade",
               "mark", "source", "note", "conflicts_with")  # fmt: skip
    rows = [{name: getattr(fact, name) for name in columns} for fact in event.facts]
    for row in rows:
        row["conflicts_with"] = ", ".join(row["conflicts_with"])
    return table_of(rows, columns)


def _text(event: CrashEvent) -> str:
    """Return all that the catalogue knows of one event."""
    window = f"{period(event.start, event.end)} UTC, pre-roll wanted {event.pre_roll_wanted_s // 60} minutes"
    head = heading(
        [
            ("event", f"{event.id}  {event.title}"),
            ("also", ", ".join(event.aliases) or "no other name"),
            ("grade", event.grade),
            ("venues", f"{event.venues[0]} (default), {', '.join(event.venues[1:])}".removesuffix(", ")),
            ("coins", ", ".join(event.coins)),
            ("core", f"{period(event.core_start, event.core_end)} UTC ({event.hours})"),
            *((part.name, f"{period(part.start, part.end)} UTC") for part in event.parts),
            ("window", window),
            ("data", "; ".join(on_disk(event)) or NOTHING),
            ("summary", event.summary),
        ]
    )
    sources = list(dict.fromkeys(fact.source for fact in event.facts))
    shown = [
        {"id": fact.id, "quantity": fact.quantity, "value": _value(fact), "unit": fact.unit,
         "of": " ".join(filter(None, (fact.venue, fact.coin, fact.side))), "grade": fact.grade,
         "mark": fact.mark, "source": f"[{sources.index(fact.source) + 1}]", "note": _note(fact)}
        for fact in event.facts
    ]  # fmt: skip
    published = table_of(shown, ("id", "quantity", "value", "unit", "of", "grade", "mark", "source", "note"))
    return "".join(
        (
            head,
            bullets("notes", event.notes),
            section(f"published figures ({MARKS})", published),
            bullets("sources of the figures", (f"[{number}] {url}" for number, url in enumerate(sources, 1))),
            section("defaults", _defaults(event)),
            section("compared with a run", _compared(event)),
            section("sensitivity grid (replay --grid)", _grid(event)),
        )
    )


def _value(fact: Fact) -> str:
    if fact.at is not None:
        return readable(fact.at)
    if fact.value is not None:
        return readable(fact.value)
    return f"{readable(fact.low)} to {readable(fact.high)}"


def _note(fact: Fact) -> str:
    against = f"conflicts with {', '.join(fact.conflicts_with)}" if fact.conflicts_with else ""
    return "; ".join(filter(None, (fact.note, against)))


def _defaults(event: CrashEvent) -> Table:
    from backtest.catalogue.events import COUNTS

    rows = [
        {"venue": venue, "field": name, "value": readable(value), "reason": event.why.get(venue, {}).get(name, "")}
        for venue, values in event.defaults.items()
        for name, value in [*values.items(), *([(COUNTS, event.counts[venue])] if venue in event.counts else [])]
    ]
    return table_of(rows, ("venue", "field", "value", "reason"))


def _compared(event: CrashEvent) -> Table:
    rows = [
        {"fact": row.fact, "metric": row.metric, "coin": row.coin or "all",
         "within": period(row.start, row.end), "shown_as": row.how, "note": row.note}
        for row in event.compare
    ]  # fmt: skip
    return table_of(rows, ("fact", "metric", "coin", "within", "shown_as", "note"))


def _grid(event: CrashEvent) -> Table:
    rows = [
        {"label": row.label, "set": "; ".join(f"{name} = {readable(value)}" for name, value in row.set.items())}
        for row in event.sensitivity
    ]
    return table_of(rows, ("label", "set"))
