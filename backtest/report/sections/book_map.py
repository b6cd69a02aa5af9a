"""The section on where the liquidations sat."""

from __future__ import annotations

import polars as pl
from markupsafe import Markup

from backtest.formatting import coin
from backtest.report import markup as m
from backtest.report.figures.liquidation_map import Book, liquidation_map
from backtest.report.findings import Findings, Row
from backtest.report.sections.section import Part, Section
from backtest.report.tables import columns, table

BINS = 80
AMOUNTS = ("map_usd", "kept_usd", "beyond_usd", "left_usd", "liquidated_usd")
_WORDS = {"reached": "map", "kept": "kept", "beyond": "beyond", "all": "liquidated"}
AGAINST = columns("""
    symbol          head   symbol
    map_usd         cents  price in the range of the mark, USD
    kept_usd        cents  less: never in breach
    beyond_usd      cents  more: liquidated at another price
    left_usd        cents  liquidated, at the first mark
    liquidated_usd  cents  at the mark of the breach
""")
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
    """Return how much of the opening book had its liquidation price where the mark went, beside what was liquidated."""
    parts = []
    for symbol in f.symbols:
        rows = {row["side"]: row for row in f.of_symbol("map_against_liquidations", symbol).to_dicts()}
        longs, shorts = (rows[side]["map_usd"] if side in rows else 0 for side in ("long", "short"))
        also = m.fill(" and {usd} of shorts", usd=m.usd(shorts)) if shorts else ""
        parts.append(m.fill("{c} {usd} of longs{s}", c=coin(symbol), usd=m.usd(longs), s=also))
    words = "Of the opening book, inside the range of the mark: {parts}.{gap}"
    return m.fill(words, parts=m.join(parts, "; "), gap=_gap(f))


def _gap(f: Findings) -> Markup:
    """Return why that is not what was liquidated, where the two differ."""
    rows = _differing(f)
    if not rows:
        return Markup("")
    total = {name: sum(row[name] for row in rows) for name in AMOUNTS}
    words = (
        " That is not what was liquidated: of {reached}, {kept} was never in breach, and {beyond} was liquidated "
        "although the mark did not reach its price{why}; at the mark of the breach, as in the queue's table, {all}."
    )
    why = ", which moves with the other coins of its account" if f.meta.cross else ""
    amounts = {name: m.usd(total[f"{key}_usd"]) for name, key in _WORDS.items()}
    return m.fill(words, why=why, **amounts)


def _differing(f: Findings) -> list[Row]:
    """Return map and liquidations by symbol, both sides together; none where nothing was liquidated."""
    sides = f.frame("map_against_liquidations").group_by("symbol").agg(pl.col(AMOUNTS).sum()).to_dicts()
    found = {row["symbol"]: row for row in sides}
    return [found[symbol] for symbol in f.symbols if symbol in found] if f.liquidated else []


def differences_table(f: Findings) -> Markup:
    """List by symbol what leads from the map to the liquidations."""
    rows = _differing(f)
    return table(rows, AGAINST) if rows else Markup("")


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
        Part("From the map to the liquidations, USD", differences_table, ("map_against_liquidations",)),
        Part(
            "What was left of it near the mark after each of the largest waves",
            left_table,
            ("map_after_waves",),
            folded=True,
        ),
    ),
)
