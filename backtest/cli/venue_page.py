"""Venue profiles as text and frames."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from backtest.cli.output import frame_of
from backtest.cli.text import MARKS, bullets, heading, section
from backtest.formatting import readable

if TYPE_CHECKING:
    import polars as pl

    from backtest.venue.profile import VenueProfile


def listed(venues: Sequence[VenueProfile]) -> pl.DataFrame:
    """Return one row per venue: the rules that tell it from the others."""
    rows = [
        {"id": venue.id, "name": venue.name, "as_of": venue.as_of, "settles_in": _settles(venue),
         "ranking": venue.rules["ranking"], "close_price": venue.rules["close_price"],
         "pool": next(point.value for point in venue.points if point.name == "fund"),
         "coins": ", ".join(venue.instruments), "unverified": len(venue.unverified)}
        for venue in venues
    ]  # fmt: skip
    columns = ("id", "name", "as_of", "settles_in", "ranking", "close_price", "pool", "coins", "unverified")
    return frame_of(rows, columns)


def points(venue: VenueProfile) -> pl.DataFrame:
    """Return the strategy points with value, source, address and confidence mark."""
    rows = [
        {"point": point.name, "value": point.value, "source": point.source, "url": _url(venue, point.source),
         "mark": point.mark, "note": point.note}
        for point in venue.points
    ]  # fmt: skip
    return frame_of(rows, ("point", "value", "source", "url", "mark", "note"))


def rules(venue: VenueProfile) -> str:
    """Return the strategy points as a table and their sources as a list."""
    shown = points(venue).drop("url")
    return section(f"strategy points ({MARKS})", shown) + bullets("sources", _sources(venue))


def text(venue: VenueProfile) -> str:
    """Return all that a profile states."""
    head = heading(
        [
            ("venue", f"{venue.id}  {venue.name}"),
            ("as of", venue.as_of.isoformat()),
            ("settles", f"{_settles(venue)}; {_kinds(venue)}"),
            ("funding", venue.funding.text()),
        ]
    )
    simplified = (f"{row['point']}: {row['venue_rule']} Here: {row['runs_here']}" for row in venue.simplified)
    return "".join(
        (
            head,
            bullets("notes", venue.notes),
            rules(venue),
            section("rules as scenario fields", _rules(venue)),
            section("margin tables", _tables(venue)),
            section("instruments", _instruments(venue)),
            section("published fund balances", _balances(venue)),
            bullets("simplified", simplified),
            bullets("unverified", venue.unverified),
        )
    )


def _settles(venue: VenueProfile) -> str:
    """Return what contracts settle in: the profile's currency, the coin itself, or both."""
    kinds = {row.kind for row in venue.listings}
    names = [venue.settle] * ("linear" in kinds) + ["the coin"] * ("inverse" in kinds)
    return " or ".join(names)


def _kinds(venue: VenueProfile) -> str:
    """Return the kinds of contracts, and what the amounts of a run in coins are."""
    kinds = sorted({row.kind for row in venue.listings}, reverse=True)
    counted = "; a run of an inverse contract counts coins at its first mark" if "inverse" in kinds else ""
    return f"{' and '.join(kinds)} contracts{counted}"


def _url(venue: VenueProfile, source: str) -> str:
    return venue.sources.get(source, {}).get("url", "")


def _rules(venue: VenueProfile) -> pl.DataFrame:
    rows = [{"field": name, "value": readable(value)} for name, value in venue.rules.items()]
    return frame_of(rows, ("field", "value"))


def _tables(venue: VenueProfile) -> pl.DataFrame:
    rows = [
        {"coin": "any other" if table.coin == "*" else table.coin, "valid_from": table.valid_from,
         "source": table.source, "mark": table.mark, "floors_in": table.unit, "tiers": _tiers(table.tiers),
         "note": table.note}
        for table in venue.tables
    ]  # fmt: skip
    columns = ("coin", "valid_from", "source", "mark", "floors_in", "tiers", "note")
    return frame_of(rows, columns).rename({"tiers": "tiers: from, maintenance, leverage"})


def _tiers(tiers: Sequence[tuple[int, int, float]]) -> str:
    return "; ".join(f"{floor:,} {rate / 1e7:.4g}% {leverage:g}x" for floor, rate, leverage in tiers)


def _instruments(venue: VenueProfile) -> pl.DataFrame:
    rows = [
        {"symbol": venue.name_of(row), "valid_from": None if row.valid_from == dt.date.min else row.valid_from,
         "tick_px": f"{row.tick:f}", "lot": f"{row.lot:f}", "lot_in": row.unit}
        for row in venue.listings
    ]  # fmt: skip
    return frame_of(rows, ("symbol", "valid_from", "tick_px", "lot", "lot_in"))


def _balances(venue: VenueProfile) -> pl.DataFrame:
    rows = [{"date": day, "balance": readable(value), "unit": unit} for day, value, unit in venue.balances]
    return frame_of(rows, ("date", "balance", "unit"))


def _sources(venue: VenueProfile) -> Iterator[str]:
    for source in venue.sources.values():
        yield f"{source['id']} [{source['mark']}], read {source['read']}: {source['url']} {source['note']}".rstrip()
