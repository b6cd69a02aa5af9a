"""Sections on the headline numbers, their spread over seeds, the sensitivity grid and published facts."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from backtest.plots import base_coin
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
    time_of,
    times_text,
    usd,
    usd_text,
)
from backtest.report.tables import empty, scrolling

WITHIN = 2.0
_TRACK_DECADES = 1.0  # The ratio track runs from a tenth to ten times.
_UNIT_TEXT = {"usd": usd_text, "usdt": usd_text, "frac": frac_text, "s": span_text, "count": count_text, "x": times_text}
_METRIC_WORDS = {
    "liquidated_notional_usd": "liquidated",
    "liquidated_long_share_frac": "long share of liquidations",
    "adl_notional_usd": "closed by ADL",
    "adl_positions": "positions closed by ADL",
    "adl_onset_s": "first ADL after first liquidation",
    "price_low": "lowest trade",
    "price_move_frac": "move to the low",
}


# --- headline numbers ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Tile:
    """One headline number: what it is, its value, a remark, and the metric whose band over seeds it shows."""

    kind: str
    name: str
    value: Markup
    remark: Markup
    metric: str = ""


def tiles(f: Findings) -> list[Tile]:
    """Return the six headline numbers."""
    s, main = f.summary, f.moves[0]
    worst = f.worst
    also = say("{coin} {move}", coin=base_coin(main["symbol"]), move=frac(main["move_to_low_frac"]))
    share = s["liquidated_long_share_frac"]
    low_at = say("of {start} at the start, at {time}", start=usd(s["pool_start_usd"]), time=at(s["pool_low_ts"]))
    return [
        Tile("price", f"Deepest fall, {base_coin(worst['symbol'])}", frac(worst["move_to_low_frac"], "price"),
             also if worst is not main else say("low {low}", low=px(main["low_px"])), "worst_move_frac"),
        Tile("long" if (share or 0) >= 0.5 else "short", "Liquidated", usd(s["liquidated_usd"], "liquidated"),
             say("{share} of it long", share=frac(share)) if share is not None else say("no position"), "liquidated_usd"),
        Tile("adl", "Closed by ADL", usd(s["adl_usd"], "queue"),
             say("{n} positions", n=count(s["adl_positions"])), "adl_usd"),
        Tile("pool", f"Lowest equity, {f.pool}", usd(s["pool_low_usd"], "paid") if f.funded else say(NONE),
             low_at if f.funded else say("no money in it"), "pool_low_usd"),
        Tile("adl", "First ADL", at(s["first_adl_ts"], "queue") if f.adl else say("none"),
             say("{after} after the first liquidation", after=span(s["first_adl_after_s"])) if f.adl else say(NONE),
             "first_adl_after_s"),
        Tile("none", "Residual", usd(s["residual_usd"], "checks"), say("cash of all owners, every step")),
    ]


def tiles_answer(f: Findings) -> Markup:
    """Say for which run the numbers hold."""
    s = f.summary
    seeds = len(f.meta.get("seed_summaries") or [])
    start = say("{n} positions with {oi} of open interest on each side, rules of {venue}",
                n=count(s["positions"]), oi=usd(s["open_interest_usd"]), venue=f.meta["venue"]["name"])
    if seeds >= 2:
        return start + say("; under each number the 5 to 95 % range over {n} seeds.", n=seeds)
    return start + say("; one seed, {seed}, so no band is shown.", seed=s["seed"])


def tiles_markup(f: Findings) -> Markup:
    """Lay out the headline numbers."""
    made = []
    for tile in tiles(f):
        row = f.spread.get(tile.metric)
        band = Markup("")
        if row and row["low_5"] is not None:
            low, high = (_metric_text(tile.metric, row[end]) for end in ("low_5", "high_95"))
            band = low != high and say('<span class="band">5–95 %: {low} to {high}</span>', low=low, high=high)
        made.append(say('<li class="{kind}"><span class="name">{name}</span><span class="value">{value}</span>'
                        '<span class="remark">{remark}</span>{band}</li>',
                        kind=tile.kind, name=tile.name, value=tile.value, remark=tile.remark, band=band or ""))
    return say('<ul class="tiles">{made}</ul>', made=Markup("").join(made))


def _metric_text(metric: str, value: Number | None) -> str:
    """Return a metric in the unit that its name ends with."""
    if value is None:
        return NONE
    for suffix, show in (("_usd", usd_text), ("_frac", frac_text), ("_s", span_text), ("_px", significant)):
        if metric.endswith(suffix):
            return show(value)
    return significant(value) if isinstance(value, float) and value % 1 else count_text(value)


# --- bands and sensitivity -----------------------------------------------------------------------------------

_BANDS = {
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


def bands_table(f: Findings) -> Markup:
    """Show median and 5 to 95 % range over seeds, with this run's place in it."""
    seeds = len(f.meta.get("seed_summaries") or [])
    if seeds < 2:
        return empty("One seed was run, so there is no band. The option --seeds 20 gives one.")
    body = Markup("").join(
        _band_row(name, metric, f.spread[metric], f.summary.get(metric)) for metric, name in _BANDS.items() if metric in f.spread
    )
    head = Markup('<tr><th scope="col">number</th><th scope="col" class="num">this run</th><th scope="col" class="num">5 %</th>'
                  '<th scope="col" class="num">median</th><th scope="col" class="num">95 %</th><th scope="col">range, this run as a dot</th></tr>')
    return scrolling(say("<table><thead>{head}</thead><tbody>{body}</tbody></table>", head=head, body=body))


