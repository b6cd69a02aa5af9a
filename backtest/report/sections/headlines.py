"""The headline numbers, their spread over seeds and the sensitivity grid."""

from __future__ import annotations

from typing import NamedTuple

from markupsafe import Markup

from backtest.report.figures.canvas import base_coin
from backtest.report.findings import Findings, Row
from backtest.report.numbers import (
    NONE,
    Number,
    at,
    count,
    count_text,
    exact_text,
    frac,
    frac_text,
    px,
    say,
    significant,
    span,
    span_text,
    usd,
    usd_text,
)
from backtest.report.tables import Cell, Column, columns, empty, table

NAMES = {
    "worst_move_frac": "deepest fall",
    "liquidations": "liquidations",
    "liquidated_usd": "liquidated",
    "liquidated_long_share_frac": "long share of liquidations",
    "adl_usd": "closed by ADL",
    "adl_share_frac": "ADL / liquidated",
    "adl_positions": "positions closed by ADL",
    "first_adl_after_s": "first ADL after first liquidation",
    "pool_low_usd": "lowest equity of fund or vault",
    "pool_end_usd": "fund or vault at the end",
    "uncovered_usd": "uncovered",
}
BANDS = columns("""
    name    head   number
    here    given  this run
    p05   given  5 %
    median  given  median
    p95 given  95 %
    range   words  range, this run as a dot
""")


class Tile(NamedTuple):
    """One headline number: colour, name, value, a remark, and the metric whose band over seeds it shows."""

    colour: str
    name: str
    value: Markup
    remark: Markup
    metric: str = ""


def tiles(f: Findings) -> list[Tile]:
    """Return the six headline numbers."""
    s, main, worst = f.summary, f.moves[0], f.worst
    share = s["liquidated_long_share_frac"]
    beside = say("{c} {m}", c=base_coin(main["symbol"]), m=frac(main["move_to_low_frac"]))
    low = say("down to {low}", low=px(main["low_px"]))
    long_part = say("{share} of it long", share=frac(share))
    after = say("{after} after the first liquidation", after=span(s["first_adl_after_s"]))
    start = say("of {start} at the start, at {time}", start=usd(s["pool_start_usd"]), time=at(s["pool_low_ts"]))
    none, nothing = say("none"), say("nothing was liquidated")
    return [
        Tile(
            "price",
            f"Deepest fall, {base_coin(worst['symbol'])}",
            frac(worst["move_to_low_frac"], "price"),
            low if worst is main else beside,
            "worst_move_frac",
        ),
        Tile(
            "short" if (share or 1) < 0.5 else "long",
            "Liquidated",
            usd(s["liquidated_usd"], "liquidated"),
            long_part if f.liquidated else nothing,
            "liquidated_usd",
        ),
        Tile(
            "adl",
            "Closed by ADL",
            usd(s["adl_usd"], "queue"),
            say("{n} positions", n=count(s["adl_positions"])),
            "adl_usd",
        ),
        Tile(
            "pool",
            f"Lowest equity, {f.pool}",
            usd(s["pool_low_usd"], "paid") if f.funded else none,
            start if f.funded else say("no money in it"),
            "pool_low_usd",
        ),
        Tile(
            "adl",
            "First ADL",
            at(s["first_adl_ts"], "queue") if f.adl else none,
            after if f.adl else say("nobody was closed"),
            "first_adl_after_s",
        ),
        Tile("none", "Residual", usd(s["residual_usd"], "checks"), say("cash of all owners, every step")),
    ]


def tiles_answer(f: Findings) -> Markup:
    """Say for which run the numbers hold."""
    s, seeds = f.summary, f.seeds
    return say(
        "{n} positions with {oi} of open interest on each side, under the rules of {venue}; {band}.",
        n=count(s["positions"]),
        oi=usd(s["open_interest_usd"]),
        venue=f.meta.venue.name,
        band=f"under a number its 5 to 95 % range over {seeds} seeds" if seeds > 1 else "one seed, so no band is shown",
    )


