"""Sections on fund and vault, the queue of auto-deleveraging, and watched positions."""

from __future__ import annotations

from markupsafe import Markup

from backtest.plots import base_coin
from backtest.report import figures_payers as draw
from backtest.report.findings import POOL_NAMES, Findings, Row
from backtest.report.numbers import at, count, count_text, frac, listed, plural, px, say, span, usd
from backtest.report.story import why_no_adl
from backtest.report.tables import (
    Column,
    bar,
    cents,
    clock,
    empty,
    figure,
    half_figure,
    micros,
    per_cent,
    price,
    rounded,
    side,
    table,
    whole,
)

QUEUE_ROWS = 50
WAVES = 12
FORGONE = 12
_STAGE_COLOURS = (("fund", "pool"), ("vault", "pool"), ("adl", "adl"), ("winners", "adl"), ("uncovered", "ink"))


# --- fund and vault ------------------------------------------------------------------------------------------


def paid_answer(f: Findings) -> Markup:
    """Say what fund, vault, winners and nobody paid."""
    if not f.liquidated:
        return say("Nobody had to: nothing was liquidated.")
    stages = {row["stage"]: row["amount_usd"] for row in f.rows("loss_waterfall")}
    payers = [
        say("{name} {usd}", name=name, usd=usd(amount))
        for name, amount in stages.items()
        if amount > 0 and _stage_colour(name) != "grey"
    ]
    gainers = [
        say("{name} {usd}", name=name, usd=usd(-amount))
        for name, amount in stages.items()
        if amount < 0 and _stage_colour(name) == "pool"
    ]
    start = say("The liquidated accounts paid first, with their collateral")
    if payers:
        start += say("; beyond it paid: {payers}", payers=listed(payers))
    if gainers:
        start += say("; in the end gained: {gainers}", gainers=listed(gainers))
    return start + "."


def balance_figures(f: Findings) -> Markup:
    """Draw the balance of each pool that has one."""
    frame = f.frame("fund_balance")
    made = []
    for pool in ("vault", "fund"):
        rows = frame.filter(frame["pool"] == pool)
        if len(rows) and float(rows["equity_usd"].cast(float).abs().max() or 0) > 0:  # type: ignore[arg-type]
            head = say('<p class="sub">{name}</p>', name=POOL_NAMES[pool].capitalize())
            drawn = figure(lambda width, rows=rows, pool=pool: draw.pool_balance(rows, POOL_NAMES[pool], width))  # type: ignore[misc]
            made.append(head + drawn)
    return Markup("").join(made) or empty("Neither fund nor vault had money in this run, so there is no balance to draw.")


def flows_table(f: Findings) -> Markup:
    """List inflow and outflow by cause."""
    rows = f.rows("fund_flows")
    if not rows:
        return empty("Neither fund nor vault moved.")
    columns = (
        Column("pool", "pool"), Column("cause", "cause"), Column("movements", "movements", whole),
        Column("lots_movements", "with contracts", whole), Column("inflow_usd", "cash in, USD", cents),
        Column("outflow_usd", "cash out, USD", cents), Column("net_usd", "net, USD", cents),
    )
    return table(rows, columns)


def waterfall(f: Findings) -> Markup:
    """Draw the stages from collateral to uncovered as floating bars; they sum to zero."""
    rows = f.rows("loss_waterfall")
    if not any(row["amount_usd"] for row in rows):
        return empty("Nothing was liquidated, so no loss had to be shared.")
    tops = [0.0]
    for row in rows:
        tops.append(tops[-1] + float(row["amount_usd"]))
    low, high = min(tops), max(tops)
    scale = (high - low) or 1.0
    items = Markup("").join(_stage(row, before, low, scale) for row, before in zip(rows, tops, strict=False))
    total = sum(row["amount_usd"] for row in rows)
    last = say('<li class="total"><span class="stage">sum</span><span></span>{amount}</li>', amount=_amount(total))
    return say('<ol class="waterfall">{items}{last}</ol>', items=items, last=last)


def _stage(row: Row, before: float, low: float, scale: float) -> Markup:
    amount = float(row["amount_usd"])
    left, width = (min(before, before + amount) - low) / scale * 100, abs(amount) / scale * 100
    zero = -low / scale * 100
    return say(
        '<li><span class="stage">{stage} <small>{note}</small></span><span class="track"><i style="left:{zero:.2f}%"></i>'
        '<b class="{kind}" style="left:{left:.2f}%;width:max({width:.2f}%,1px)"></b></span>{amount}</li>',
        stage=row["stage"], note=row["note"] or "", zero=zero, kind=_stage_colour(row["stage"]), left=left, width=width,
        amount=_amount(row["amount_usd"]),
    )


