"""The section on the price."""

from __future__ import annotations

from markupsafe import Markup

from backtest import formatting
from backtest.formatting import coin
from backtest.report import markup as m
from backtest.report.figures.drawing import epoch
from backtest.report.figures.price import Prices, price
from backtest.report.findings import Findings
from backtest.report.sections.section import Part, Section
from backtest.report.tables import columns, table

HARDLY = -0.002  # a smaller fall is none
MOVES = columns("""
    symbol                 head     symbol
    first_px               price    first
    low_px                 price    low
    low_ts                 clock    low at
    move_to_low_frac       percent  to low, %
    mark_low_px            price    mark low
    mark_low_ts            clock    mark low at
    mark_move_to_low_frac  percent  mark to low, %
    high_px                price    high
    last_px                price    last
""")


def headline(f: Findings) -> Markup:
    """Return when it was and how far the main coin and the worst one fell."""
    main, worst = f.moves[0], f.worst
    when = {"day": formatting.date(f.start), "start": f"{f.start:%H:%M}", "end": f"{f.end:%H:%M}"}
    fell = "On {day}, between {start} and {end} UTC, {coin} fell {move} to {low} at {time}{worst}."
    if main["move_to_low_frac"] > HARDLY:
        fell = "On {day}, between {start} and {end} UTC, {coin} hardly fell{worst}."
    deepest = m.fill(", {coin} {move}", coin=coin(worst["symbol"]), move=m.size(worst["move_to_low_frac"], "price"))
    return m.fill(
        fell,
        **when,
        coin=coin(main["symbol"]),
        move=m.size(main["move_to_low_frac"], "price"),
        low=m.price(main["low_px"]),
        time=m.clock(main["low_ts"]),
        worst="" if worst["symbol"] == main["symbol"] else deepest,
    )


def answer(f: Findings) -> Markup:
    """Return how far each coin fell, in trades and in the mark."""
    worst = f.worst
    moves = [m.fill("{c} {m}", c=coin(row["symbol"]), m=m.percent(row["move_to_low_frac"])) for row in f.moves]
    return m.fill(
        "From the first trade to the low: {moves}. The mark price, which decides liquidations, went{of} to {mark} at "
        "{time}.",
        moves=m.listed(moves),
        of=f" in {coin(worst['symbol'])}" if len(moves) > 1 else "",
        mark=m.percent(worst["mark_move_to_low_frac"]),
        time=m.clock(worst["mark_low_ts"]),
    )


def figure(f: Findings) -> Markup:
    """Draw prices, liquidations, ADL waves and gaps."""
    prices = [
        Prices(
            symbol=symbol,
            price_path=f.of_symbol("price_path", symbol),
            liquidations_per_minute=f.frame("liquidations_per_minute", symbol=symbol),
            adl_waves=f.of_symbol("adl_waves", symbol),
        )
        for symbol in f.symbols
    ]
    return m.timed_figure(
        lambda width, span: price(prices, width, (epoch(span.start), epoch(span.end))), f.crash, f.window
    )


def moves_table(f: Findings) -> Markup:
    """List first, low, high and last price."""
    return table(f.moves, MOVES)


SECTION = Section(
    id="price",
    label="Price",
    question="What happened to the price?",
    headline=headline,
    answer=answer,
    parts=(
        Part(
            "Trade and mark price, quote per base; ADL as verticals, liquidations as a strip",
            figure,
            ("price_path", "liquidations_per_minute", "adl_waves"),
        ),
        Part("First, low, high and last, quote per base", moves_table, ("price_moves",), folded=True),
    ),
)
