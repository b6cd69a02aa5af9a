"""The section on who was closed by auto-deleveraging, and in which order."""

from __future__ import annotations

from decimal import Decimal

from markupsafe import Markup

from backtest.formatting import coin, count, plural
from backtest.mechanics.adl.rankings import score_words
from backtest.report import markup as m
from backtest.report.figures.queue import haircut_by_rank, lorenz
from backtest.report.findings import Findings, Row, covered
from backtest.report.sections.section import Part, Section
from backtest.report.tables import columns, table
from backtest.scenario.fields import MOST

RANKS = 30
FRONT = 5  # rows of the front of the queue that stand open, and of those spared right behind the cut-off
SPARED = 5
WAVES = 12
FORGONE = 12
FULL = Decimal("0.95")  # of its limit, from which on the fund's inventory counts as full
STATUSES = ("closed", "partial", "skipped", "not_reached")
CLOSE_RULES = {
    "bankruptcy": "the bankruptcy price",
    "mark": "the mark price",
    "previous_mark": "the mark of three seconds before",
}
BY_SYMBOL = columns("""
    symbol          head     symbol
    liquidated_usd  cents    liquidated, USD
    adl_usd         cents    closed by ADL, USD
    adl_share_frac  percent  ADL / liquidated, %
    waves           count    waves
    positions       count    positions
    first_adl_ts    clock    first ADL, UTC
    mean_close_px   price    mean close
    against_mark_usd    cents    against mark, USD
    against_mark_frac   percent  of it, %
    against_trade_usd   cents    against traded price, USD
    against_trade_frac  percent  of it, %
""")
QUEUE = columns("""
    rank                count    rank
    account_id          text     account
    side                side     side
    cohort              text     leverage bucket
    notional_usd        cents    size, USD
    score               rounded  score
    pnl_usd             cents    profit, USD
    leverage            rounded  leverage
    notional_ahead_usd  cents    ahead, USD
    closed_frac         percent  closed, %
    status              text     status
    close_px            price    close
    mark_px             price    mark
    forgone_usd         cents    forgone, USD
""")
WAVE_COLUMNS = columns("""
    wave_id           count  wave
    ts                clock  UTC
    symbol            text   symbol
    bankrupt_side     side   bankrupt
    source            text   from
    bankrupts         count  bankrupts
    candidates        count  candidates
    winners           count  closed
    skipped           count  skipped
    notional_usd      cents  closed, USD
    unmatched         text   without a winner
    mark_px           price  mark
    previous_mark_px  price  previous mark
""")
BY_COHORT = columns("""
    cohort         head     bucket at start
    side           side     side
    accounts       count    accounts
    mean_leverage  rounded  mean leverage when closed
    closed_usd     cents    closed, USD
    share_frac     percent  share, %
    bar            text     share of all that was closed
""")
FORGONE_COLUMNS = columns("""
    account_id        head   account
    symbol            text   symbol
    side              side   side
    closed_usd        cents  closed, USD
    close_px          price  close
    last_mark_px      price  last mark
    immediate_usd     cents  against mark at once, USD
    forgone_usd       cents  forgone to the end, USD (minus = a loss avoided)
    best_forgone_usd  cents  forgone at best, USD
""")


# --- sentences -----------------------------------------------------------------------------------------------


def headline(f: Findings) -> Markup:
    """Return when auto-deleveraging began and how much it closed, or why nobody was closed."""
    s = f.summary
    if not f.adl:
        return m.fill("Nobody was auto-deleveraged: {why}.", why=why_no_adl(f))
    return m.fill(
        "Auto-deleveraging began {after} after the first liquidation and closed {n} winning {positions} with {usd}, "
        "{share} of all that was liquidated.",
        after=m.duration(s["first_adl_after_s"], "queue"),
        n=m.count(s["adl_positions"], "queue"),
        positions=plural(s["adl_positions"], "position"),
        usd=m.usd(s["adl_usd"], "queue"),
        share=m.percent(s["adl_share_frac"]),
    )


def why_no_adl(f: Findings) -> Markup:
    """Return the reason why no winner was closed, as a clause."""
    if not f.liquidated:
        return m.fill("no position was liquidated")
    if f.funded:
        return m.fill("the order book and the {pool} took every liquidated position", pool=f.pool)
    return m.fill("the order book took every liquidated position before its collateral was gone")