def _band_row(name: str, metric: str, row: Row, here: Number | None) -> Markup:
    low, middle, high = row["low_5"], row["median"], row["high_95"]
    ends = [float(v) for v in (low, high, middle if here is None else here)]
    room = max(ends) - min(ends)
    place = [(end - min(ends)) / room * 88 + 6 if room else 50.0 for end in ends]
    track = say('<span class="track range"><b style="left:{a:.1f}%;width:max({w:.1f}%,2px)"></b><i style="left:{h:.1f}%"></i></span>',
                a=place[0], w=place[1] - place[0], h=place[2])
    cells = Markup("").join(say('<td class="num" title="{e}">{t}</td>', e=exact_text(v), t=_metric_text(metric, v))
                            for v in (here, low, middle, high))
    return say('<tr><th scope="row">{name}</th>{cells}<td>{track}</td></tr>', name=name, cells=cells, track=track)


def sensitivity_table(f: Findings) -> Markup:
    """Show the headline numbers with one setting changed at a time."""
    grid = f.meta.get("sensitivity") or []
    if not grid:
        return empty("No sensitivity grid was run with this replay.")
    names = list(dict.fromkeys(name for entry in grid for name in entry["metrics"]))
    here = {"label": "this run", **{name: f.summary.get(name) for name in names}}
    rows = [here, *({"label": entry["label"], **entry["metrics"]} for entry in grid)]
    head = Markup("").join(say('<th scope="col" class="num">{n}</th>', n=_BANDS.get(name, name.replace("_", " "))) for name in names)
    body = Markup("").join(
        say('<tr{here}><th scope="row">{label}</th>{cells}</tr>', here=Markup("" if i else ' class="here"'), label=row["label"],
            cells=Markup("").join(say('<td class="num" title="{e}">{t}</td>', e=exact_text(row.get(n)), t=_metric_text(n, row.get(n)))
                                  for n in names))
        for i, row in enumerate(rows)
    )
    return scrolling(say('<table><thead><tr><th scope="col">changed</th>{head}</tr></thead><tbody>{body}</tbody></table>', head=head, body=body))


# --- published facts -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Comparison:
    """A published figure next to the run's own figure over the same window."""

    fact: Row
    entry: Row
    value: Number | None
    conflicts: tuple[Row, ...]

    @property
    def ratios(self) -> tuple[float, float] | None:
        """Return the run's figure over the fact, for a range over both its ends; none if either is missing."""
        ends = [end for end in fact_ends(self.fact) if end]
        if self.entry["how"] != "ratio" or not self.value or not ends:
            return None
        found = sorted(float(self.value) / float(end) for end in ends)
        return (found[0], found[-1]) if found[0] > 0 else None


def fact_ends(fact: Row) -> list[Any]:
    """Return the value of a fact, or both ends of its range.

    Examples
    --------
    >>> fact_ends({"value": 3}), fact_ends({"low": 1, "high": 2})
    ([3], [1, 2])
    """
    return [fact["value"]] if fact.get("value") is not None else [fact.get("low"), fact.get("high")]


def comparisons(f: Findings) -> list[Comparison]:
    """Evaluate what the event says may be compared, for covered coins."""
    facts = {fact["id"]: fact for fact in f.meta["event"].get("facts", [])}
    covered = {base_coin(symbol) for symbol in f.symbols}
    made = []
    for entry in f.meta["event"].get("compare", []):
        coin = entry.get("coin")
        if entry["fact"] not in facts or (coin and coin not in covered):
            continue
        fact = facts[entry["fact"]]
        row = f.row("window_metrics", coin=coin, start=time_of(entry["start"]), end=time_of(entry["end"]))
        clashes = tuple(facts[name] for name in fact.get("conflicts_with", []) if name in facts)
        made.append(Comparison(fact, entry, row.get(entry["metric"]), clashes))
    return made


def sure_answer(f: Findings) -> Markup:
    """Say how far the run is from what was published."""
    compared = comparisons(f)
    ratios = [c.ratios for c in compared if c.ratios]
    seeds = len(f.meta.get("seed_summaries") or [])
    spread = say("{n} seeds were run", n=seeds) if seeds >= 2 else say("One seed was run, so there is no band")
    if not ratios:
        return spread + say("; nothing published can be compared with this run.")
    near = sum(low <= WITHIN and high >= 1 / WITHIN for low, high in ratios)
    low, high = min(r[0] for r in ratios), max(r[1] for r in ratios)
    return spread + say(
        "; of {n} published figures that can be compared {near} lie within a factor of two of the replay, and the replay "
        "is between {low} and {high} the published figure.",
        n=len(ratios), near=near, low=times_text(low), high=times_text(high),
    )


