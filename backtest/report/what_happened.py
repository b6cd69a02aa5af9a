"""Sections on price, liquidations, the map of the book and the depth of the cascade."""

from __future__ import annotations

from markupsafe import Markup

from backtest.plots import base_coin
from backtest.report import figures_market as draw
from backtest.report.findings import Findings, Row
from backtest.report.numbers import NONE, at, count, frac, listed, say, span, times, usd, usd_text
from backtest.report.tables import (
    Column,
    cents,
    clock,
    empty,
    figure,
    per_cent,
    price,
    rounded,
    scrolling,
    side,
    table,
    whole,
)

MAP_BINS = 120
LARGEST = 10
CASCADES = 12
SIDES = ("long", "short")


# --- price ---------------------------------------------------------------------------------------------------


def price_answer(f: Findings) -> Markup:
    """Say how far each coin fell, in trades and in the mark."""
    falls = [
        say("{coin} {move}", coin=base_coin(row["symbol"]), move=frac(row["move_to_low_frac"]))
        for row in f.moves
    ]
    worst = f.worst
    return say(
        "From the first trade to the low: {falls}. The mark, which decides liquidations, followed the deepest fall, "
        "of {coin}, down to {mark} at {time}.",
        falls=listed(falls), coin=base_coin(worst["symbol"]), mark=frac(worst["mark_move_to_low_frac"]),
        time=at(worst["mark_low_ts"]),
    )


def price_figure(f: Findings) -> Markup:
    """Draw prices, liquidations, ADL waves and gaps."""
    waves = f.frame("adl_waves")
    series = [
        draw.PriceSeries(
            symbol,
            f.frame("price_path", symbol=symbol),
            f.frame("liquidations_per_minute", symbol=symbol),
            waves.filter(waves["symbol"] == symbol),
        )
        for symbol in f.symbols
    ]
    return figure(lambda width: draw.price(series, width))


def moves_table(f: Findings) -> Markup:
    """List first, low, high and last price."""
    columns = (
        Column("symbol", "symbol"), Column("first_px", "first", price), Column("low_px", "low", price),
        Column("low_ts", "low at", clock), Column("move_to_low_frac", "to low, %", per_cent),
        Column("mark_low_px", "mark low", price), Column("mark_low_ts", "mark low at", clock),
        Column("mark_move_to_low_frac", "mark to low, %", per_cent), Column("high_px", "high", price),
        Column("last_px", "last", price),
    )
    return table(f.moves, columns)


# --- who was liquidated --------------------------------------------------------------------------------------


def liquidated_answer(f: Findings) -> Markup:
    """Say which side and which cohort lost its positions."""
    if not f.liquidated:
        return say("Nobody: no position of the {n} in the book fell below its maintenance margin.",
                   n=count(f.summary["positions"]))
    s = f.summary
    hit = [row for row in f.rows("liquidations_by_cohort") if float(row["liquidated_usd"]) > 0]
    start = say("Longs lost {longs}, shorts {shorts}", longs=usd(s["liquidated_long_usd"]),
                shorts=usd(s["liquidated_short_usd"]))
    if not hit:
        return start + "."
    top = max(hit, key=lambda row: row["liquidated_usd"])
    return start + say(
        "; the largest part, {usd}, came from the {side}s in {coin} of leverage {cohort}, {share} of which were liquidated.",
        usd=usd(top["liquidated_usd"]), side=top["side"], coin=base_coin(top["symbol"]), cohort=top["cohort"],
        share=frac(top["liquidated_share_frac"]),
    )


def liquidations_figure(f: Findings) -> Markup:
    """Draw liquidations per minute."""
    rows = f.frame("liquidations_per_minute")
    if rows.is_empty():
        return empty("No liquidation, so there is no minute to show.")
    return figure(lambda width: draw.liquidations(rows, f.start, f.end, width))


def cohort_table(f: Findings) -> Markup:
    """Show the share of each cohort's opening notional that was liquidated, as a shaded matrix."""
    rows = f.rows("liquidations_by_cohort")
    if not rows:
        return empty("The book holds no position.")
    known = {(row["symbol"], row["cohort"], row["side"]): row for row in rows}
    cohorts = list(dict.fromkeys(row["cohort"] for row in rows))
    first = Markup("").join(say('<th scope="col" class="num">{c}</th>', c=base_coin(s)) for s in f.symbols)
    body = Markup("").join(
        say(
            '<tr><th scope="row">{cohort}</th><td><span class="side {side}">{side}</span></td>{cells}</tr>',
            cohort=cohort, side=side_, cells=Markup("").join(_shade(known.get((s, cohort, side_))) for s in f.symbols),
        )
        for side_ in SIDES
        for cohort in cohorts
    )
    head = say('<tr><th scope="col">leverage</th><th scope="col">side</th>{first}</tr>', first=first)
    made = '<table class="matrix"><thead>{head}</thead><tbody>{body}</tbody></table>'
    return scrolling(say(made, head=head, body=body))


def _shade(row: Row | None) -> Markup:
    if row is None:
        return say('<td class="num">{none}</td>', none=NONE)
    share = float(row["liquidated_share_frac"] or 0.0)
    known = row["side"] if row["side"] in SIDES else "none"
    return say(
        '<td class="num shade {side}" style="--share:{share:.1f}%" title="{usd} of {opening}, {n} of {positions} '
        'positions">{text}</td>',
        side=known, share=share * 70, usd=usd_text(row["liquidated_usd"]), opening=usd_text(row["opening_notional_usd"]),
        n=row["liquidations"], positions=row["positions"], text=f"{share * 100:.1f} %",
    )


