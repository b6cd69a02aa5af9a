"""Sections on the queue of auto-deleveraging and on watched positions."""

from __future__ import annotations

from collections.abc import Callable

from markupsafe import Markup

from backtest.report.figures import payers as draw
from backtest.report.figures.canvas import base_coin
from backtest.report.findings import Findings, Row
from backtest.report.numbers import at, count, count_text, frac, plural, px, say, span, usd
from backtest.report.story import why_no_adl
from backtest.report.tables import bar, columns, empty, figure, half_figure, table

QUEUE_ROWS = 50
WAVES = 12
FORGONE = 12

BY_SYMBOL = columns("""
    symbol          head      symbol
    liquidated_usd  cents     liquidated, USD
    adl_usd         cents     closed by ADL, USD
    adl_share_frac  per_cent  ADL / liquidated, %
    waves           whole     waves
    positions       whole     positions
    first_adl_ts    clock     first ADL, UTC
    mean_close_px   price     mean close
""")
QUEUE = columns("""
    rank                whole     rank
    account_id          words     account
    side                side      side
    cohort              words     leverage bucket
    notional_usd        cents     size, USD
    score               rounded   score
    pnl_usd             cents     profit, USD
    leverage            rounded   leverage
    notional_ahead_usd  cents     ahead, USD
    closed_frac         per_cent  closed, %
    status              words     status
    close_px            price     close
    mark_px             price     mark
    forgone_usd         cents     forgone, USD
""")
WAVE_COLUMNS = columns("""
    wave_id           whole  wave
    ts                clock  UTC
    symbol            words  symbol
    bankrupt_side     side   bankrupt
    source            words  from
    bankrupts         whole  bankrupts
    candidates        whole  candidates
    winners           whole  closed
    skipped           whole  skipped
    notional_usd      cents  closed, USD
    lots_unmatched    whole  unmatched lots
    mark_px           price  mark
    previous_mark_px  price  previous mark
""")
BY_COHORT = columns("""
    cohort         head      bucket at start
    side           side      side
    accounts       whole     accounts
    mean_leverage  rounded   mean leverage when closed
    closed_usd     cents     closed, USD
    share_frac     per_cent  share, %
    bar            words     share of what was closed
""")
FORGONE_COLUMNS = columns("""
    account_id        head   account
    symbol            words  symbol
    side              side   side
    closed_usd        cents  closed, USD
    close_px          price  close
    last_mark_px      price  last mark
    immediate_usd     cents  against mark at once, USD
    forgone_usd       cents  forgone to the end, USD (minus = spared a loss)
    best_forgone_usd  cents  forgone at best, USD
""")
HEDGES = columns("""
    name                       head     name
    symbol                     words    coin
    side                       side     side
    fate                       words    fate
    opening_lots               whole    lots
    closed_lots                whole    closed, lots
    first_close_ts             clock    first close, UTC
    mean_close_px              price    mean close
    mean_mark_px               price    mean mark
    immediate_usd              cents    against mark, USD
    unhedged_base                 rounded  unhedged, base
    unhedged_usd                  cents    unhedged, USD
    unhedged_s                    rounded  unhedged to the end of the window, s
    unhedged_pnl_usd              cents    its result to that end, USD
    best_rank                  whole    best rank
    lowest_notional_ahead_usd  cents    least ahead, USD
""")
_CLOSE_RULES = {
    "bankruptcy": "the bankruptcy price",
    "mark": "the mark price",
    "previous_mark": "the mark of three seconds before",
}


# --- the queue -----------------------------------------------------------------------------------------------


def queue_answer(f: Findings) -> Markup:
    """Say how the largest wave went through its queue."""
    if not f.adl:
        return say("Nobody: {why}.", why=why_no_adl(f))
    wave, s = f.largest_wave, f.summary
    text = say(
        "{waves} {noun} closed {usd}. The largest, wave {id} in {coin} at {time}, took {part} from {winners} of "
        "{candidates} candidates, ranked by the {ranking} rule and closed at {rule}",
        waves=count(s["adl_waves"]),
        noun=plural(s["adl_waves"], "wave"),
        usd=usd(s["adl_usd"]),
        id=wave["wave_id"],
        coin=base_coin(wave["symbol"]),
        time=at(wave["ts"]),
        part=usd(wave["notional_usd"]),
        winners=count(wave["winners"]),
        candidates=count(wave["candidates"]),
        ranking=s["ranking"],
        rule=_CLOSE_RULES.get(wave["close_rule"], wave["close_rule"]),
    )
    if s["adl_for_pools_share_frac"]:
        share = frac(s["adl_for_pools_share_frac"])
        text += say("; {share} of all that was closed came out of the {pool}", share=share, pool=f.pool)
    return text + "."


def by_symbol_table(f: Findings) -> Markup:
    """Compare ADL with liquidations, symbol by symbol."""
    return table(f.rows("adl_impact_by_symbol"), BY_SYMBOL) if f.adl else Markup("")