def _amount(value: object) -> Markup:
    return say('<span class="amount num">{text}</span>', text=micros(value).text)


def _stage_colour(stage: str) -> str:
    return next((colour for word, colour in _STAGE_COLOURS if word in stage.lower()), "grey")


# --- the queue -----------------------------------------------------------------------------------------------


def queue_answer(f: Findings) -> Markup:
    """Say how the largest wave went through its queue."""
    if not f.adl:
        return say("Nobody: {why}.", why=why_no_adl(f))
    wave, s = f.largest_wave, f.summary
    pool_part = s["adl_lots_from_pool_frac"]
    text = say(
        "{waves} {noun} closed {usd}. The largest, wave {id} in {coin} at {time}, took {part} from {winners} of {candidates} "
        "candidates, ranked by the {policy} rule and closed at {rule}",
        waves=count(s["adl_waves"]), noun=plural(s["adl_waves"], "wave"), usd=usd(s["adl_usd"]), id=wave["wave_id"],
        coin=base_coin(wave["symbol"]), time=at(wave["ts"]), part=usd(wave["notional_usd"]), winners=count(wave["winners"]),
        candidates=count(wave["candidates"]), policy=s["policy"],
        rule=_CLOSE_RULES.get(wave["close_rule"], wave["close_rule"]),
    )
    if pool_part:
        text += say("; {share} of all that was closed came out of the {pool}", share=frac(pool_part), pool=f.pool)
    return text + "."


_CLOSE_RULES = {
    "bankruptcy": "the bankruptcy price",
    "mark": "the mark price",
    "previous_mark": "the mark of three seconds before",
}


def by_symbol_table(f: Findings) -> Markup:
    """Compare ADL with liquidations, symbol by symbol."""
    if not f.adl:
        return Markup("")
    columns = (
        Column("symbol", "symbol"), Column("liquidated_usd", "liquidated, USD", cents), Column("adl_usd", "closed by ADL, USD", cents),
        Column("adl_share_frac", "ADL / liquidated, %", per_cent), Column("waves", "waves", whole),
        Column("positions", "positions", whole), Column("first_adl_ts", "first ADL, UTC", clock),
        Column("mean_close_px", "mean close", price),
    )
    return table(f.rows("adl_impact_by_symbol"), columns)


def haircut_and_lorenz(f: Findings) -> Markup:
    """Draw haircut by rank next to the Lorenz curve."""
    haircut, curve = f.frame("adl_haircut_by_rank"), f.frame("adl_concentration")
    if not f.adl or haircut.is_empty() or curve.is_empty():
        return empty(say("There is no queue to draw: {why}.", why=why_no_adl(f)))
    return say(
        '<div class="pair">{a}{b}</div>',
        a=half_figure(draw.haircut_by_rank(haircut)), b=half_figure(draw.lorenz(curve)),
    )


def queue_table(f: Findings) -> Markup:
    """List the queue of the largest wave: first ranks, the marginal one, the spared right behind."""
    rows = f.rows("adl_selection_order", limit=QUEUE_ROWS)
    if not rows:
        return Markup("")
    last, shown = 0, []
    for row in rows:
        if last and row["rank"] != last + 1:
            shown.append({"rank": None, "status": f"{row['rank'] - last - 1:,} more"})
        shown.append(row)
        last = row["rank"]
    columns = (
        Column("rank", "rank", whole), Column("account_id", "account"), Column("side", "side", side),
        Column("cohort", "leverage bucket"), Column("notional_usd", "size, USD", cents), Column("score", "score", rounded),
        Column("pnl_usd", "profit, USD", cents), Column("leverage", "leverage", rounded),
        Column("notional_ahead_usd", "ahead, USD", cents), Column("closed_frac", "closed, %", per_cent), Column("status", "status"),
        Column("close_px", "close", price), Column("mark_px", "mark", price), Column("forgone_usd", "forgone, USD", cents),
    )
    known = {"closed", "partial", "skipped", "spared"}
    made = table(shown, columns, kind="sortable queue", row_class=lambda row: row["status"] if row["status"] in known else "more")
    tools = Markup(
        '<p class="tools" hidden><label>Filter <input type="search" placeholder="account, bucket, status"></label>'
        '<span class="matches" aria-live="polite"></span></p>'
    )
    return tools + made


