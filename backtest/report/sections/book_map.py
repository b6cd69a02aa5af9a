"""The section on where the liquidations sat."""

from __future__ import annotations

import polars as pl
from markupsafe import Markup

from backtest.formatting import coin
from backtest.report import markup as m
from backtest.report.figures.liquidation_map import Book, liquidation_map
from backtest.report.findings import Findings
from backtest.report.sections.section import Part, Section
from backtest.report.tables import columns, table

BINS = 80
LEFT = columns("""
    wave_id         count  wave
    ts              clock  UTC
    symbol          text   coin
    mark_px         price  mark
    notional_usd    cents  wave took, USD
    long_near_usd   cents  longs to 2 % below, USD
    long_far_usd    cents  to 10 % below, USD
    short_near_usd  cents  shorts to 2 % above, USD
    short_far_usd   cents  to 10 % above, USD
""")


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


def _bands(f: Findings, symbol: str) -> pl.DataFrame:
    """Return the bins of each range of leverage, the lowest range first; those of hedged accounts before them."""
    named = dict.fromkeys(row["cohort"] for row in f.rows("liquidations_by_cohort"))
    cohorts = sorted(named, key=lambda name: name[:1].isdigit())  # ranges of leverage stay in their order, at the end
    of_each = (
        f.of_symbol("liquidation_price_map", symbol, bins=BINS, cohort=cohort).with_columns(cohort=pl.lit(cohort))
        for cohort in cohorts
    )
    return pl.concat([_bins(f, symbol).with_columns(cohort=pl.lit("")).clear(), *of_each])


def left_table(f: Findings) -> Markup:
    """List what was left of the map near the mark after each of the largest waves."""
    rows = [{**row, "symbol": coin(row["symbol"])} for row in f.rows("map_after_waves")]
    return table(rows, LEFT) if rows else Markup("")


def figure(f: Findings) -> Markup:
    """Draw the liquidation map."""
    books = []
    for symbol in f.symbols:
        marks = f.of_symbol("price_path", symbol)["mark_px"].to_list()
        low, high = min(marks), max(marks)
        books.append(Book(symbol, _bands(f, symbol), first_px=marks[0], mark_low_px=low, mark_high_px=high))
    return m.figure(lambda width: liquidation_map(books, width))


SECTION = Section(
    id="map",
    label="Map",
    question="Where did the liquidations sit?",
    answer=answer,
    parts=(
        Part(
            "Opening book by liquidation price and leverage, and its running total from the start on",
            figure,
            ("liquidation_price_map", "price_path"),
        ),
        Part(
            "What was left of it near the mark after each of the largest waves",
            left_table,
            ("map_after_waves",),
            folded=True,
        ),
    ),
)
