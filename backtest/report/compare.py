"""The page of ``crashbook compare``: differences, winners and losers, haircuts and concentration, by alternative."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from markupsafe import Markup

from backtest.assets import inside, reports_folder
from backtest.catalogue.events import get_event
from backtest.report import markup as m
from backtest.report.figures.compare import Curve, lorenz_panels
from backtest.report.figures.drawing import Drawing
from backtest.report.figures.panels import Row, strips
from backtest.report.figures.style import Width
from backtest.report.marks import cell, change, level, number, plain
from backtest.report.page import page_of, save
from backtest.report.sections.title import Title
from backtest.report.tables import Column, table
from backtest.run.describe import event_of
from backtest.sql.files import get_query
from backtest.studies.compared import SHOWN, SHOWN_GAINS, Compared, ComparedRow, label_of
from backtest.studies.metrics import BY_NAME, LORENZ

if TYPE_CHECKING:
    from backtest.run.run import StoredRun
    from backtest.studies.paired import Paired

# The figures of a sentence on an alternative, the weightiest first.
KEY = ("adl_usd", "adl_accounts", "wiped_out_accounts", "forgone_trade_usd", "haircut_trade_max_frac",
       "hedge_legs_broken", "unhedged_usd", "pool_low_usd", "uncovered_usd")  # fmt: skip
SAID = 5  # figures of a sentence at most
HAIRCUTS = (("haircut_mark_mean_frac", "mark"), ("haircut_trade_mean_frac", "price"),
            ("haircut_mark_max_frac", "mark"), ("haircut_trade_max_frac", "price"))  # fmt: skip
UNEVEN = ("closed_gini_frac", "closed_hhi_frac", "forgone_gini_frac", "forgone_hhi_frac")
QUERIES = {"differences": ("run_summary", "adl_impact_by_symbol"), "cohorts": ("adl_by_cohort", "loss_waterfall"),
           "haircuts": ("adl_haircut_by_rank", "forgone_pnl"), "concentration": ("adl_concentration",)}  # fmt: skip
OF_DRAWS = (
    "The figures come from the record of each draw, which keeps no folder of its own; of one run, the queries named "
    "above answer the same questions."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A page in the making: what was compared, its title, its name, and the draws where there are any."""

    found: Compared
    title: Title
    name: str
    paired: Paired | None = None

    @staticmethod
    def of_draws(found: Compared, paired: Paired) -> Page:
        """Return the page of alternatives on the same draws."""
        first = paired.resolved[0]
        event = get_event(first.event.id)
        book = f"{paired.positions:,} positions"
        facts = {
            "venue": first.venue.id,
            "base": found.alternatives[0],
            "alternatives": f"{len(found.alternatives) - 1}",
            "draws": f"{found.draws} of {paired.drawn} priors and the seed"
            if paired.drawn
            else "the scenario as it is",
            "book of a draw" if paired.drawn else "book": book,
        }
        asked = (found.alternatives, paired.seeds, paired.positions, *(each.scenario for each in paired.resolved))
        digest = hashlib.sha256("\n".join(map(repr, asked)).encode()).hexdigest()[:8]
        name = f"compare-{event.id}-{first.venue.id}-{digest}"
        title = Title(event=event_of(event), facts=facts, labels=[], notes=paired.notes, command="compare")
        return Page(found=found, title=title, name=name, paired=paired)

    @staticmethod
    def of_runs(found: Compared, left: StoredRun, right: StoredRun) -> Page:
        """Return the page of two stored runs."""
        draws = f"{found.draws}, the same beside both" if found.draws else "none that are the same beside both"
        facts = {"base": f"{left.run_id} at {left.meta.venue.name}",
                 "beside it": f"{right.run_id} at {right.meta.venue.name}", "draws": draws}  # fmt: skip
        title = Title(event=left.meta.event, facts=facts, labels=[], notes=(), command="compare")
        return Page(found=found, title=title, name=f"compare-{left.run_id}-{right.run_id}")

    def html(self) -> str:
        """Return the page: it loads nothing."""
        sections = [_differences(self.found)]
        if self.paired is not None:
            sections += [
                section for make in (_cohorts, _haircuts, _concentration) if (section := make(self.found, self.paired))
            ]
        return page_of(self.title, [*sections, _figures(self.found)], self.name)

    def write(self, path: Path | None = None) -> Path:
        """Write the page, by default to the reports folder of the workspace, and return its path."""
        return save(self.html(), path or inside(reports_folder(), f"{self.name}.html"))


# --- sections ------------------------------------------------------------------------------------------------