def waves_table(f: Findings) -> Markup:
    """List the largest waves in the order of time."""
    rows = f.rows("adl_waves")
    if not rows:
        return Markup("")
    top = sorted(rows, key=lambda row: -row["notional_usd"])[:WAVES]
    columns = (
        Column("wave_id", "wave", whole), Column("ts", "UTC", clock), Column("symbol", "symbol"),
        Column("bankrupt_side", "bankrupt", side), Column("source", "from"), Column("bankrupts", "bankrupts", whole),
        Column("candidates", "candidates", whole), Column("winners", "closed", whole), Column("skipped", "skipped", whole),
        Column("notional_usd", "closed, USD", cents), Column("lots_unmatched", "unmatched lots", whole),
        Column("mark_px", "mark", price), Column("previous_mark_px", "previous mark", price),
    )
    made = table(sorted(top, key=lambda row: row["wave_id"]), columns, row_class=lambda row: "here" if row == f.largest_wave else "")
    if len(rows) > len(top):
        made += say('<p class="note">The {n} largest of {all} waves; the queue above is that of wave {id}.</p>',
                    n=len(top), all=count_text(len(rows)), id=f.largest_wave["wave_id"])
    return made


def adl_cohort_table(f: Findings) -> Markup:
    """Show which leverage buckets were closed."""
    rows = f.rows("adl_by_cohort")
    if not rows:
        return Markup("")
    columns = (
        Column("cohort", "leverage bucket"), Column("side", "side", side), Column("accounts", "accounts", whole),
        Column("mean_leverage", "mean leverage", rounded), Column("closed_usd", "closed, USD", cents),
        Column("share_frac", "share, %", per_cent), Column("bar", "share of what was closed"),
    )
    return table([{**row, "bar": bar(row["share_frac"] or 0.0, "adl")} for row in rows], columns)


def forgone_table(f: Findings) -> Markup:
    """List who missed most by being closed."""
    rows = f.rows("forgone_pnl", limit=FORGONE)
    if not rows:
        return Markup("")
    columns = (
        Column("account_id", "account"), Column("symbol", "symbol"), Column("side", "side", side),
        Column("closed_usd", "closed, USD", cents), Column("close_px", "close", price), Column("last_mark_px", "last mark", price),
        Column("immediate_usd", "against mark at once, USD", cents), Column("forgone_usd", "forgone to the end, USD", cents),
        Column("best_forgone_usd", "forgone at best, USD", cents),
    )
    return table(rows, columns)


# --- watched positions ---------------------------------------------------------------------------------------


def mine_answer(f: Findings) -> Markup:
    """Say for every watched position what became of it."""
    told = []
    for row in f.rows("hedges"):
        name = say("<b>{name}</b> ({side} {coin})", name=row["name"], side=row["side"], coin=base_coin(row["symbol"]))
        if not row["closed_lots"]:
            told.append(say("{name} was not closed and ended {fate}", name=name, fate=str(row["fate"]).replace("_", " ")))
            continue
        text = say(
            "{name} was closed from {time} on, {share} of it, at {close} on average against a mark of {mark}",
            name=name, time=at(row["first_close_ts"]), share=frac(row["closed_lots"] / row["opening_lots"]),
            close=px(row["mean_close_px"]), mark=px(row["mean_mark_px"]),
        )
        if row["naked_usd"]:
            text += say(" and left {usd} of delta naked for {span}", usd=usd(abs(row["naked_usd"])), span=span(row["naked_s"]))
        told.append(text)
    return Markup("; ").join(told) + "." if told else say("No watched position is in the book.")


def mine_figures(f: Findings) -> Markup:
    """Draw the place of each watched position in the queues."""
    made = []
    for row in f.rows("hedges"):
        ranks = f.frame("watch_ranks", name=row["name"])
        ranks = ranks.filter(ranks["symbol"] == row["symbol"])
        if ranks.is_empty() or not ranks["in_queue"].any():
            made.append(empty(say("{name} stood in no queue.", name=row["name"])))
            continue
        made.append(figure(lambda w, r=ranks, n=row["name"]: draw.watch_rank(r, n, f.start, f.end, width=w)))  # type: ignore[misc]
    return Markup("").join(made)


def mine_table(f: Findings) -> Markup:
    """List what became of the watched positions."""
    columns = (
        Column("name", "name"), Column("symbol", "symbol"), Column("side", "side", side), Column("opening_lots", "lots", whole),
        Column("closed_lots", "closed, lots", whole), Column("first_close_ts", "first close, UTC", clock),
        Column("mean_close_px", "mean close", price), Column("mean_mark_px", "mean mark", price),
        Column("immediate_usd", "against mark, USD", cents), Column("naked_base", "naked, base", rounded),
        Column("naked_usd", "naked, USD", cents), Column("naked_s", "naked for, s", rounded),
        Column("best_rank", "best rank", whole), Column("lowest_notional_ahead_usd", "least ahead, USD", cents), Column("fate", "fate"),
    )
    return table(f.rows("hedges"), columns)
