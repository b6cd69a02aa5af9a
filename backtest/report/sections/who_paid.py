"""Section on fund and vault and on who bore the losses."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from markupsafe import Markup

from backtest.report.figures import payers as draw
from backtest.report.figures.canvas import base_coin
from backtest.report.findings import POOL_NAMES, Findings, Row
from backtest.report.numbers import listed, say, usd
from backtest.report.tables import columns, empty, figure, micros, table

FLOWS = columns("""
    pool            head   pool
    serves          words  of
    cause           words  cause
    movements       whole  movements
    lots_movements  whole  with contracts
    inflow_usd      cents  cash in, USD
    outflow_usd     cents  cash out, USD
    net_usd         cents  net, USD
""")
FUNDING = columns("""
    symbol      head   symbol
    side        words  side
    events      whole  settlements
    on_oracle   whole  on the oracle price
    clipped     whole  clipped to the cap
    amount_usd  cents  received, USD
""")
SWITCHES = columns("""
    ts          clock     time, UTC
    serves      words     fund of
    symbol      words     coin
    event       words     what
    cause       words     why
    equity_usd  cents     equity of the fund, USD
    drawdown_ratio  per_cent  fall, % of the fund's peak
    lasted_s    rounded   lasted, s
""")
# The colour of a stage of the waterfall, by a word in its name; grey is context.
_STAGE_COLOURS = (
    ("fund", "pool"),
    ("vault", "pool"),
    ("adl", "adl"),
    ("winners", "adl"),
    ("shared", "adl"),
    ("uncovered", "ink"),
)


def paid_answer(f: Findings) -> Markup:
    """Say what fund, vault, winners and nobody paid."""
    if not f.liquidated:
        return say("Nobody had to: nothing was liquidated.")
    stages = [row for row in f.rows("loss_waterfall") if _colour(row["stage"]) not in {"grey", "ink"}]
    paid = [say("{n} {usd}", n=row["stage"], usd=usd(row["amount_usd"])) for row in stages if row["amount_usd"] > 0]
    won = [say("{n} {usd}", n=row["stage"], usd=usd(-row["amount_usd"])) for row in stages if row["amount_usd"] < 0]
    start = say("The liquidated accounts paid first, with their collateral")
    if paid:
        start += say("; beyond it paid: {paid}", paid=listed(paid))
    if won:
        start += say("; on the other side came out ahead: {won}", won=listed(won))
    if f.summary["uncovered_usd"]:
        start += say("; {usd} stayed uncovered", usd=usd(f.summary["uncovered_usd"]))
    return start + "."


def balance_figures(f: Findings) -> Markup:
    """Draw the balance of each pool that has one."""
    frame = f.frame("fund_balance")
    made = []
    for pool in ("vault", "fund"):
        for serves in frame.filter(frame["pool"] == pool)["serves"].unique(maintain_order=True):
            rows = frame.filter((frame["pool"] == pool) & (frame["serves"] == serves))
            if any(rows["equity_usd"]) or any(rows["cash_usd"]):
                name = POOL_NAMES[pool] + (f" of {coins(serves)}" if serves else "")
                named = name[0].upper() + name[1:]
                made.append(say('<p class="sub">{named}</p>', named=named) + figure(_balance(rows, name)))
    return Markup("").join(made) or empty("Neither fund nor vault had money in this run: there is no balance to draw.")


def coins(serves: str) -> str:
    """Return the coins of symbols joined by +.

    Examples
    --------
    >>> coins("BTC/USDT:USDT+ETH/USDT:USDT")
    'BTC, ETH'
    """
    return ", ".join(map(base_coin, serves.split("+")))


def switches(f: Findings) -> Markup:
    """List when deleveraging was on, when a fund was empty, and what it first refused."""
    rows = [
        {**row, "serves": coins(row["serves"]), "symbol": coins(row["symbol"]), "event": row["event"].replace("_", " ")}
        for row in f.rows("fund_timeline")
    ]
    return (
        table(rows, SWITCHES) if rows else empty("No fund ran dry, refused a claim, or had deleveraging switched on.")
    )


def _balance(rows: draw.Frame, name: str) -> Callable[[int], str]:
    return lambda width: draw.pool_balance(rows, name, width)


def flows_table(f: Findings) -> Markup:
    """List inflow and outflow by cause."""
    rows = [row for row in f.rows("fund_flows") if row["inflow_usd"] or row["outflow_usd"] or row["lots_movements"]]
    rows = [{**row, "serves": coins(row["serves"])} for row in rows]
    return table(rows, FLOWS) if rows else empty("Neither fund nor vault moved.")


def funding_table(f: Findings) -> Markup:
    """List what each side of a symbol received as funding; settlements not on the oracle price are on the mark."""
    sides: dict[tuple[str, str], list[Row]] = {}
    for row in f.rows("funding_flows"):
        sides.setdefault((row["symbol"], row["side"]), []).append(row)
    counts = ("events", "on_oracle", "clipped")
    rows = [
        {
            "symbol": symbol,
            "side": side,
            **{name: max(row[name] for row in group) for name in counts},
            "amount_usd": sum(row["amount_usd"] for row in group),
        }
        for (symbol, side), group in sides.items()
    ]
    return table(rows, FUNDING) if rows else empty("No funding was charged in this run.")


def waterfall(f: Findings) -> Markup:
    """Draw the stages from collateral to uncovered as floating bars; they sum to zero."""
    rows = f.rows("loss_waterfall")
    if not any(row["amount_usd"] for row in rows):
        return empty("Nothing was liquidated, so no loss had to be shared.")
    tops = [Decimal(0)]
    for row in rows:
        tops.append(tops[-1] + row["amount_usd"])
    low, room = float(min(tops)), float(max(tops) - min(tops))
    bars = Markup("").join(_stage(row, float(top), low, room) for row, top in zip(rows, tops, strict=False))
    last = '<li class="total"><span class="stage">sum</span><span></span>{sum}</li>'
    return say('<ol class="waterfall">{bars}{last}</ol>', bars=bars, last=say(last, sum=_amount(tops[-1])))


def _stage(row: Row, before: float, low: float, room: float) -> Markup:
    amount = float(row["amount_usd"])
    return say(
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
    """Name a stage; what nobody bore is put in here, a plus, so it does not go by the name of the loss, a minus."""
    note = row["note"] or ""
    if _colour(row["stage"]) == "ink":
        return {"stage": "borne by nobody", "note": f"{note}; the uncovered amount with its sign turned"}
    return {"stage": row["stage"], "note": note}


def _amount(value: Decimal) -> Markup:
    return say('<span class="amount num">{text}</span>', text=micros(value).text)


def _colour(stage: str) -> str:
    return next((colour for word, colour in _STAGE_COLOURS if word in stage.lower()), "grey")