def differences(found: Compared) -> Callable[[Width], Drawing] | None:
    """Return what draws the differences from the base, a panel for each alternative; None where nothing differs."""
    base, others = found.alternatives[0], found.alternatives[1:]
    rows = [Row(label_of(name), "adl", tuple(map(change, mine))) for name, mine in _changed(found).items()]
    return (lambda width: strips(f"Differences from {base}", others, rows, width=width)) if rows else None


def _changed(found: Compared) -> dict[str, list[ComparedRow]]:
    """Return the rows of the metrics that differ from the base in some draw, by metric."""
    by_metric = {name: found.of(name)[1:] for name in SHOWN}
    return {name: rows for name, rows in by_metric.items() if any(not row.same for row in rows)}


def _differences(found: Compared) -> dict[str, Any]:
    base, others = found.alternatives[0], found.alternatives[1:]
    parts = []
    if draw := differences(found):
        words = f"less {base}: median and 5 to 95 % within each draw; a scale for each row, the same in all panels"
        table_of_all = m.folded("all differences as a table", _changes(_changed(found)))
        parts = [_part(words, m.figure(draw)), _part("", table_of_all)]
    return {
        "id": "differences",
        "label": "differences",
        "question": f"What differs from {base}?",
        "answer": m.bullets(_sentence(found, name) for name in others),
        "parts": parts,
        "queries": _queries("differences"),
    }


def _sentence(found: Compared, name: str) -> Markup:
    """Return what differs most under an alternative, of the figures that matter."""
    rows = [row for metric in KEY for row in found.of(metric) if row.alternative == name and row.difference]
    if not rows:
        return m.fill("{name}: no median differs in the figures of this sentence.", name=name)
    said = [
        m.fill("{label} {change}", label=label_of(row.metric), change=number(row, row.difference, with_sign=True))
        for row in rows[:SAID]
    ]
    return m.fill("{name}: {said}.", name=name, said=m.join(said, "; "))


def _cohorts(found: Compared, paired: Paired) -> dict[str, Any] | None:
    base, others = found.alternatives[0], found.alternatives[1:]
    groups: list[tuple[str, list[ComparedRow]]] = []
    for kind in SHOWN_GAINS:
        mine = found.of("gain_usd", kind)
        for group in dict.fromkeys(row.group for row in mine):
            changes = [row for row in mine if row.group == group][1:]
            if any(not row.same for row in changes):
                groups.append((f"{kind}: {group}", changes))
    if not groups:
        return None
    rows = [Row(name, "adl", tuple(map(change, mine))) for name, mine in groups]
    words = f"gain less that under {base}, M USD: median and 5 to 95 % within each draw, one axis"
    draw = partial(strips, f"Gains against {base} by class of accounts", others, rows, unit=1e6)
    heads = (
        Column("class", "head", "accounts"),
        *(Column(f"a{k}", "cell", f"{name}, USD") for k, name in _each(others)),
    )
    lines = [{"class": name, **{f"a{k}": cell(row, row.difference) for k, row in _each(mine)}} for name, mine in groups]
    return {
        "id": "cohorts",
        "label": "winners and losers",
        "question": "Who gains and who loses?",
        "answer": m.bullets(_best_and_worst(found, name) for name in others),
        "parts": [
            _part(words, m.figure(lambda width: draw(width=width))),
            _part("", m.folded("median gains as a table", table(lines, heads, kind="sortable"))),
        ],
        "queries": _queries("cohorts"),
    }


def _best_and_worst(found: Compared, name: str) -> Markup:
    rows = [
        row
        for kind in SHOWN_GAINS
        if kind != "owner"
        for row in found.of("gain_usd", kind)
        if row.alternative == name and row.difference
    ]
    if not rows:
        return m.fill("{name}: no class of accounts ends elsewhere in the median draw.", name=name)
    ordered = sorted(rows, key=lambda row: row.difference or 0.0)
    said = [
        m.fill("{group} {change}", group=f"{row.kind} {row.group}", change=number(row, row.difference, with_sign=True))
        for row in dict.fromkeys((ordered[-1], ordered[0]))
    ]
    return m.fill("{name}: {said}.", name=name, said=m.join(said, "; "))