def facts_table(f: Findings) -> Markup:
    """Put the published facts next to the run, conflicting figures below the one they contradict."""
    compared = comparisons(f)
    if not compared:
        return empty("No published figure of this event covers the symbols and the window of this run.")
    body = Markup("").join(_fact_rows(one) for one in compared)
    head = Markup('<tr><th scope="col">figure</th><th scope="col">window, UTC</th><th scope="col" class="num">this run</th>'
                  '<th scope="col" class="num">published</th><th scope="col" class="num">ratio</th>'
                  '<th scope="col">a tenth · equal · ten times</th><th scope="col">grade</th><th scope="col">source</th></tr>')
    return scrolling(say('<table class="facts"><thead>{head}</thead><tbody>{body}</tbody></table>', head=head, body=body))


def _fact_rows(one: Comparison) -> Markup:
    fact, entry = one.fact, one.entry
    show = _UNIT_TEXT.get(fact["unit"], _plain)
    note = "; ".join(str(part) for part in (fact.get("note"), entry.get("note")) if part)
    name = say("{coin}{metric}", coin=say("{c} ", c=entry["coin"]) if entry.get("coin") else "",
               metric=_METRIC_WORDS.get(entry["metric"], entry["metric"]))
    start, end = time_of(entry["start"]), time_of(entry["end"])
    row = say(
        '<tr><th scope="row">{name}{note}</th><td>{window}</td><td class="num" title="{exact}">{here}</td>{published}'
        '<td class="num">{ratio}</td><td>{track}</td><td>{grade}</td><td>{source}</td></tr>',
        name=name, note=say("<small>{n}</small>", n=note) if note else "", window=f"{start:%H:%M}–{end:%H:%M}",
        exact=exact_text(one.value), here=NONE if one.value is None else show(one.value), published=_published(fact),
        ratio=_ratio_text(one), track=_track(one), grade=fact["grade"], source=source_link(fact["source"]),
    )
    clashes = Markup("").join(
        say('<tr class="clash"><th scope="row">conflicts with{note}</th><td></td><td></td>{published}<td></td><td></td>'
            "<td>{grade}</td><td>{source}</td></tr>",
            note=say("<small>{n}</small>", n=clash["note"]) if clash.get("note") else "", published=_published(clash),
            grade=clash["grade"], source=source_link(clash["source"]))
        for clash in one.conflicts
    )
    return row + clashes


def _plain(value: Number | None) -> str:
    return NONE if value is None else significant(value, 6)


def _published(fact: Row) -> Markup:
    ends = fact_ends(fact)
    show = _UNIT_TEXT.get(fact["unit"], _plain)
    return say('<td class="num" title="{e}">{t}</td>', e=" to ".join(exact_text(end) for end in ends),
               t=" to ".join(show(end) for end in ends))


def _ratio_text(one: Comparison) -> str:
    if one.ratios is None:
        return NONE
    low, high = (significant(end) for end in one.ratios)
    return low if low == high else f"{low}–{high}"


def _track(one: Comparison) -> Markup:
    """Draw the ratio on a log scale; a censored figure as two bars from zero, without a verdict."""
    if one.entry["how"] != "ratio":
        ends = [float(end) for end in fact_ends(one.fact) if end is not None]
        top = max([*ends, float(one.value or 0)]) or 1.0
        return say('<span class="track onset" title="this run above, published below; no verdict">'
                   '<b style="width:{a:.1f}%"></b><i style="width:{b:.1f}%"></i></span>',
                   a=float(one.value or 0) / top * 100, b=max(ends, default=0.0) / top * 100)
    if one.ratios is None:
        return Markup("")
    low, high = (min(max((math.log10(r) / _TRACK_DECADES + 1) * 50, 1), 99) for r in one.ratios)
    return say('<span class="track ratio"><b style="left:{a:.1f}%;width:max({w:.1f}%,9px)"></b></span>', a=low, w=high - low)


def source_link(source: str) -> Markup:
    """Return a link for a web address, plain words for anything else.

    Examples
    --------
    >>> source_link("https://example.org/a/b")
    Markup('<a href="https://example.org/a/b" rel="noreferrer">example.org</a>')
    >>> source_link("javascript:alert(1)")
    Markup('<span class="source">javascript:alert(1)</span>')
    """
    scheme, _, rest = source.partition("://")
    if scheme not in {"http", "https"}:
        return say('<span class="source">{s}</span>', s=source)
    return say('<a href="{s}" rel="noreferrer">{host}</a>', s=source, host=rest.split("/", 1)[0])

