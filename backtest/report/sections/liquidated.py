"""The section on who was liquidated."""

from __future__ import annotations

from markupsafe import Markup

from backtest.formatting import NONE, SPACE, coin, count, fixed, plural, usd
from backtest.report import markup as m
from backtest.report.figures.liquidations import liquidations
from backtest.report.findings import Findings, Row
from backtest.report.sections.section import Part, Section
from backtest.report.tables import columns, scrolling, table

LARGEST = 10
SIDES = ("long", "short")
LARGEST_COLUMNS = columns("""
    rank             count    #
    ts               clock    UTC
    symbol           text     symbol
    side             side     side
    account_id       text     account
    cohort           text     leverage
    notional_usd     cents    notional, USD
    mark_px          price    mark
    bankruptcy_px    price    bankruptcy
    book_share_frac  percent  book took, %
    takeover         text     taken over
    adl              text     to ADL
""")


def headline(f: Findings) -> Markup:
    """Return how much was liquidated, of which side mostly, and when it began."""
    s = f.summary
    if not f.liquidated:
        words = "None of the {n} positions reached its maintenance margin, so {nothing} was liquidated."
        return m.fill(words, n=m.count(s["positions"]), nothing=m.number("nothing", "nothing", "liquidated"))
    share = s["liquidated_long_share_frac"] or 0.0
    side, part = ("long", share) if share >= 0.5 else ("short", 1 - share)
    return m.fill(
        "From {first} on {n} {liquidations} took {usd} out of the book, {share} of it {side}.",
        first=m.clock(s["first_liquidation_ts"]),
        n=m.count(s["liquidations"], "liquidated"),
        liquidations=plural(s["liquidations"], "liquidation"),
        usd=m.usd(s["liquidated_usd"], "liquidated"),
        share=m.percent(part),
        side=side,
    )


def answer(f: Findings) -> Markup:
    """Return the sides, the cohort that lost most and the busiest minute."""
    s = f.summary
    if not f.liquidated:
        return m.fill("Nobody: every position kept its maintenance margin.")
    cohort = max(f.rows("liquidations_by_cohort"), key=lambda row: row["liquidated_usd"])
    minute = max(f.rows("liquidations_per_minute"), key=lambda row: row["long_usd"] + row["short_usd"])
    return m.fill(
        "Longs of {longs} and shorts of {shorts}; the busiest minute, {minute}, took {peak}. The largest part, {usd}, "
        "came from the {side}s in {coin} of leverage {cohort}, of which {share} were liquidated.",
        longs=m.usd(s["liquidated_long_usd"]),
        shorts=m.usd(s["liquidated_short_usd"]),
        minute=f"{minute['minute_ts']:%H:%M}",
        peak=m.usd(minute["long_usd"] + minute["short_usd"]),
        usd=m.usd(cohort["liquidated_usd"]),
        side=cohort["side"],
        coin=coin(cohort["symbol"]),
        cohort=cohort["cohort"],
        share=m.percent(cohort["liquidated_share_frac"]),
    )


def figure(f: Findings) -> Markup:
    """Draw liquidations per minute."""
    rows = f.frame("liquidations_per_minute")
    if rows.is_empty():
        return m.empty("No liquidation, so there is no minute to show.")
    return m.timed_figure(
        lambda width, span: liquidations(liquidations_per_minute=rows, start=span.start, end=span.end, width=width),
        f.crash,
        f.window,
    )


def cohort_table(f: Findings) -> Markup:
    """Show the share of each cohort's opening notional that was liquidated, as a shaded matrix."""
    known = {(row["symbol"], row["cohort"], row["side"]): row for row in f.rows("liquidations_by_cohort")}
    if not known:
        return m.empty("The book holds no position.")
    coins = m.join(m.fill('<th scope="col" class="num">{c}</th>', c=coin(symbol)) for symbol in f.symbols)
    cohorts = dict.fromkeys(cohort for _, cohort, _ in known)
    body = m.join(
        m.fill(
            '<tr><th scope="row">{cohort}</th><td><span class="side {side}">{side}</span></td>{cells}</tr>',
            cohort=cohort,
            side=side,
            cells=m.join(_shade(known.get((symbol, cohort, side)), side) for symbol in f.symbols),
        )
        for side in SIDES
        for cohort in cohorts
    )
    head = m.fill('<tr><th scope="col">leverage</th><th scope="col">side</th>{coins}</tr>', coins=coins)
    made = '<table class="matrix"><thead>{head}</thead><tbody>{body}</tbody></table>'
    return scrolling(m.fill(made, head=head, body=body))


def _shade(row: Row | None, side: str) -> Markup:
    if row is None:
        return m.fill('<td class="num">{none}</td>', none=NONE)
    share = float(row["liquidated_share_frac"] or 0.0)
    positions = f"{count(row['positions'])} positions, {count(row['liquidations'])} liquidations"
    return m.fill(
        '<td class="num shade {side}" style="--share:{shade:.1f}%" title="{title}">{text}</td>',
        side=side,
        shade=share * 70,
        title=f"{usd(row['liquidated_usd'])} of {usd(row['opening_notional_usd'])}; {positions}",
        text=f"{fixed(share * 100, 1)}{SPACE}%",
    )


def largest_table(f: Findings) -> Markup:
    """List the largest liquidations."""
    rows = f.rows("largest_liquidations", limit=LARGEST)
    sizes = {"takeover": "takeover_lots", "adl": "adl_lots"}
    shown = [{**row, **{key: f.size(row["symbol"], row[lots]) for key, lots in sizes.items()}} for row in rows]
    return table(shown, LARGEST_COLUMNS) if rows else Markup("")


SECTION = Section(
    id="liquidated",
    label="Liquidations",
    question="Who was liquidated?",
    headline=headline,
    answer=answer,
    parts=(
        Part("Liquidated notional at the mark of the breach", figure, ("liquidations_per_minute",)),
        Part("Share of each cohort's opening notional that was liquidated", cohort_table, ("liquidations_by_cohort",)),
        Part("The largest liquidations", largest_table, ("largest_liquidations",), folded=True),
    ),
)
