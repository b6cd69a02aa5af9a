"""The section on where the liquidations sat."""

from __future__ import annotations

import polars as pl
from markupsafe import Markup

from backtest.formatting import coin
from backtest.report import markup as m
from backtest.report.figures.liquidation_map import Book, liquidation_map
from backtest.report.findings import Findings
from backtest.report.sections.section import Part, Section

BINS = 80


def answer(f: Findings) -> Markup:
    """Return how much of the opening book had its liquidation price where the mark traded."""
    parts = []
    for symbol in f.symbols:
        bins = _bins(f, symbol).to_dicts()
        inside = {
            side: sum(float(row["notional_usd"]) for row in bins if row["reached"] and row["side"] == side)
            for side in ("long", "short")
        }
        shorts = m.fill(" and {usd} of shorts", usd=m.usd(inside["short"])) if inside["short"] else ""
        parts.append(m.fill("{c} {usd} of longs{s}", c=coin(symbol), usd=m.usd(inside["long"]), s=shorts))
    return m.fill("Of the opening book, inside the range of the mark: {parts}.", parts=m.join(parts, "; "))


def _bins(f: Findings, symbol: str) -> pl.DataFrame:
    return f.of_symbol("liquidation_price_map", symbol, bins=BINS)


def figure(f: Findings) -> Markup:
    """Draw the liquidation map."""
    books = []
    for symbol in f.symbols:
        marks = f.of_symbol("price_path", symbol)["mark_px"].to_list()
        low, high = min(marks), max(marks)
        books.append(Book(symbol, _bins(f, symbol), first_px=marks[0], mark_low_px=low, mark_high_px=high))
    return m.figure(lambda width: liquidation_map(books, width))


SECTION = Section(
    id="map",
    label="Map",
    question="Where did the liquidations sit?",
    answer=answer,
    parts=(Part("Opening book by liquidation price", figure, ("liquidation_price_map", "price_path")),),
)
