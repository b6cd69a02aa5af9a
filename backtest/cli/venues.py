"""``crashbook venues``: the venue profiles, and one with its rules, tables and sources."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import click

from backtest.cli.command import command
from backtest.cli.output import Output, emit, output_options, page
from backtest.cli.table import Table, table_of
from backtest.cli.text import MARKS, bullets, heading, section
from backtest.formatting import readable

if TYPE_CHECKING:
    from backtest.venue.profile import VenueProfile

POINT = ("point", "value", "source", "url", "mark", "note")
TIERS = "tiers: from, maintenance, leverage"


@command("crashbook venues hyperliquid")
@click.argument("venue", required=False)
@output_options
def venues(venue: str | None, output: Output) -> None:
    """List the venue profiles, or show one.

    One venue is shown with its seven strategy points, margin tables, simplified and unverified rules;
    other formats than table give the strategy points. Marks: V primary source, S secondary, D derived,
    U not verified.
    """
    from backtest.venue.reading import get_venue, venue_names

    if venue is None:
        emit(_listed([get_venue(name) for name in venue_names()]), output)
        return
    found = get_venue(venue)
    if output.for_reader:
        page(_text(found), output)
    else:
        emit(_points(found), output)


def _listed(venues: Sequence[VenueProfile]) -> Table:
    """Return one row per venue: the rules in which venues differ."""
    rows = [
        {"id": venue.id, "name": venue.name, "as_of": venue.as_of,
         "closed": venue.closed.at.date() if venue.closed else None, "settles_in": _settles(venue),
         "ranking": venue.rules["ranking"], "close_price": venue.rules["close_price"],
         "pool": next(point.value for point in venue.points if point.name == "fund"),
         "coins": ", ".join(venue.instruments), "unverified": len(venue.unverified)}
        for venue in venues
    ]  # fmt: skip
    columns = ("id", "name", "as_of", "closed", "settles_in", "ranking", "close_price", "pool", "coins", "unverified")
    return table_of(rows, columns)


def _points(venue: VenueProfile, columns: Sequence[str] = POINT) -> Table:
    """Return the strategy points with value, source, address and confidence mark."""
    rows = [
        {"point": point.name, "value": point.value, "source": point.source, "url": _url(venue, point.source),
         "mark": point.mark, "note": point.note}
        for point in venue.points
    ]  # fmt: skip
    return table_of(rows, columns)


def rules_text(venue: VenueProfile) -> str:
    """Return the strategy points as a table and their sources as a list."""
    points = _points(venue, [name for name in POINT if name != "url"])
    return section(f"strategy points ({MARKS})", points) + bullets("sources", _sources(venue))


def _text(venue: VenueProfile) -> str:
    """Return all that a profile states."""
    basis = "; ".join(each.text() for each in venue.margin_notional)
    head = heading(
        [
            ("venue", f"{venue.id}  {venue.name}"),
            ("as of", venue.as_of.isoformat()),
            *(
                [("closed", f"{venue.closed.text()} ({venue.closed.source}, {venue.closed.mark})")]
                if venue.closed
                else []
            ),
            *([("data of", venue.host)] if venue.host != venue.id else []),
            ("settles", f"{_settles(venue)}; {_kinds(venue)}"),
            *([("maintenance", basis)] if basis else []),
            ("funding", venue.funding.text()),
        ]
    )
    simplified = (f"{row.point}: {row.venue_rule} Here: {row.runs_here}" for row in venue.simplified)
    return "".join(
        (
            head,
            bullets("notes", venue.notes),
            rules_text(venue),
            section("rules as scenario fields", _rules(venue)),
            section("margin tables", _tables(venue)),
            section("instruments", _instruments(venue)),
            section("published fund balances", _balances(venue)),
            bullets("simplified", simplified),
            bullets("unverified", venue.unverified),
        )
    )


def _settles(venue: VenueProfile) -> str:
    """Return the settlement currency of the contracts: the profile's, the coin itself, or both."""
    kinds = {row.kind for row in venue.listings}
    names = [venue.settle] * ("linear" in kinds) + ["the coin"] * ("inverse" in kinds)
    return " or ".join(names)


def _kinds(venue: VenueProfile) -> str:
    """Return the kinds of contracts, and the unit of a run settled in coins."""
    kinds = sorted({row.kind for row in venue.listings}, reverse=True)
    counted = "; a run of an inverse contract counts coins at its first mark" if "inverse" in kinds else ""
    return f"{' and '.join(kinds)} contracts{counted}"


def _url(venue: VenueProfile, source: str) -> str:
    return venue.sources[source].url if source in venue.sources else ""


def _rules(venue: VenueProfile) -> Table:
    rows = [{"field": name, "value": readable(value)} for name, value in venue.rules.items()]
    return table_of(rows, ("field", "value"))


def _tables(venue: VenueProfile) -> Table:
    rows = [
        {"coin": "any other" if table.coin == "*" else table.coin, "valid_from": table.valid_from,
         "source": table.source, "mark": table.mark, "floors_in": table.unit, TIERS: _tiers(table.tiers),
         "note": table.note}
        for table in venue.tables
    ]  # fmt: skip
    return table_of(rows, ("coin", "valid_from", "source", "mark", "floors_in", TIERS, "note"))


def _tiers(tiers: Sequence[tuple[int, int, float]]) -> str:
    return "; ".join(f"{floor:,} {rate / 1e7:.4g}% {leverage:g}x" for floor, rate, leverage in tiers)


def _instruments(venue: VenueProfile) -> Table:
    rows = [
        {"symbol": venue.name_of(row), "valid_from": None if row.valid_from == dt.date.min else row.valid_from,
         "tick_px": f"{row.tick:f}", "lot": f"{row.lot:f}", "lot_in": row.unit}
        for row in venue.listings
    ]  # fmt: skip
    return table_of(rows, ("symbol", "valid_from", "tick_px", "lot", "lot_in"))


def _balances(venue: VenueProfile) -> Table:
    rows = [{"date": row.day, "balance": readable(row.amount), "unit": row.unit} for row in venue.balances]
    return table_of(rows, ("date", "balance", "unit"))


def _sources(venue: VenueProfile) -> Iterator[str]:
    for source in venue.sources.values():
        yield f"{source.id} [{source.mark}], read {source.read}: {source.url} {source.note}".rstrip()