def tiles_markup(f: Findings) -> Markup:
    """Lay out the headline numbers."""
    item = (
        '<li class="{t.colour}"><span class="name">{t.name}</span><span class="value">{t.value}</span>'
        '<span class="remark">{t.remark}</span>{band}</li>'
    )
    made = Markup("").join(say(item, t=tile, band=_band(f.spread.get(tile.metric), tile.metric)) for tile in tiles(f))
    return say('<ul class="tiles">{made}</ul>', made=made)


def _band(row: Row | None, metric: str) -> Markup:
    """Return the range over seeds, if it has a width."""
    low, high = (metric_text(metric, row[end]) if row else "" for end in ("p05", "p95"))
    band = say('<span class="band">5–95 %: {low} to {high}</span>', low=low, high=high)
    return band if low != high else Markup("")


def metric_text(metric: str, value: Number | None) -> str:
    """Return a metric in the unit that its name ends with.

    Examples
    --------
    >>> metric_text("adl_share_frac", 0.5)[:4], metric_text("adl_positions", 4211)
    ('50.0', '4,211')
    """
    if value is None:
        return NONE
    for suffix, show in (("_usd", usd_text), ("_frac", frac_text), ("_s", span_text), ("_px", significant)):
        if metric.endswith(suffix):
            return show(value)
    return significant(value) if value % 1 else count_text(value)


def _cell(metric: str, value: Number | None) -> Cell:
    return Cell(metric_text(metric, value), exact_text(value))


# --- seeds and settings --------------------------------------------------------------------------------------


def bands_table(f: Findings) -> Markup:
    """Show median and 5 to 95 % range over seeds, with this run's place in it."""
    if f.seeds < 2:
        return empty("One seed was run, so there is no band. The option --seeds 20 gives one.")
    return table((_band_row(f, metric) for metric in NAMES if metric in f.spread), BANDS)


def _band_row(f: Findings, metric: str) -> Row:
    row = {**f.spread[metric], "here": f.summary.get(metric)}
    dot = row["median"] if row["here"] is None else row["here"]
    ends = [float(value) for value in (row["p05"], row["p95"], dot)]
    room = max(ends) - min(ends)
    low, high, place = ((end - min(ends)) / room * 88 + 6 if room else 50.0 for end in ends)
    band = (
        '<span class="track range"><b style="left:{low:.1f}%;width:max({width:.1f}%,2px)"></b>'
        '<i style="left:{place:.1f}%"></i></span>'
    )
    drawn = say(band, low=low, width=high - low, place=place)
    shown = {key: _cell(metric, row[key]) for key in ("here", "p05", "median", "p95")}
    return {"name": NAMES[metric], "range": drawn, **shown}


def sensitivity_table(f: Findings) -> Markup:
    """Show the headline numbers with one setting changed at a time."""
    grid = f.run.studies.grid
    if not grid:
        return empty("No sensitivity grid was run with this replay.")
    metrics = list(dict.fromkeys(metric for row in grid for metric in row.metrics))
    own = f.meta.run_id
    rows = (
        {
            "label": row.label,
            "here": row.run_id == own,
            **{m: _cell(m, row.metrics.get(m)) for m in metrics},
        }
        for row in grid
    )
    heads = [Column("label", "head", "changed")]
    heads += [Column(m, "given", _head(m)) for m in metrics]
    return table(rows, heads, row_class=lambda row: "here" if row["here"] else "")


def _head(metric: str) -> str:
    """Return the name of a column of the grid; ``adl_btc_usd`` is the ADL of one coin."""
    parts = metric.split("_")
    if metric in NAMES:
        return NAMES[metric]
    if len(parts) == 3 and parts[0] == "adl" and parts[2] == "usd":
        return f"ADL {parts[1].upper()}"
    return " ".join("ADL" if part == "adl" else part for part in parts)
