"""The table of published facts beside the band of the draws, and the scores over them."""

from __future__ import annotations

import datetime as dt

from markupsafe import Markup

from backtest.formatting import clock, count, duration, exact, minus, percent, ratio, significant, usd
from backtest.report import markup as m
from backtest.report.findings import Findings, Row
from backtest.report.sections.source import source_link
from backtest.report.tables import Cell, columns, table
from backtest.studies.scoreboard import verified
from backtest.studies.scores import LowerBounds, TwoSided

SCORES = columns("""
    fact       head  fact
    median     cell  median
    low        cell  5 %
    high       cell  95 %
    published  cell  published
    ratio      cell  ratio
    inside     text  inside
    use        text  use
    grade      text  grade
    source     text  source
""")
_UNITS = {"usd": usd, "frac": percent, "s": duration, "count": count, "x": ratio}
_USES = {"fitted": "seen before", "held_out": "held out", "path_check": "checks the path"}
BAR_S = 60


def scores_table(f: Findings) -> Markup:
    """Show every published fact beside median and band of the draws, and the scores; nothing without draws."""
    rows = f.rows("fact_scores")
    if f.run.studies.draws is None or not rows:
        return m.empty("No published fact of this event has a figure in the draws.")
    return m.join((_summary(f), table(map(_row, rows), SCORES, kind="sortable facts")))


def _summary(f: Findings) -> Markup:
    one = verified(f.run)
    scores = one.scores
    assert scores is not None
    groups = {"core": scores.two_sided_core, "seen before": scores.fitted, "held out": scores.held_out}
    lines = [_two_sided(name, one) for name, one in groups.items() if one.facts]
    if scores.lower_bounds.facts:
        lines.append(_bounds(scores.lower_bounds))
    lines += [f"not modelled: {sentence}" for sentence in one.not_modelled]
    return m.note("; ".join(lines) + ".") if lines else Markup("")


def _two_sided(name: str, one: TwoSided) -> str:
    width = "" if one.median_band_width is None else f", median band width ×{one.median_band_width:.2f}"
    factor = "no median factor" if one.median_factor is None else f"median factor ×{one.median_factor:.2f}"
    return f"{name}, {one.facts} facts: {factor}, {percent(one.inside_frac)} inside the band{width}"


def _bounds(one: LowerBounds) -> str:
    return f"{one.met} of {one.facts} lower bounds met"


def _row(row: Row) -> Row:
    low, high = (_figure(row, row[end]) for end in ("published_low", "published_high"))
    published = low if low == high else f"{low} to {high}"
    verdict = "yes" if row["inside"] else "no"
    return {
        "fact": row["fact"],
        "median": _cell(row, row["median"]),
        "low": _cell(row, row["p05"]),
        "high": _cell(row, row["p95"]),
        "published": Cell(f"> {published}" if row["kind"] == "lower" else published, sort=row["published_low"]),
        "ratio": _ratio(row),
        "inside": f"({verdict})" if row["kind"] == "shown" else verdict,
        "use": _USES[row["use"]],
        "grade": row["grade"],
        "source": source_link(row["source"]),
    }


def _ratio(row: Row) -> Cell:
    """Show the ratio, of a time how many bars it is late."""
    if row["is_time"] and row["median"] is not None:
        return Cell(minus(f"{(row['median'] - row['published_low']) / BAR_S:+.1f} bars"))
    return Cell("" if row["ratio"] is None else f"×{significant(row['ratio'])}", sort=row["ratio"])


def _cell(row: Row, value: float | None) -> Cell:
    return Cell(_figure(row, value), exact(value), value)


def _figure(row: Row, value: float | None) -> str:
    if value is None:
        return "none"
    if row["is_time"]:
        return clock(row["start_ts"] + dt.timedelta(seconds=round(value)))
    return _UNITS.get(row["unit"], significant)(value)
