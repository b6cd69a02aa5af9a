"""The section on accounts: closed by force in fact, in the replay, in both; beside the distance to liquidation."""

from __future__ import annotations

from markupsafe import Markup

from backtest.formatting import coin, percent
from backtest.report import markup as m
from backtest.report.findings import Findings, Row
from backtest.report.sections.section import Part, Section
from backtest.report.tables import columns, table

LARGEST = 12
SCORE = columns("""
    kind             head     closed by
    predictor        text     predictor
    positions        count    positions
    closed           count    closed in fact
    alarms           count    alarms
    hits             count    of them closed
    hit_frac         percent  hits, %
    false_alarm_frac percent  false alarms, %
    relative_risk    rounded  relative risk
    rank_correlation rounded  rank correlation of size
""")
BANDS = columns("""
    grouped_by       head     by
    band             text     band
    positions        count    positions
    notional_usd     cents    USD
    actual_frac      percent  closed in fact, %
    replayed_frac    percent  in the replay, %
    hit_frac         percent  hits, %
    false_alarm_frac percent  false alarms, %
""")
METHODS = columns("""
    symbol                 head     symbol
    actual_usd             cents    in fact, USD
    replayed_usd           cents    in the replay, USD
    actual_backstop_frac   percent  backstop in fact, %
    replayed_backstop_frac percent  backstop in the replay, %
""")
TIMING = columns("""
    kind               head     closed by
    both               count    closed in both
    late_p10_s         rounded  later by, s: 10 %
    late_p50_s         rounded  median
    late_p90_s         rounded  90 %
    within_minute_frac percent  within a minute, %
    minute_correlation rounded  correlation by minute
""")
MINUTES = columns("""
    minute                  text     minute
    actual_liquidated_usd   cents    liquidated in fact, USD
    replayed_liquidated_usd cents    in the replay, USD
    actual_adl_usd          cents    ADL in fact, USD
    replayed_adl_usd        cents    in the replay, USD
""")
AMOUNTS = ("actual_liquidated_usd", "replayed_liquidated_usd", "actual_adl_usd", "replayed_adl_usd")
PRICES = columns("""
    account              text     account
    symbol               text     coin
    side                 side     side
    liquidation_px       rounded  the venue's own
    model_liquidation_px rounded  here
    off_frac             percent  apart, %
    differing            count    so of the coin
    compared             count    of
""")
ACCOUNTS = columns("""
    account       text     account
    symbol        text     coin
    side          side     side
    notional_usd  cents    at the start, USD
    distance_frac percent  distance, %
    outcome       text     liquidated
    actual_usd    cents    in fact, USD
    replayed_usd  cents    in the replay, USD
    late_s        rounded  later by, s
""")


def _scores(f: Findings) -> dict[tuple[str, str], Row]:
    return {(row["kind"], row["predictor"]): row for row in f.rows("actual_account_score")}


def answer(f: Findings) -> Markup:
    """Return how many of the liquidated the replay found, and how many their distance alone would have found."""
    scores = _scores(f)
    replay, distance = scores["liquidation", "replay"], scores["liquidation", "distance"]
    return m.fill(
        "Of {closed} positions liquidated in fact the replay liquidated {hits}, {share}, and {false} of those that "
        "were not. As many alarms by the distance to the venue's own liquidation price alone, on the same rows, would "
        "have found {nearest}.",
        closed=m.count(replay["closed"]),
        hits=m.count(replay["hits"]),
        share=_share(replay["hit_frac"]),
        false=_share(replay["false_alarm_frac"]),
        nearest=_share(distance["hit_frac"]),
    )


def _share(value: float | None) -> str:
    return "none" if value is None else percent(value)


def score_table(f: Findings) -> Markup:
    """Show hits, false alarms and relative risk of the replay, and of the baseline with as many alarms."""
    return table(f.rows("actual_account_score"), SCORE)


def bands_table(f: Findings) -> Markup:
    """Show the same by distance and size, of liquidations and of ADL."""
    parts = [
        m.fill("<p>{title}</p>{rows}", title=title, rows=table(f.rows("actual_account_bands", kind=kind), BANDS))
        for kind, title in (("liquidation", "Liquidated"), ("adl", "Closed by ADL"))
    ]
    return Markup("").join(parts)


def timing_table(f: Findings) -> Markup:
    """Show by how much the replay came later where both closed a position, and the amounts of each minute."""
    minutes: dict[str, Row] = {}
    for row in f.rows("actual_by_minute"):
        minute = f"{row['minute_ts']:%H:%M}"
        sums = minutes.setdefault(minute, {"minute": minute, **dict.fromkeys(AMOUNTS, 0)})
        for name in AMOUNTS:
            sums[name] += row[name] or 0
    return table(f.rows("actual_timing"), TIMING) + table(list(minutes.values()), MINUTES)


def prices_table(f: Findings) -> Markup:
    """List the positions whose liquidation price here is not the venue's own."""
    rows = [{**row, "symbol": coin(row["symbol"])} for row in f.rows("liquidation_price_check", limit=LARGEST)]
    return table(rows, PRICES) if rows else m.empty("All of them are within 0.1 % of the venue's own.")


def methods_table(f: Findings) -> Markup:
    """Show what the order book took and what the backstop."""
    return table([{**row, "symbol": coin(row["symbol"])} for row in f.rows("actual_methods")], METHODS)


def accounts_table(f: Findings) -> Markup:
    """List the largest positions liquidated in fact or in the replay."""
    found = [row for row in f.rows("actual_accounts", limit=10 * LARGEST) if row["outcome"] != "neither"]
    rows = [{**row, "symbol": coin(row["symbol"])} for row in found[:LARGEST]]
    return table(rows, ACCOUNTS) if rows else m.empty("None of the largest positions was liquidated.")


SECTION = Section(
    id="accounts",
    label="Account by account",
    question="Were those liquidated who really were?",
    answer=answer,
    parts=(
        Part("Hits and false alarms; relative risk: closed among alarms over closed among the rest", score_table,
             ("actual_account_score",)),
        Part("Closed by distance to liquidation and by size", bands_table, ("actual_account_bands",), folded=True),
        Part("When: how much later the replay was, and minute by minute", timing_table,
             ("actual_timing", "actual_by_minute"), folded=True),
        Part("What the order book took, and what the backstop", methods_table, ("actual_methods",), folded=True),
        Part("The largest positions liquidated in fact or in the replay", accounts_table, ("actual_accounts",),
             folded=True),
        Part("Liquidation prices at the snapshot that are not the venue's own", prices_table,
             ("liquidation_price_check",), folded=True),
    ),
    shown=lambda f: bool(f.meta.tables["actual_positions"].rows and f.rows("actual_account_score")),
)  # fmt: skip
