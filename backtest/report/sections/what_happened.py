"""Sections on price, liquidations, the map of the book and the depth of the cascade."""

from __future__ import annotations

from markupsafe import Markup

from backtest.report.figures import market as draw
from backtest.report.figures.canvas import base_coin
from backtest.report.findings import Findings, Row
from backtest.report.numbers import NONE, at, count, frac, listed, plural, px, say, span, times, usd, usd_text
from backtest.report.tables import columns, empty, figure, scrolling, table

MAP_BINS = 80
LARGEST = 10
CASCADES = 12
SIDES = ("long", "short")

MOVES = columns("""
    symbol                 head      symbol
    first_px               price     first
    low_px                 price     low
    low_ts                 clock     low at
    move_to_low_frac       per_cent  to low, %
    mark_low_px            price     mark low
    mark_low_ts            clock     mark low at
    mark_move_to_low_frac  per_cent  mark to low, %
    high_px                price     high
    last_px                price     last
""")
LARGEST_COLUMNS = columns("""
    rank             whole     #
    ts               clock     UTC
    symbol           words     symbol
    side             side      side
    account_id       words     account
    cohort           words     leverage
    notional_usd     cents     notional, USD
    mark_px          price     mark
    bankruptcy_px    price     bankruptcy
    book_share_frac  per_cent  book took, %
    takeover_lots    whole     taken over, lots
    adl_lots         whole     to ADL, lots
""")
CASCADE_COLUMNS = columns("""
    cascade_id        whole    cascade
    start_ts          clock    from, UTC
    end_ts            clock    to, UTC
    duration_s        rounded  lasted, s
    steps             whole    steps
    liquidations      whole    liquidations
    liquidated_usd    cents    liquidated, USD
    largest_step_usd  cents    largest step, USD
    coins             words    coins
""")


# --- price ---------------------------------------------------------------------------------------------------