def _haircuts(found: Compared, paired: Paired) -> dict[str, Any] | None:
    rows = {metric: found.of(metric) for metric, _ in HAIRCUTS}
    if all(row.median is None for mine in rows.values() for row in mine):
        return None
    shown = [Row(label_of(metric), colour, tuple(map(level, rows[metric]))) for metric, colour in HAIRCUTS]
    draw = partial(strips, "Haircuts against mark and traded price", found.alternatives, shown, unit=0.01)
    words = "forgone in ADL over the equity of the account, %: against the mark (orange) and the traded price"
    sentences = [
        m.fill(
            "{name}: mean {a} against the mark and {b} against the traded price, at most {c} and {d}.",
            name=name,
            **{
                key: number(rows[metric][k], rows[metric][k].median) for key, metric in zip("abcd", _ORDER, strict=True)
            },
        )
        for k, name in _each(found.alternatives)
    ]
    return {
        "id": "haircuts",
        "label": "haircuts",
        "question": "What did ADL cost those it closed?",
        "answer": m.bullets(sentences),
        "parts": [_part(words, m.figure(lambda width: draw(width=width)))],
        "queries": _queries("haircuts"),
    }


_ORDER = ("haircut_mark_mean_frac", "haircut_trade_mean_frac", "haircut_mark_max_frac", "haircut_trade_max_frac")


def _concentration(found: Compared, paired: Paired) -> dict[str, Any] | None:
    if np.isnan(paired.lorenz).all():
        return None
    rows = {metric: found.of(metric) for metric in UNEVEN}
    curves = [
        Curve(name, paired.lorenz[k], tuple(f"{'Gini' if 'gini' in metric else 'HHI'} {plain(rows[metric][k])}"
                                            for metric in UNEVEN[:2]))
        for k, name in _each(found.alternatives)
    ]  # fmt: skip
    words = "% of what ADL closed over % of the accounts closed, smallest first: median and 5 to 95 %; dashed: the base"
    heads = (
        Column("figure", "head", "figure"),
        *(Column(f"a{k}", "cell", name) for k, name in _each(found.alternatives)),
    )
    lines = [
        {"figure": BY_NAME[metric].text, **{f"a{k}": cell(row, row.median) for k, row in _each(mine)}}
        for metric, mine in rows.items()
    ]
    return {
        "id": "concentration",
        "label": "concentration",
        "question": "How unevenly did it fall?",
        "answer": m.fill(
            "A Gini index of 0 closes the same of everyone it reaches; an HHI of 1 closes one account alone."
        ),
        "parts": [
            _part(words, m.figure(lambda width: lorenz_panels(curves=curves, shares=LORENZ, width=width))),
            _part("Gini and Herfindahl indices, median", table(lines, heads)),
        ],
        "queries": _queries("concentration"),
    }


def _figures(found: Compared) -> dict[str, Any]:
    names = found.alternatives
    heads = (Column("figure", "head", "figure"), *(Column(f"a{k}", "cell", name) for k, name in _each(names)),
             Column("meaning", "text", "what it is"))  # fmt: skip
    lines = []
    for metric in dict.fromkeys(row.metric for row in found.rows if not row.kind):
        rows = found.of(metric)
        if any(row.median is not None for row in rows):
            meaning = BY_NAME[metric].text if metric in BY_NAME else ""
            cells = {f"a{k}": cell(row, row.median) for k, row in _each(rows)}
            lines.append({"figure": label_of(metric), "meaning": m.fill("<small>{t}</small>", t=meaning), **cells})
    many = found.draws > 1
    return {
        "id": "figures",
        "label": "all figures",
        "question": "All figures",
        "answer": m.fill("Medians over {n} draws.", n=m.count(found.draws))
        if many
        else m.fill("Of the one run of each."),
        "parts": [
            _part("Figures by alternative", table(lines, heads, kind="wrap") + (m.note(OF_DRAWS) if many else ""))
        ],
        "queries": [],
    }


# --- parts ---------------------------------------------------------------------------------------------------


def _changes(changed: dict[str, list[ComparedRow]]) -> Markup:
    heads = (
        Column("figure", "head", "figure"), Column("alternative", "text", "alternative"),
        *(Column(key, "cell", title) for key, title in (("median", "difference"), ("low", "5 %"), ("high", "95 %"))),
        Column("lower", "percent", "lower in, % of draws"), Column("higher", "percent", "higher in, %"),
    )  # fmt: skip
    lines = [
        {
            "figure": label_of(name),
            "alternative": row.alternative,
            "median": cell(row, row.difference),
            "low": cell(row, row.difference_low),
            "high": cell(row, row.difference_high),
            "lower": row.lower_frac,
            "higher": row.higher_frac,
        }
        for name, rows in changed.items()
        for row in rows
        if not row.same
    ]
    return table(lines, heads, kind="sortable")


def _part(title: str, body: Markup) -> dict[str, Any]:
    return {"title": title, "body": body, "queries": ()}


def _queries(section: str) -> list[tuple[str, Any]]:
    return [(name, get_query(name)) for name in QUERIES[section]]


def _each(things: Sequence[Any]) -> list[tuple[int, Any]]:
    return list(enumerate(things))
