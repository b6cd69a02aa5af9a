"""The section on the depth of the cascade."""

from __future__ import annotations

from markupsafe import Markup

from backtest.formatting import coin, count, plural
from backtest.report import markup as m
from backtest.report.figures.cascade import potential, pressure
from backtest.report.findings import Findings, covered
from backtest.report.sections.section import Part, Section
from backtest.report.tables import columns, table

LARGEST = 12
CASCADES = columns("""
    cascade_id        count    cascade
    start_ts          clock    from, UTC
    end_ts            clock    to, UTC
    duration_s        rounded  lasted, s
    steps             count    steps
    liquidations      count    liquidations
    liquidated_usd    cents    liquidated, USD
    largest_step_usd  cents    largest step, USD
    coins             text     coins
""")


def answer(f: Findings) -> Markup:
    """Return how long the largest cascade ran and what the order book took of the orders."""
    cascades = f.rows("cascades")
    if not cascades:
        return m.fill("There was no cascade.")
    top = max(cascades, key=lambda row: row["liquidated_usd"])
    largest = m.fill(
        "{which} began at {start}, ran {lasted} over {steps} steps and held {usd} of liquidations.",
        which="One cascade" if len(cascades) == 1 else f"Of {count(len(cascades))} cascades the largest",
        start=m.clock(top["start_ts"]),
        lasted=m.duration(top["duration_s"]),
        steps=m.count(top["steps"]),
        usd=m.usd(top["liquidated_usd"]),
    )
    return largest + _pressure(f)


def _pressure(f: Findings) -> Markup:
    """Return the share of orders that the book took, and the minute in which liquidity lacked most."""
    rows = covered(f.rows("liquidity_pressure"))
    if not rows:
        return Markup("")
    ordered, taken = (sum(float(row[name]) for row in rows) for name in ("ordered_usd", "book_usd"))
    share = m.fill(
        " The order book took {taken} of {ordered} ordered, a position that waits counted once a minute ({share})",
        taken=m.usd(taken),
        ordered=m.usd(ordered),
        share=m.percent(taken / ordered if ordered else 0.0),
    )
    over = [row for row in rows if (row["pressure_ratio"] or 0) > 1]
    if not over:
        return share + "; every minute had more liquidity than orders."
    worst = max(over, key=lambda row: row["pressure_ratio"])
    minutes = len({row["minute_ts"] for row in over})
    return share + m.fill(
        "; in {n} {noun} orders exceeded liquidity, at worst {ratio} in {coin} at {minute}.",
        n=m.count(minutes),
        noun=plural(minutes, "minute"),
        ratio=m.ratio(worst["pressure_ratio"]),
        coin=coin(worst["symbol"]),
        minute=f"{worst['minute_ts']:%H:%M}",
    )


def pressure_figure(f: Findings) -> Markup:
    """Draw orders over liquidity by minute."""
    rows = f.frame("liquidity_pressure")
    if rows.is_empty():
        return m.empty("No liquidation order met the book, so there is no ratio to show.")
    return m.timed_figure(
        lambda width, span: pressure(
            liquidity_pressure=rows, symbols=f.symbols, start=span.start, end=span.end, width=width
        ),
        f.crash,
        f.window,
    )


def potential_figure(f: Findings) -> Markup:
    """Draw the notional that a further move would liquidate over what the book takes for it, by minute."""
    rows = f.frame("potential_by_minute")
    if rows.is_empty():
        return m.empty("At no minute's end was a position within 10 bps of its liquidation.")
    return m.timed_figure(
        lambda width, span: potential(
            potential_by_minute=rows, symbols=f.symbols, start=span.start, end=span.end, width=width
        ),
        f.crash,
        f.window,
    )


def cascade_table(f: Findings) -> Markup:
    """List the cascades, the largest ones where there are many."""
    rows = f.rows("cascades")
    if not rows:
        return Markup("")
    top = sorted(rows, key=lambda row: -row["liquidated_usd"])[:LARGEST]
    shown = [{**row, "coins": _coins(row["symbols"])} for row in sorted(top, key=lambda row: row["start_ts"])]
    rest = m.note(f"The {len(shown)} largest of {count(len(rows))} cascades.")
    return table(shown, CASCADES) + (rest if len(rows) > len(shown) else "")


def _coins(symbols: str) -> str:
    return ", ".join(coin(symbol.strip()) for symbol in symbols.split(","))


SECTION = Section(
    id="cascade",
    label="Cascade",
    question="How deep did the cascade go?",
    answer=answer,
    parts=(
        Part(
            "Pressure: breached notional of a minute over the notional its liquidity could take",
            pressure_figure,
            ("liquidity_pressure",),
        ),
        Part(
            "Potential: notional a further move of 10 bps would liquidate over the notional the book takes for "
            "that move; above 1 the move carries itself on",
            potential_figure,
            ("potential_by_minute",),
            folded=True,
        ),
        Part("Cascades: liquidations without a quiet minute between them", cascade_table, ("cascades",), folded=True),
    ),
)