def price_answer(f: Findings) -> Markup:
    """Say how far each coin fell, in trades and in the mark."""
    worst = f.worst
    mark, time = frac(worst["mark_move_to_low_frac"]), at(worst["mark_low_ts"])
    if len(f.moves) == 1:
        ends = {"first": px(worst["first_px"]), "low": px(worst["low_px"]), "move": frac(worst["move_to_low_frac"])}
        fell = say("From {first} at the start to {low} at the low, {move}", **ends)
        return fell + say(". The mark, which decides liquidations, went to {mark} at {time}.", mark=mark, time=time)
    falls = [say("{c} {m}", c=base_coin(row["symbol"]), m=frac(row["move_to_low_frac"])) for row in f.moves]
    return say(
        "From the first trade to the low: {falls}. The mark, which decides liquidations, followed the deepest fall, "
        "that of {coin}, down to {mark} at {time}.",
        falls=listed(falls),
        coin=base_coin(worst["symbol"]),
        mark=mark,
        time=time,
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
    return table(f.moves, MOVES)


# --- who was liquidated --------------------------------------------------------------------------------------


def liquidated_answer(f: Findings) -> Markup:
    """Say which side and which cohort lost its positions."""
    s = f.summary
    if not f.liquidated:
        return say("Nobody: none of {n} positions fell below its maintenance margin.", n=count(s["positions"]))
    start = say(
        "Longs of {longs} were liquidated, shorts of {shorts}",
        longs=usd(s["liquidated_long_usd"]),
        shorts=usd(s["liquidated_short_usd"]),
    )
    top = max(f.rows("liquidations_by_cohort"), key=lambda row: row["liquidated_usd"])
    return start + say(
        "; the largest part, {usd}, came from the {side}s in {coin} of leverage {cohort}, of which {share} were "
        "liquidated.",
        usd=usd(top["liquidated_usd"]),
        side=top["side"],
        coin=base_coin(top["symbol"]),
        cohort=top["cohort"],
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
    known = {(row["symbol"], row["cohort"], row["side"]): row for row in f.rows("liquidations_by_cohort")}
    if not known:
        return empty("The book holds no position.")
    coins = Markup("").join(say('<th scope="col" class="num">{c}</th>', c=base_coin(s)) for s in f.symbols)
    lines = [(cohort, side) for side in SIDES for cohort in dict.fromkeys(key[1] for key in known)]
    body = Markup("").join(
        say(
            '<tr><th scope="row">{cohort}</th><td><span class="side {side}">{side}</span></td>{cells}</tr>',
            cohort=cohort,
            side=side,
            cells=Markup("").join(_shade(known.get((symbol, cohort, side)), side) for symbol in f.symbols),
        )
        for cohort, side in lines
    )
    head = say('<tr><th scope="col">leverage</th><th scope="col">side</th>{coins}</tr>', coins=coins)
    made = '<table class="matrix"><thead>{head}</thead><tbody>{body}</tbody></table>'
    return scrolling(say(made, head=head, body=body))


def _shade(row: Row | None, side: str) -> Markup:
    if row is None:
        return say('<td class="num">{none}</td>', none=NONE)
    share = float(row["liquidated_share_frac"] or 0.0)
    opening, gone = usd_text(row["opening_notional_usd"]), usd_text(row["liquidated_usd"])
    return say(
        '<td class="num shade {side}" style="--share:{shade:.1f}%" title="{title}">{text}</td>',
        side=side,
        shade=share * 70,
        title=f"{gone} of {opening}; {row['positions']:,} positions, {row['liquidations']:,} liquidations",
        text=f"{share * 100:.1f}\N{NO-BREAK SPACE}%",
    )


def largest_table(f: Findings) -> Markup:
    """List the largest liquidations."""
    rows = f.rows("largest_liquidations", limit=LARGEST)
    return table(rows, LARGEST_COLUMNS) if rows else Markup("")


# --- the map -------------------------------------------------------------------------------------------------


def map_answer(f: Findings) -> Markup:
    """Say how much of the opening book had its liquidation price where the mark went."""
    parts = []
    for symbol in f.symbols:
        bins = _map(f, symbol).to_dicts()
        inside = {s: sum(float(b["notional_usd"]) for b in bins if b["reached"] and b["side"] == s) for s in SIDES}
        shorts = say(" and {usd} of shorts", usd=usd(inside["short"])) if inside["short"] else ""
        parts.append(say("{c} {l} of longs{s}", c=base_coin(symbol), l=usd(inside["long"]), s=shorts))
    return say("Inside the range that the mark walked sat, by the opening book: {p}.", p=Markup("; ").join(parts))


def _map(f: Findings, symbol: str) -> draw.Frame:
    rows = f.frame("liquidation_price_map", bins=MAP_BINS)
    return rows.filter(rows["symbol"] == symbol)


def map_figure(f: Findings) -> Markup:
    """Draw the liquidation map."""
    series = []
    for symbol in f.symbols:
        marks = f.frame("price_path", symbol=symbol)["mark_px"].to_list()
        series.append(draw.MapSeries(symbol, _map(f, symbol), marks[0], min(marks), max(marks)))
    return figure(lambda width: draw.liquidation_map(series, width))


# --- depth ---------------------------------------------------------------------------------------------------


def cascade_answer(f: Findings) -> Markup:
    """Say how long the largest cascade ran and how far orders exceeded liquidity."""
    cascades = f.rows("cascades")
    if not cascades:
        return say("There was no cascade: nothing was liquidated.")
    top = max(cascades, key=lambda row: row["liquidated_usd"])
    start = say(
        "{which} began at {start}, ran {span} over {steps} steps and held {usd} of liquidations",
        which="One cascade" if len(cascades) == 1 else f"Of {len(cascades):,} cascades the largest",
        start=at(top["start_ts"]),
        span=span(top["duration_s"]),
        steps=count(top["steps"]),
        usd=usd(top["liquidated_usd"]),
    )
    over = [row for row in f.rows("liquidity_pressure") if (row["pressure_ratio"] or 0) > 1]
    if not over:
        return start + "; in every minute the market had more liquidity than was ordered."
    worst = max(over, key=lambda row: row["pressure_ratio"])
    minutes = len({row["minute_ts"] for row in over})
    return start + say(
        "; in {n} {noun} more was ordered than there was liquidity, at worst {r} in {coin} at {minute}.",
        n=count(minutes),
        noun=plural(minutes, "minute"),
        r=times(worst["pressure_ratio"]),
        coin=base_coin(worst["symbol"]),
        minute=f"{worst['minute_ts']:%H:%M}",
    )


def pressure_figure(f: Findings) -> Markup:
    """Draw R by minute."""
    rows = f.frame("liquidity_pressure")
    if rows.is_empty():
        return empty("No liquidation order met the book, so there is no ratio to show.")
    return figure(lambda width: draw.ratios(draw.PRESSURE, rows, f.symbols, f.start, f.end, width=width))


def criticality_figure(f: Findings) -> Markup:
    """Draw what a further move would liquidate over what the book takes for it, by minute."""
    rows = f.frame("criticality_by_minute")
    if rows.is_empty():
        return empty("At no minute's end was a position within 10 bps of its liquidation.")
    return figure(lambda width: draw.ratios(draw.CRITICALITY, rows, f.symbols, f.start, f.end, width=width))


def cascade_table(f: Findings) -> Markup:
    """List the cascades, the largest ones where there are many."""
    rows = f.rows("cascades")
    if not rows:
        return Markup("")
    top = sorted(rows, key=lambda row: -row["liquidated_usd"])[:CASCADES]
    shown = [{**row, "coins": _coins(row["symbols"])} for row in sorted(top, key=lambda row: row["start_ts"])]
    rest = say('<p class="note">The {n} largest of {all} cascades.</p>', n=len(shown), all=len(rows))
    return table(shown, CASCADE_COLUMNS) + (rest if len(rows) > len(shown) else "")


def _coins(symbols: str) -> str:
    return ", ".join(base_coin(symbol.strip()) for symbol in symbols.split(","))