def largest_table(f: Findings) -> Markup:
    """List the largest liquidations."""
    rows = f.rows("largest_liquidations", limit=LARGEST)
    if not rows:
        return Markup("")
    columns = (
        Column("rank", "#", whole), Column("ts", "UTC", clock), Column("symbol", "symbol"), Column("side", "side", side),
        Column("account_id", "account"), Column("cohort", "leverage"), Column("notional_usd", "notional, USD", cents),
        Column("mark_px", "mark", price), Column("bankruptcy_px", "bankruptcy", price),
        Column("book_share_frac", "book took, %", per_cent), Column("takeover_lots", "taken over, lots", whole),
        Column("adl_lots", "to ADL, lots", whole),
    )
    return table(rows, columns)


# --- the map -------------------------------------------------------------------------------------------------


def map_answer(f: Findings) -> Markup:
    """Say how much of the opening book had its liquidation price where the mark went."""
    parts = []
    for row in f.moves:
        bins = f.rows("liquidation_price_map", symbol=row["symbol"], bins=MAP_BINS)
        inside = {s: sum(float(b["notional_usd"]) for b in bins if b["reached"] and b["side"] == s) for s in SIDES}
        words_ = say("{usd} of longs", usd=usd(inside["long"]))
        if inside["short"]:
            words_ += say(" and {usd} of shorts", usd=usd(inside["short"]))
        parts.append(say("{coin} {words}", coin=base_coin(row["symbol"]), words=words_))
    return say("Inside the range that the mark walked sat, by the opening book: {parts}.", parts=Markup("; ").join(parts))


def map_figure(f: Findings) -> Markup:
    """Draw the liquidation map."""
    series = []
    for row in f.moves:
        path = f.frame("price_path", symbol=row["symbol"])
        bins = f.frame("liquidation_price_map", symbol=row["symbol"], bins=MAP_BINS)
        marks = path["mark_px"]
        low, high = float(marks.min()), float(marks.max())  # type: ignore[arg-type]
        series.append(draw.MapSeries(row["symbol"], bins, float(marks[0]), low, high))
    return figure(lambda width: draw.liquidation_map(series, width))


# --- depth ---------------------------------------------------------------------------------------------------


def cascade_answer(f: Findings) -> Markup:
    """Say how long the largest cascade ran and how far orders exceeded liquidity."""
    cascades = f.rows("cascades")
    if not cascades:
        return say("There was no cascade: nothing was liquidated.")
    top = max(cascades, key=lambda row: row["liquidated_usd"])
    total = f.summary["liquidated_usd"] or 1
    start = say(
        "Of {n} the largest began at {start}, ran {span} over {steps} prices and held {share} of all that was liquidated",
        n="one cascade," if len(cascades) == 1 else f"{len(cascades):,} cascades", start=at(top["start_ts"]),
        span=span(top["duration_s"]), steps=count(top["steps"]), share=frac(float(top["liquidated_usd"] / total)),
    )
    if len(cascades) == 1:
        start = say("One cascade, from {start} on, ran {span} over {steps} prices and held {usd}",
                    start=at(top["start_ts"]), span=span(top["duration_s"]), steps=count(top["steps"]),
                    usd=usd(top["liquidated_usd"]))
    over = [row for row in f.rows("liquidity_pressure") if (row["pressure_ratio"] or 0) > 1]
    if not over:
        return start + "; in every minute the market had more liquidity than was ordered."
    worst = max(over, key=lambda row: row["pressure_ratio"])
    minutes = len({row["minute_ts"] for row in over})
    return start + say(
        "; in {n} minutes some coin had orders above its liquidity, at worst {r} in {coin} at {minute}.",
        n=count(minutes), r=times(worst["pressure_ratio"]), coin=base_coin(worst["symbol"]),
        minute=f"{worst['minute_ts']:%H:%M}",
    )


def pressure_figure(f: Findings) -> Markup:
    """Draw R by minute."""
    rows = f.frame("liquidity_pressure")
    if rows.is_empty():
        return empty("No liquidation order met the book, so there is no ratio to show.")
    return figure(lambda width: draw.pressure(rows, f.symbols, f.start, f.end, width=width))


def cascade_table(f: Findings) -> Markup:
    """List the cascades, the largest ones where there are many."""
    rows = f.rows("cascades")
    if not rows:
        return Markup("")
    top = sorted(rows, key=lambda row: -row["liquidated_usd"])[:CASCADES]
    shown = [{**row, "coins": _coins(row["symbols"])} for row in sorted(top, key=lambda row: row["start_ts"])]
    columns = (
        Column("cascade_id", "cascade", whole), Column("start_ts", "from, UTC", clock), Column("end_ts", "to, UTC", clock),
        Column("duration_s", "lasted, s", rounded), Column("steps", "prices", whole),
        Column("liquidations", "liquidations", whole), Column("liquidated_usd", "liquidated, USD", cents),
        Column("largest_step_usd", "largest step, USD", cents), Column("coins", "coins"),
    )
    made = table(shown, columns)
    if len(rows) > len(shown):
        made += say('<p class="note">The {n} largest of {all} cascades.</p>', n=len(shown), all=len(rows))
    return made


def _coins(symbols: str) -> str:
    return ", ".join(base_coin(symbol.strip()) for symbol in symbols.split(","))