def answer(f: Findings) -> Markup:
    """Return the largest wave, why it came to that, and the first account of the queue."""
    if not f.adl:
        return m.fill("Nobody.")
    wave, s = f.largest_wave, f.summary
    waves = m.fill(
        "{waves} {noun}; the largest, wave {id} in {coin} at {time}, closed {usd} of {winners} among {candidates} "
        "candidates, ranked by the {ranking} rule and closed at {rule}",
        waves=m.count(s["adl_waves"]),
        noun=plural(s["adl_waves"], "wave"),
        id=wave["wave_id"],
        coin=coin(wave["symbol"]),
        time=m.clock(wave["ts"]),
        usd=m.usd(wave["notional_usd"]),
        winners=m.count(wave["winners"]),
        candidates=m.count(wave["candidates"]),
        ranking=s["ranking"],
        rule=CLOSE_RULES.get(wave["close_rule"], wave["close_rule"]),
    )
    if s["adl_for_pools_share_frac"]:
        share = m.percent(s["adl_for_pools_share_frac"])
        waves += m.fill("; {share} of all that was closed came out of the {pool}", share=share, pool=f.pool)
    return waves + "." + _haircut(f) + _money_left(f) + _drawdown(f) + _first_closed(f)


def _money_left(f: Findings) -> Markup:
    """Return why winners were closed although the fund never stood at its floor."""
    s, rules = f.summary, f.meta.scenario
    floor = Decimal(str(rules.fund_floor_usd))
    if s["pool"] != "fund" or not f.funded or s["pool_low_usd"] <= floor:
        return Markup("")
    cause, reasons = f.row("adl_causes"), []
    if cause["refused"]:
        words = "{n} {orders} of {usd} would have filled below bankruptcy"
        orders = plural(cause["refused"], "order")
        reasons.append(m.fill(words, n=m.count(cause["refused"]), orders=orders, usd=m.usd(cause["refused_usd"])))
    limit, held = Decimal(str(rules.fund_inventory_limit_usd)), cause["fund_inventory_max_usd"]
    if limit < MOST:
        reached = m.fill("; its inventory reached {held} at the mark", held=m.usd(held)) if held >= limit * FULL else ""
        reasons.append(m.fill("the fund may hold at most {limit}{reached}", limit=m.usd(limit), reached=reached))
    words = " It began although the fund was not empty: {reasons}."
    return m.fill(words, reasons=m.listed(reasons)) if reasons else Markup("")


def _drawdown(f: Findings) -> Markup:
    """Return the coins for which a drawdown of their fund switched deleveraging on."""
    on = [row for row in f.rows("fund_timeline") if row["event"] == "adl_on" and row["cause"] == "drawdown"]
    if not on:
        return Markup("")
    coins = dict.fromkeys(coin(row["symbol"]) for row in on)
    words = " A drawdown of the fund switched it on for {coins}, first at {time}."
    return m.fill(words, coins=m.listed([m.fill("{c}", c=each) for each in coins]), time=m.clock(on[0]["ts"], "paid"))


def _haircut(f: Findings) -> Markup:
    """Return what the closes brought the winners, against the mark and against the traded price of the time."""
    rows = covered(f.rows("adl_impact_by_symbol"))
    mark, trade = (sum(float(row[f"against_{price}_usd"] or 0) for row in rows) for price in ("mark", "trade"))
    closed = sum(float(row["adl_usd"]) for row in rows)
    words = " All closes together brought the winners {mark} than the mark, {trade} than the traded price of the time."
    return m.fill(words, mark=_against(mark, closed), trade=_against(trade, closed)) if closed else Markup("")


def _against(usd: float, closed: float) -> Markup:
    than = "less" if usd < 0 else "more"
    return m.fill("{usd} {than} ({share})", usd=m.usd(abs(usd)), than=than, share=m.size(usd / closed))


def _first_closed(f: Findings) -> Markup:
    """Return the first account of the queue that the table shows."""
    row = next((row for row in _queue(f) if row["status"] in {"closed", "partial"}), None)
    if row is None:
        return Markup("")
    forgone = float(row["forgone_usd"] or 0.0)
    effect = (
        "it forwent {usd} up to the last mark" if forgone >= 0 else "it avoided a loss of {usd} up to the last mark"
    )
    return m.fill(
        " First of wave {wave} was account {account}, {side} {notional} of {coin} at {leverage}: {share} of it was "
        "closed at {close} against a mark of {mark}; {effect}.",
        wave=row["wave_id"],
        account=row["account_id"],
        side=row["side"],
        notional=m.usd(row["notional_usd"]),
        coin=coin(row["symbol"]),
        leverage=m.ratio(row["leverage"]),
        share=m.percent(row["closed_frac"]),
        close=m.price(row["close_px"]),
        mark=m.price(row["mark_px"]),
        effect=m.fill(effect, usd=m.usd(abs(forgone))),
    )


def _queue(f: Findings) -> list[Row]:
    """Return the queue of the largest wave as far as it is shown."""
    return f.rows("adl_selection_order", limit=RANKS, wave_id=f.largest_wave["wave_id"]) if f.largest_wave else []


# --- figures and tables --------------------------------------------------------------------------------------


