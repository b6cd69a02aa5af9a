"""The section on what is not known: bands over draws, cliffs, which unknowns the headlines follow, what was drawn."""

from __future__ import annotations

import polars as pl
from markupsafe import Markup

from backtest.formatting import percent, plural, significant
from backtest.report import markup as m
from backtest.report.figures.draws import adl_by_capital, adl_minutes
from backtest.report.findings import Findings, Row
from backtest.report.sections.metrics import NAMES, metric_cell
from backtest.report.sections.scored import scores_table
from backtest.report.sections.section import Part, Section
from backtest.report.sections.totals import totals
from backtest.report.tables import columns, table
from backtest.run.draw_lines import CLEAR_OF_NOISE, MOST_FOLLOWED
from backtest.run.pinned import LEAST, pinned

NOTHING = "Nothing was drawn, so no number here has a band for what is not known. The option --draws 16 gives them."
BANDS = columns("""
    name    head  number
    median  cell  median
    p05     cell  5 %
    p95     cell  95 %
    draws   count  draws
    here    cell  this run
""")
VAULTS = columns("""
    vault               head     vault of
    died_frac           percent  dies, % of draws
    near_zero_frac      percent  passes near zero, %
    capital_median_usd  cents    median capital, USD
    low_p05_usd         cents    lowest equity, 5 %, USD
    low_median_usd      cents    median, USD
    low_p95_usd         cents    95 %, USD
    adl_median_usd      cents    median ADL of its coins, USD
""")
DRIVERS = columns("""
    name       head     number
    parameter  text     follows
    field      text     field
    rho        rounded  rank correlation
    clear      text     beyond noise
""")
DRAWN = columns("""
    parameter  head     drawn
    field      text     field
    least      rounded  least
    median     rounded  median
    most       rounded  most
    choices    text     choices
    source     text     source
    seen       text     facts seen when it was written
""")
_NAMES = {**NAMES, "first_adl_s": "first ADL after the start", "vault_low_usd": "lowest equity of the vault",
          "vault_capital_usd": "capital of the vault"}  # fmt: skip
_SHOWN = ("liquidated_usd", "adl_usd", "adl_positions", "first_adl_s", "first_adl_after_s", "vault_capital_usd",
          "pool_low_usd", "uncovered_usd")  # fmt: skip


def headline(f: Findings) -> Markup:
    """Return the medians with their bands beside what was published for the same coins and minutes."""
    if not f.draws:
        return Markup("")
    rows = [row for row in totals(f) if row.median is not None]
    if not rows:
        row = f.draw_spread["adl_usd"]
        words = "<b>Median of {n} draws</b> of what is not known: ADL closed {median} ({low} to {high} in nine of ten)."
        return m.fill(words, n=f.draws, median=m.usd(row["median"], "unknown"), low=m.usd(row["p05"]),
                      high=m.usd(row["p95"]))  # fmt: skip
    words = "{name} {median} ({low} to {high} in nine of ten{here}), published {published}"
    each = [
        m.fill(words, name=row.name, median=m.usd(row.median, "numbers"), low=m.usd(row.low), high=m.usd(row.high),
               here="" if row.here is None else m.fill("; this run {usd}", usd=m.usd(row.here)),
               published=m.usd(row.published))
        for row in reversed(rows)
    ]  # fmt: skip
    words = "<b>Median of {n} draws</b> of what is not known, in {coins} from {start:%H:%M} to {end:%H:%M} UTC: {each}."
    first = rows[0].of
    return m.fill(words, n=f.draws, coins=m.listed(first.coins), start=first.start, end=first.end,
                  each=m.join(each, "; "))  # fmt: skip


def answer(f: Findings) -> Markup:
    """Return the share of draws with ADL and with a dead vault, what ADL follows, and what facts pin down."""
    draws = f.run.studies.draws
    if draws is None:
        return m.fill(NOTHING)
    cliffs = f.row("draw_cliffs")
    priors = len(dict.fromkeys(field.prior for field in draws.fields))
    drawn = f"{priors} {plural(priors, 'prior')} and the seed" if priors else "the seed alone"
    arose = percent(cliffs["adl_frac"])
    text = m.fill("In {n} draws of {drawn}, ADL arose in {arose}", n=f.draws, drawn=drawn, arose=arose)
    if cliffs["vault_died_frac"] is not None:
        text += m.fill(
            "; {a} vault died in {died} and passed near zero in {near}; its lowest equity was {median} "
            "({low} to {high})",
            a="a" if len(f.meta.scenario.vaults) > 1 else "the",
            died=percent(cliffs["vault_died_frac"]),
            near=percent(cliffs["near_zero_frac"]),
            median=m.usd(cliffs["vault_low_median_usd"]),
            low=m.usd(cliffs["vault_low_p05_usd"]),
            high=m.usd(cliffs["vault_low_p95_usd"]),
        )
    return m.join([text + ".", _follows(f, "liquidated_usd"), _follows(f, "adl_usd"), _pinned(f)], " ")


