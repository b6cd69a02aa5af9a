"""The headline numbers, with their range over draws or seeds."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

from markupsafe import Markup

from backtest.formatting import clock, coin, exact
from backtest.report import markup as m
from backtest.report.findings import POOL_NAMES, Findings
from backtest.report.sections.metrics import metric_text
from backtest.report.sections.section import Part, Section
from backtest.report.sections.totals import totals_table
from backtest.run.draw_lines import cliffs_of


@dataclass(frozen=True, slots=True)
class Tile:
    """One headline number: colour, name, value, a remark, and the metric whose range it shows."""

    colour: str
    name: str
    value: Markup
    remark: Markup
    metric: str = ""


def answer(f: Findings) -> Markup:
    """Return the size of the book, the venue's rules and what the bands are of."""
    s = f.summary
    beware = "".join(f" {note[0].upper()}{note[1:]}." for note in f.meta.headline)
    return m.fill(
        "{n} positions with {oi} of open interest on each side, under the rules of {venue}; {band}.{rest}{beware}",
        n=m.count(s["positions"]),
        oi=m.usd(s["open_interest_usd"]),
        venue=f.meta.venue.name,
        band=_bands(f),
        rest=_rest(f),
        beware=beware,
    )


def _rest(f: Findings) -> Markup:
    """Return the figures of the modelled rest of the venue, which no other figure but those of pools has."""
    s = f.summary
    if s["rest_open_interest_usd"] is None:
        return Markup("")
    return m.fill(
        " The rest of the venue, REST, is modelled and has no bars: {oi} of open interest on each side, {lost} "
        "liquidated, {closed} closed by ADL, in no total but those of positions, {pool} and uncovered losses.",
        oi=m.usd(s["rest_open_interest_usd"]),
        lost=m.usd(s["rest_liquidated_usd"], "liquidated"),
        closed=m.usd(s["rest_adl_usd"], "queue"),
        pool=f.pool,
    )


def _bands(f: Findings) -> str:
    """Return what the numbers are: medians over draws, or this run's."""
    if f.draws:
        return f"first the median over {f.draws} draws of what is not known and its 5 to 95 % range, then this run"
    if f.seeds > 1:
        return f"under a number its 5 to 95 % range over {f.seeds} seeds, which says nothing of what is not known"
    return "one seed and no draws, so no band is shown"


def tiles(f: Findings) -> tuple[Tile, ...]:
    """Return the six headline numbers."""
    return (_fall(f), _liquidated(f), _adl(f), _pool(f), _first_adl(f), _residual(f))


def _fall(f: Findings) -> Tile:
    main, worst = f.moves[0], f.worst
    other = m.fill("{c} {move}", c=coin(main["symbol"]), move=m.percent(main["move_to_low_frac"]))
    return Tile(
        colour="price",
        name=f"Deepest fall, {coin(worst['symbol'])}",
        value=m.percent(worst["move_to_low_frac"], "price"),
        remark=m.fill("down to {low}", low=m.price(main["low_px"])) if worst is main else other,
        metric="worst_move_frac",
    )


def _liquidated(f: Findings) -> Tile:
    share = f.summary["liquidated_long_share_frac"]
    return Tile(
        colour="short" if (share or 1) < 0.5 else "long",
        name="Liquidated",
        value=m.usd(f.summary["liquidated_usd"], "liquidated"),
        remark=m.fill("{share} of it long", share=m.percent(share)) if f.liquidated else m.fill("no position"),
        metric="liquidated_usd",
    )


def _adl(f: Findings) -> Tile:
    return Tile(
        colour="adl",
        name="Closed by ADL",
        value=m.usd(f.summary["adl_usd"], "queue"),
        remark=m.fill("{n} positions{cliff}", n=m.count(f.summary["adl_positions"]), cliff=_cliff(f)),
        metric="adl_usd",
    )


def _cliff(f: Findings) -> str:
    """Return which pool passed near zero, if one did: then ADL hangs on little."""
    return "".join(
        f"; the {POOL_NAMES.get(one.pool, one.pool)} passed near zero" for one in cliffs_of(f.run, f.summary)
    )


def _pool(f: Findings) -> Tile:
    s = f.summary
    start = m.fill(
        "of {start} at the start, at {time}", start=m.usd(s["pool_start_usd"]), time=m.clock(s["pool_low_ts"])
    )
    return Tile(
        colour="pool",
        name=f"Lowest equity, {f.pool}",
        value=m.usd(s["pool_low_usd"], "paid") if f.funded else m.fill("none"),
        remark=start if f.funded else m.fill("no money in it"),
        metric="pool_low_usd",
    )


def _first_adl(f: Findings) -> Tile:
    s = f.summary
    after = m.fill("{after} after the first liquidation", after=m.duration(s["first_adl_after_s"]))
    return Tile(
        colour="adl",
        name="First ADL",
        value=m.clock(s["first_adl_ts"], "queue") if f.adl else m.fill("none"),
        remark=after if f.adl else m.fill("nobody was closed"),
        metric="first_adl_s" if f.draws else "first_adl_after_s",
    )


def _residual(f: Findings) -> Tile:
    remark = m.fill("cash of all owners, every step")
    return Tile(colour="none", name="Residual", value=m.usd(f.summary["residual_usd"], "checks"), remark=remark)


def tiles_markup(f: Findings) -> Markup:
    """Lay out the headline numbers."""
    item = (
        '<li class="{t.colour}"><span class="name">{t.name}</span><span class="value">{t.value}</span>'
        '{band}<span class="remark">{t.remark}</span></li>'
    )
    made = m.join(m.fill(item, t=_over_draws(f, tile), band=_band(f, tile.metric)) for tile in tiles(f))
    return m.fill('<ul class="tiles">{made}</ul>', made=made)


def _over_draws(f: Findings, tile: Tile) -> Tile:
    """Return a number with the median over draws in front and this run's after it, where there are draws."""
    row = f.draw_spread.get(tile.metric)
    if row is None:
        return tile
    remark = m.fill("this run {value}, {remark}", value=tile.value, remark=tile.remark)
    return replace(
        tile, value=m.number(_drawn(f, tile.metric, row["median"]), exact(row["median"]), "unknown"), remark=remark
    )


def _drawn(f: Findings, metric: str, value: float) -> str:
    """Return a figure of draws as the headline shows it: the first ADL as a time."""
    return clock(f.start + timedelta(seconds=value)) if metric == "first_adl_s" else metric_text(metric, value)


def _band(f: Findings, metric: str) -> Markup:
    """Return the range over draws, without draws over seeds, if it has a width."""
    row = f.draw_spread.get(metric) or f.seed_spread.get(metric)
    low, high = (_drawn(f, metric, row[end]) if row else "" for end in ("p05", "p95"))
    made = f"median of {f.draws} draws; " if f.draw_spread.get(metric) else f"{f.seeds} seeds, "
    band = m.fill('<span class="band">{made}5–95 %: {low} to {high}</span>', made=made, low=low, high=high)
    return band if low != high else Markup("")


SECTION = Section(
    id="numbers",
    label="Numbers",
    question="What are the headline numbers?",
    answer=answer,
    parts=(
        Part("", tiles_markup, ("run_summary", "draw_spread")),
        Part("Beside what was published for the same coins and minutes", totals_table, ("window_metrics",)),
    ),
    of_studies=True,
)