def by_symbol_table(f: Findings) -> Markup:
    """Compare ADL with liquidations, symbol by symbol."""
    return table(f.rows("adl_impact_by_symbol"), BY_SYMBOL) if f.adl else Markup("")


def _wave(f: Findings) -> dict[str, int]:
    return {"wave_id": f.largest_wave["wave_id"]} if f.largest_wave else {}


def haircut_and_lorenz(f: Findings) -> Markup:
    """Draw haircut by rank next to the Lorenz curve."""
    haircut, curve = f.frame("adl_haircut_by_rank", **_wave(f)), f.frame("adl_concentration")
    if not f.adl or haircut.is_empty() or curve.is_empty():
        return m.empty(m.fill("There is no queue to draw: {why}.", why=why_no_adl(f)))
    left = m.half_figure(lambda width: haircut_by_rank(adl_haircut_by_rank=haircut, width=width))
    right = m.half_figure(lambda width: lorenz(adl_concentration=curve, width=width))
    return m.fill('<div class="pair">{left}{right}</div>', left=left, right=right)


def queue_table(f: Findings) -> Markup:
    """List the queue of the largest wave: five rows, the cut-off, the spared right behind; the rest on request."""
    rows = _queue(f)
    reached = max((i for i, row in enumerate(rows) if row["closed_lots"]), default=0)
    short = [row for i, row in enumerate(rows) if i < FRONT or reached - 1 <= i <= reached + SPARED]
    rules = f.meta.scenario
    words = score_words(rules.ranking, rules.adl_allocation)
    score = m.note(f"ADL score: {words}") if words else Markup("")
    if len(short) == len(rows):
        return _ranked(rows) + score if rows else Markup("")
    box = '<details class="rest"><summary>all {n} rows of the query</summary>{rest}</details>'
    return _ranked(short) + score + m.fill(box, n=len(rows), rest=_ranked(rows))


def _ranked(rows: list[Row]) -> Markup:
    """Return rows of the queue as a table that names how many ranks lie between two of them."""
    shown: list[Row] = []
    last = 0
    for row in rows:
        if last and row["rank"] and row["rank"] > last + 1:
            shown.append({"span": f"{count(row['rank'] - last - 1)} more between"})
        shown.append(row)
        last = row["rank"] or 0
    return table(shown, QUEUE, kind="queue", row_class=_status)


def _status(row: Row) -> str:
    return next((name for name in STATUSES if row.get("status") == name), "")


def waves_table(f: Findings) -> Markup:
    """List the largest waves in the order of time."""
    rows = f.rows("adl_waves")
    if not rows:
        return Markup("")
    top = sorted(sorted(rows, key=lambda row: -row["notional_usd"])[:WAVES], key=lambda row: row["wave_id"])
    shown = [{**row, "unmatched": f.size(row["symbol"], row["lots_unmatched"])} for row in top]
    wave = f.largest_wave.get("wave_id")
    made = table(shown, WAVE_COLUMNS, row_class=lambda row: "here" if row["wave_id"] == wave else "")
    more = m.note(f"The {len(top)} largest of {count(len(rows))} waves; the queue above is the one of wave {wave}.")
    return made + (more if len(rows) > len(top) else "")


def cohort_table(f: Findings) -> Markup:
    """Show which leverage buckets were closed."""
    rows = [{**row, "bar": m.bar(row["share_frac"] or 0.0, "adl")} for row in f.rows("adl_by_cohort")]
    return table(rows, BY_COHORT) if rows else Markup("")


def forgone_table(f: Findings) -> Markup:
    """List who missed most by being closed, measured at the best moment afterwards."""
    closed = f.frame("forgone_pnl", limit=max(f.summary["adl_positions"], 1))  # one row per account and symbol at most
    rows = closed.sort("best_forgone_usd", descending=True, maintain_order=True).head(FORGONE)
    return table(rows.to_dicts(), FORGONE_COLUMNS) if len(rows) else Markup("")


SECTION = Section(
    id="queue",
    label="Queue",
    question="Who was closed, and in which order?",
    headline=headline,
    answer=answer,
    parts=(
        Part("Closed by auto-deleveraging, symbol by symbol", by_symbol_table, ("adl_impact_by_symbol", "adl_causes")),
        Part(
            "The queue of the largest wave, and how unevenly all of ADL fell",
            haircut_and_lorenz,
            ("adl_haircut_by_rank", "adl_concentration"),
        ),
        Part(
            "The queue of the largest wave: its front, the cut-off, the spared right behind",
            queue_table,
            ("adl_selection_order",),
        ),
        Part("The largest waves", waves_table, ("adl_waves",), folded=True),
        Part("Closed by leverage bucket", cohort_table, ("adl_by_cohort",)),
        Part(
            "Who missed most by being closed, at the best mark afterwards",
            forgone_table,
            ("forgone_pnl",),
            folded=True,
        ),
    ),
)
