"""The section on who paid: fund and vault, the loss waterfall, funding."""

from __future__ import annotations

from decimal import Decimal
from functools import partial

import polars as pl
from markupsafe import Markup

from backtest.formatting import coin, fixed, micros, plural
from backtest.report import markup as m
from backtest.report.figures.drawing import Drawing, epoch
from backtest.report.figures.pools import pool_balance
from backtest.report.figures.style import Width
from backtest.report.findings import POOL_NAMES, Findings, Row, Span
from backtest.report.sections.section import Part, Section
from backtest.report.tables import columns, table

FLOWS = columns("""
    pool            head   pool
    serves          text   of
    cause           text   cause
    movements       count  movements
    lots_movements  count  with contracts
    inflow_usd      cents  cash in, USD
    outflow_usd     cents  cash out, USD
    net_usd         cents  net, USD
""")
FUNDING = columns("""
    symbol      head   symbol
    side        text   side
    events      count  settlements
    on_oracle   count  on the oracle price
    clipped     count  clipped to the cap
    amount_usd  cents  received, USD
""")
TIMELINE = columns("""
    ts              clock    time, UTC
    pool            text     pool
    serves          text     of
    symbol          text     coin
    event           text     event
    cause           text     cause
    equity_usd      cents    equity, USD
    drawdown_ratio  percent  drawdown, % of the fund's peak
    lasted_s        rounded  lasted, s
""")
# The colour of a stage of the waterfall, by a word in its name; grey is context.
_STAGE_COLOURS = {
    "fund": "pool",
    "vault": "pool",
    "adl": "adl",
    "winners": "adl",
    "socialised": "adl",
    "uncovered": "ink",
}


def headline(f: Findings) -> Markup:
    """Return the start, the lowest point and the end of the fund or vault."""
    s, pool = f.summary, f.pool
    if not f.funded:
        return m.fill("There was {no} with money.", no=m.number("no insurance fund", "no insurance fund", "paid"))
    start, low, end = (s[f"pool_{when}_usd"] for when in ("start", "low", "end"))
    if low == start == end:
        own = "their" if pool == "vaults" else "its"
        return m.fill("The {pool} kept {own} {start}.", pool=pool, own=own, start=m.usd(start, "paid"))
    if low >= start:
        words = "The {pool} rose from {start} to {end}."
        return m.fill(words, pool=pool, start=m.usd(start, "paid"), end=m.usd(end, "paid"))
    return m.fill(
        "The equity of the {pool} fell from {start} to {low} at {time} and ended at {end}.",
        pool=pool,
        start=m.usd(start, "paid"),
        low=m.usd(low, "paid"),
        time=m.clock(s["pool_low_ts"]),
        end=m.usd(end, "paid"),
    )


def answer(f: Findings) -> Markup:
    """Return the amounts that accounts, fund, vault, winners and nobody paid."""
    if not f.liquidated:
        return m.fill("Nobody had to: no loss arose.")
    stages = [row for row in f.rows("loss_waterfall") if _colour(row["stage"]) not in {"grey", "ink"}]
    paid = [
        m.fill("{n} {usd}", n=row["stage"], usd=m.usd(row["amount_usd"])) for row in stages if row["amount_usd"] > 0
    ]
    won = [
        m.fill("{n} {usd}", n=row["stage"], usd=m.usd(-row["amount_usd"])) for row in stages if row["amount_usd"] < 0
    ]
    text = m.fill("The liquidated accounts paid first, with their collateral")
    if paid:
        text += m.fill("; beyond it paid: {paid}", paid=m.listed(paid))
    if won:
        text += m.fill("; gains: {won}", won=m.listed(won))
    if f.summary["uncovered_usd"]:
        words = "; {usd} of losses had no payer: no collateral, fund, vault or winner was left for them"
        text += m.fill(words, usd=m.usd(abs(f.summary["uncovered_usd"])))
    return text + "." + _ran_dry(f) + _each_vault(f) + _stressed(f)


def _ran_dry(f: Findings) -> Markup:
    """Return which of several funds ran dry first."""
    dry = next((row for row in f.rows("fund_timeline") if row["event"] == "depleted" and row["serves"]), None)
    words = " The first of the funds to run dry was that of {coins}, at {time}."
    return m.fill(words, coins=_coins(dry["serves"]), time=m.clock(dry["ts"])) if dry else Markup("")


def _each_vault(f: Findings) -> Markup:
    """Return the lowest equity of each of several vaults: one may die while their sum does not fall."""
    frame = f.frame("fund_balance").filter((pl.col("pool") == "vault") & (pl.col("serves") != ""))
    lows = (
        frame.sort("equity_usd", "step").unique("serves", keep="first", maintain_order=True).sort("serves").to_dicts()
    )
    words = "that of {coins} {usd} at {time}"
    each = [
        m.fill(words, coins=_coins(row["serves"]), usd=m.usd(row["equity_usd"], "paid"), time=m.clock(row["ts"]))
        for row in lows
    ]
    return m.fill(" Each vault alone had at least: {each}.", each=m.listed(each)) if each else Markup("")


def _stressed(f: Findings) -> Markup:
    """Return how far a vault was levered that stood below the maintenance margin of its own inventory."""
    steps, most = f.summary["vault_below_maintenance_steps"], f.summary["vault_leverage_max"]
    if not steps:
        return Markup("")
    words = " {Vault} stood below the maintenance margin of its own inventory at {n} {prices}{most}."
    levered = m.fill(", levered up to {x}x", x=f"{most:,.1f}") if most is not None else Markup("")
    vault = "A vault" if len(f.run.meta.scenario.vaults) > 1 else "The vault"
    return m.fill(words, Vault=vault, n=m.count(steps), prices=plural(steps, "price"), most=levered)