def _follows(f: Findings, metric: str) -> Markup:
    clear = [row for row in f.rows("draw_drivers") if row["metric"] == metric and row["clear"]][:MOST_FOLLOWED]
    what = "Liquidations follow" if metric == "liquidated_usd" else "ADL follows"
    if not clear:
        return m.fill("{what} no single unknown beyond noise.", what=what)
    named = [m.fill("{p} ({rho})", p=row["parameter"], rho=significant(row["rho"], 2)) for row in clear]
    return m.fill("{what} {named}.", what=what, named=m.listed(named))


def _pinned(f: Findings) -> Markup:
    draws = f.run.studies.draws
    assert draws is not None
    found = pinned(draws, f.meta)
    if found is None:
        few = f"Fewer than {LEAST} draws do not tell what published figures pin down."
        return m.fill(few if len(draws) < LEAST else "No published figure says which of them are nearer.")
    if not found:
        return m.fill("Published figures pin down none of the priors.")
    named = [m.fill("{n} ({a} to {b})", n=one.name, a=significant(one.low), b=significant(one.high)) for one in found]
    return m.fill("Published figures pin down {named}: the closest quarter of the draws.", named=m.listed(named))


def bands_table(f: Findings) -> Markup:
    """Show median and 5 to 95 % range of each headline number over the draws, beside this run."""
    if not f.draws:
        return m.empty(NOTHING)
    start = f.start
    first = f.summary["first_adl_ts"]
    here = {**f.summary, "first_adl_s": None if first is None else (first - start).total_seconds(),
            "vault_capital_usd": f.summary["vault_start_usd"]}  # fmt: skip
    rows = []
    for metric in _SHOWN:
        row = f.draw_spread.get(metric)
        if row is None or (metric.startswith("vault") and not f.summary["vault_start_usd"]):
            continue
        cells = {key: metric_cell(metric, row[key]) for key in ("p05", "median", "p95")}
        rows.append({"name": _NAMES[metric], "draws": row["draws"], "here": metric_cell(metric, here[metric]), **cells})
    return table(rows, BANDS)


def capital_figure(f: Findings) -> Markup:
    """Draw ADL against the capital of each vault, and tell how low each falls."""
    frame = f.frame("draw_adl_by_capital", neighbours=max(f.draws // 12, 1))
    if frame.is_empty():
        return m.empty("No draw has a vault.") if f.draws else Markup("")
    rows = f.rows("draw_vault_spread")
    return m.join([*(_of_vault(frame, row["vault"], named=len(rows) > 1) for row in rows), table(rows, VAULTS)])


def _of_vault(frame: pl.DataFrame, vault: str, *, named: bool) -> Markup:
    mine = frame.filter(frame["vault"] == vault)
    drawn = m.figure(lambda width: adl_by_capital(draw_adl_by_capital=mine, width=width))
    return m.note(f"The vault of {', '.join(vault.split('+'))}:") + drawn if named else drawn


def minutes_figure(f: Findings) -> Markup:
    """Draw ADL by minute over the draws."""
    frame = f.frame("draw_adl_by_minute")
    if frame.is_empty():
        return m.empty("No draw has ADL.") if f.draws else Markup("")
    made = m.figure(lambda width: adl_minutes(draw_adl_by_minute=frame, width=width))
    return m.fill('<div class="drawings">{made}</div>', made=made)


def drivers_table(f: Findings) -> Markup:
    """Show, of each headline, what it follows most by rank correlation."""
    found = f.rows("draw_drivers")
    if not found:
        return Markup("")
    rows: list[Row] = []
    for metric in dict.fromkeys(row["metric"] for row in found):
        own = [row for row in found if row["metric"] == metric][:MOST_FOLLOWED]
        rows += [{**row, "name": _NAMES[metric], "clear": "yes" if row["clear"] else "no"} for row in own]
    return table(rows, DRIVERS) + m.note(CLEAR_OF_NOISE)


def drawn_table(f: Findings) -> Markup:
    """Show what was drawn: ranges, sources, and the facts that were seen when they were written."""
    draws = f.run.studies.draws
    if draws is None:
        return Markup("")
    about = {field.name: field for field in draws.fields}
    rows = []
    for row in f.rows("draw_parameters"):
        field = about[row["parameter"]]
        words = {"choices": row["choices"] or "", "source": f"{field.source} ({field.mark})", "seen": field.seen}
        rows.append({**row, **words})
    notes = m.join(m.note(f"{note[0].upper()}{note[1:]}.") for note in draws.notes)
    return table(rows, DRAWN) + notes


SECTION = Section(
    id="unknown",
    label="Unknowns",
    question="How much hangs on what is not known?",
    answer=answer,
    parts=(
        Part("ADL by minute over the draws: 5 to 95 %, median", minutes_figure, ("draw_adl_by_minute",)),
        Part("What the headline numbers follow", drivers_table, ("draw_drivers",), folded=True),
        Part("The headline numbers over the draws", bands_table, ("draw_spread",), folded=True),
        Part("Published facts and the draws", scores_table, ("fact_scores",), folded=True, printed=False),
        Part(
            "ADL against the vault's capital, over the draws",
            capital_figure,
            ("draw_adl_by_capital", "draw_vault_spread", "draw_cliffs"),
            folded=True,
        ),
        Part("What was drawn", drawn_table, ("draw_parameters",), folded=True, printed=False),
    ),
    headline=headline,
    of_studies=True,
)
