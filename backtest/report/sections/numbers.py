"""The headline numbers, with their range over seeds."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from backtest.formatting import coin
from backtest.report import markup as m
from backtest.report.findings import Findings
from backtest.report.sections.metrics import metric_text
from backtest.report.sections.section import Part, Section


@dataclass(frozen=True, slots=True)
class Tile:
    """One headline number: colour, name, value, a remark, and the metric whose range over seeds it shows."""

    colour: str
    name: str
    value: Markup
    remark: Markup
    metric: str = ""


def answer(f: Findings) -> Markup:
    """Return the size of the book, the venue's rules and the number of seeds."""
    s, seeds = f.summary, f.seeds
    beware = "".join(f" {note[0].upper()}{note[1:]}." for note in f.meta.headline)
    return m.fill(
        "{n} positions with {oi} of open interest on each side, under the rules of {venue}; {band}.{beware}",
        n=m.count(s["positions"]),
        oi=m.usd(s["open_interest_usd"]),
        venue=f.meta.venue.name,
        band=f"under a number its 5 to 95 % range over {seeds} seeds" if seeds > 1 else "one seed, so no band is shown",
        beware=beware,
    )


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
        remark=m.fill("{n} positions", n=m.count(f.summary["adl_positions"])),
        metric="adl_usd",
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
        metric="first_adl_after_s",
    )


def _residual(f: Findings) -> Tile:
    remark = m.fill("cash of all owners, every step")
    return Tile(colour="none", name="Residual", value=m.usd(f.summary["residual_usd"], "checks"), remark=remark)


def tiles_markup(f: Findings) -> Markup:
    """Lay out the headline numbers."""
    item = (
        '<li class="{t.colour}"><span class="name">{t.name}</span><span class="value">{t.value}</span>'
        '<span class="remark">{t.remark}</span>{band}</li>'
    )
    made = m.join(m.fill(item, t=tile, band=_band(f, tile.metric)) for tile in tiles(f))
    return m.fill('<ul class="tiles">{made}</ul>', made=made)


def _band(f: Findings, metric: str) -> Markup:
    """Return the range over seeds, if it has a width."""
    row = f.seed_spread.get(metric)
    low, high = (metric_text(metric, row[end]) if row else "" for end in ("p05", "p95"))
    band = m.fill('<span class="band">5–95 %: {low} to {high}</span>', low=low, high=high)
    return band if low != high else Markup("")


SECTION = Section(
    id="numbers",
    label="Numbers",
    question="What are the headline numbers?",
    answer=answer,
    parts=(Part("", tiles_markup, ("run_summary",)),),
)