def balance_figures(f: Findings) -> Markup:
    """Draw the balance of each fund and vault that has one."""
    frame = f.frame("fund_balance")
    made = []
    for pool in ("vault", "fund"):
        of_pool = frame.filter(pl.col("pool") == pool)
        for serves in of_pool["serves"].unique(maintain_order=True):
            rows = of_pool.filter(pl.col("serves") == serves)
            if any(rows["equity_usd"]) or any(rows["cash_usd"]):
                name = POOL_NAMES[pool] + (f" of {_coins(serves)}" if serves else "")
                title = m.fill('<p class="sub">{name}</p>', name=name[0].upper() + name[1:])
                made.append(title + m.timed_figure(partial(_balance, rows, name), f.crash, f.window))
    return m.join(made) or m.empty("Neither fund nor vault had money in this run: there is no balance to draw.")


def _balance(rows: pl.DataFrame, name: str, width: Width, span: Span) -> Drawing:
    return pool_balance(fund_balance=rows, pool=name, width=width, span=(epoch(span.start), epoch(span.end)))


def _coins(serves: str) -> str:
    """Return the coins of symbols joined by +.

    Examples
    --------
    >>> _coins("BTC/USDT:USDT+ETH/USDT:USDT")
    'BTC, ETH'
    """
    return ", ".join(map(coin, serves.split("+")))


def timeline_table(f: Findings) -> Markup:
    """List when deleveraging was on, when a fund was empty, and when a fund or vault first refused."""
    rows = [
        {
            **row,
            "serves": _coins(row["serves"]),
            "symbol": _coins(row["symbol"]),
            "event": row["event"].replace("_", " "),
        }
        for row in f.rows("fund_timeline")
    ]
    return (
        table(rows, TIMELINE)
        if rows
        else m.empty("No fund ran dry or switched deleveraging on, and no claim was refused.")
    )


def flows_table(f: Findings) -> Markup:
    """List inflow and outflow by cause."""
    rows = [row for row in f.rows("fund_flows") if row["inflow_usd"] or row["outflow_usd"] or row["lots_movements"]]
    rows = [{**row, "serves": _coins(row["serves"])} for row in rows]
    return table(rows, FLOWS) if rows else m.empty("Neither fund nor vault moved.")


def funding_table(f: Findings) -> Markup:
    """List the funding that each side of a symbol received; settlements not on the oracle price are on the mark."""
    counts = [pl.col(name).max() for name in ("events", "on_oracle", "clipped")]
    sides = f.frame("funding_flows").group_by("symbol", "side", maintain_order=True)
    rows = sides.agg(*counts, pl.col("amount_usd").sum()).to_dicts()
    return table(rows, FUNDING) if rows else m.empty("No funding was charged in this run.")


def waterfall(f: Findings) -> Markup:
    """Draw the stages from the collateral to losses without a payer as floating bars; they sum to zero."""
    rows = f.rows("loss_waterfall")
    if not any(row["amount_usd"] for row in rows):
        return m.empty("There was no loss to share.")
    tops = [Decimal(0)]
    for row in rows:
        tops.append(tops[-1] + row["amount_usd"])
    low, room = float(min(tops)), float(max(tops) - min(tops))
    bars = m.join(_stage(row, float(top), low, room) for row, top in zip(rows, tops, strict=False))
    last = '<li class="total"><span class="stage">sum</span><span></span>{sum}</li>'
    return m.fill('<ol class="waterfall">{bars}{last}</ol>', bars=bars, last=m.fill(last, sum=_amount(tops[-1])))


def _stage(row: Row, before: float, low: float, room: float) -> Markup:
    amount = float(row["amount_usd"])
    return m.fill(
        '<li><span class="stage">{stage} <small>{note}</small></span><span class="track"><i style="left:{zero:.2f}%">'
        '</i><b class="{colour}" style="left:{left:.2f}%;width:{width}"></b></span>{sum}</li>',
        **_named(row),
        zero=-low / room * 100,
        colour=_colour(row["stage"]),
        left=(min(before, before + amount) - low) / room * 100,
        width=f"max({abs(amount) / room * 100:.2f}%,1px)" if amount else "0",
        sum=_amount(row["amount_usd"]),
    )


def _named(row: Row) -> dict[str, str]:
    """Return the name of a stage; the uncovered loss is put in here, so it has the opposite sign and another name."""
    note = row["note"] or ""
    if _colour(row["stage"]) == "ink":
        return {"stage": "losses without a payer", "note": f"{note}; what was lost and nobody put in"}
    return {"stage": row["stage"], "note": note}


def _amount(value: Decimal) -> Markup:
    """Return an amount to the cent, every digit when pointed at: those sum to exactly zero."""
    return m.fill('<span class="amount num" title="{all} USD">{text}</span>', text=fixed(value, 2), all=micros(value))


def _colour(stage: str) -> str:
    return next((colour for word, colour in _STAGE_COLOURS.items() if word in stage.lower()), "grey")


SECTION = Section(
    id="paid",
    label="Who paid",
    question="Who paid?",
    headline=headline,
    answer=answer,
    parts=(
        Part("Cash and equity of fund and vault", balance_figures, ("fund_balance",)),
        Part(
            "From the collateral to losses without a payer, USD; the stages sum to zero", waterfall, ("loss_waterfall",)
        ),
        Part("Movements of fund and vault by cause", flows_table, ("fund_flows",), folded=True),
        Part(
            "Funds that ran dry, refused a claim or switched deleveraging on",
            timeline_table,
            ("fund_timeline",),
            folded=True,
        ),
        Part("Funding paid and received by side; it sums to zero", funding_table, ("funding_flows",), folded=True),
    ),
)