def haircut_and_lorenz(f: Findings) -> Markup:
    """Draw haircut by rank next to the Lorenz curve."""
    haircut, curve = f.frame("adl_haircut_by_rank"), f.frame("adl_concentration")
    if not f.adl or haircut.is_empty() or curve.is_empty():
        return empty(say("There is no queue to draw: {why}.", why=why_no_adl(f)))
    pair = (half_figure(draw.haircut_by_rank(haircut)), half_figure(draw.lorenz(curve)))
    return say('<div class="pair">{pair[0]}{pair[1]}</div>', pair=pair)


def queue_table(f: Findings) -> Markup:
    """List the queue of the largest wave: first ranks, the marginal one, those not reached right behind."""
    rows: list[Row] = []
    last = 0
    for row in f.rows("adl_selection_order", limit=QUEUE_ROWS):
        if last and row["rank"] > last + 1:
            rows.append({"span": f"{row['rank'] - last - 1:,} more between"})
        rows.append(row)
        last = row["rank"]
    return _FILTER + table(rows, QUEUE, kind="sortable queue", row_class=_status) if rows else Markup("")


def _status(row: Row) -> str:
    return next((name for name in ("closed", "partial", "skipped", "not_reached") if row.get("status") == name), "")


_FILTER = Markup(
    '<p class="tools" hidden><label>Filter <input type="search" placeholder="account, bucket, status"></label>'
    '<span class="matches" aria-live="polite"></span></p>'
)


def waves_table(f: Findings) -> Markup:
    """List the largest waves in the order of time."""
    rows = f.rows("adl_waves")
    if not rows:
        return Markup("")
    top = sorted(sorted(rows, key=lambda row: -row["notional_usd"])[:WAVES], key=lambda row: row["wave_id"])
    made = table(top, WAVE_COLUMNS, row_class=lambda row: "here" if row == f.largest_wave else "")
    rest = '<p class="note">The {n} largest of {all} waves; the queue above is that of wave {id}.</p>'
    more = say(rest, n=len(top), all=count_text(len(rows)), id=f.largest_wave["wave_id"])
    return made + (more if len(rows) > len(top) else "")


def adl_cohort_table(f: Findings) -> Markup:
    """Show which leverage buckets were closed."""
    rows = [{**row, "bar": bar(row["share_frac"] or 0.0, "adl")} for row in f.rows("adl_by_cohort")]
    return table(rows, BY_COHORT) if rows else Markup("")


def forgone_table(f: Findings) -> Markup:
    """List who missed most by being closed, measured at the best moment afterwards."""
    closed = f.rows("forgone_pnl", limit=max(f.summary["adl_positions"], 1))  # one row per account and symbol at most
    rows = sorted(closed, key=lambda row: -row["best_forgone_usd"])[:FORGONE]
    return table(rows, FORGONE_COLUMNS) if rows else Markup("")


# --- watched positions ---------------------------------------------------------------------------------------


def mine_answer(f: Findings) -> Markup:
    """Say for every watched position what became of it."""
    told = [_fate(row) for row in f.rows("hedges")]
    return Markup("; ").join(told) + "." if told else say("No watched position is in the book.")


def _fate(row: Row) -> Markup:
    name = say("<b>{name}</b> ({side} {coin})", name=row["name"], side=row["side"], coin=base_coin(row["symbol"]))
    if not row["closed_lots"]:
        return say("{name} was not closed and ended {fate}", name=name, fate=str(row["fate"]).replace("_", " "))
    text = say(
        "{name} was closed from {time} on, {share} of it, at {close} on average against a mark of {mark}",
        name=name,
        time=at(row["first_close_ts"]),
        share=frac(row["closed_lots"] / row["opening_lots"]),
        close=px(row["mean_close_px"]),
        mark=px(row["mean_mark_px"]),
    )
    if row["unhedged_usd"]:
        left = usd(abs(row["unhedged_usd"]))
        unhedged = " and left {left} of delta unhedged to the end of the window, {span}"
        text += say(unhedged, left=left, span=span(row["unhedged_s"]))
        if row.get("unhedged_pnl_usd") is not None:
            text += say(", which came to {result}", result=usd(row["unhedged_pnl_usd"]))
    return text


def mine_figures(f: Findings) -> Markup:
    """Draw the place of each watched position in the queues."""
    made = []
    for row in f.rows("hedges"):
        ranks = f.frame("watch_ranks", name=row["name"])
        ranks = ranks.filter(ranks["symbol"] == row["symbol"])
        nowhere = empty(say("{name} stood in no queue.", name=row["name"]))
        made.append(
            figure(_place(f, ranks, f"{row['name']} {base_coin(row['symbol'])}"))
            if ranks["in_queue"].any()
            else nowhere
        )
    return Markup("").join(made)


def _place(f: Findings, ranks: draw.Frame, name: str) -> Callable[[int], str]:
    return lambda width: draw.watch_rank(ranks, name, f.start, f.end, width=width)


def mine_table(f: Findings) -> Markup:
    """List what became of the watched positions."""
    rows = [
        {**row, "symbol": base_coin(row["symbol"]), "fate": str(row["fate"]).replace("_", " ")}
        for row in f.rows("hedges")
    ]
    return table(rows, HEDGES, kind="fates")
