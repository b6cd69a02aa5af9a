"""The story: five to eight plain sentences, each number linked to the section that shows it."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from markupsafe import Markup

from backtest.report.figures.canvas import base_coin
from backtest.report.findings import Findings
from backtest.report.numbers import at, count, frac, listed, plural, px, say, size, span, times, usd
from backtest.scenario.fields import MOST


def day(time: datetime) -> str:
    """Return a date in words.

    Examples
    --------
    >>> day(datetime(2025, 10, 10, 21, 16))
    '10 October 2025'
    """
    return f"{time.day} {time:%B %Y}"


def sentences(f: Findings) -> list[Markup]:
    """Return the story of a run."""
    told = [_fall(f), _liquidated(f), _book(f), _pool(f), _adl(f), _first_closed(f), *_mine(f), _zero_sum(f), _known(f)]
    kept = [sentence for sentence in told if sentence]
    # Eight at most; what the book took is the first to go, the section on the cascade has it.
    return [s for i, s in enumerate(kept) if len(kept) <= 8 or i != 2][:8]


def _fall(f: Findings) -> Markup:
    main, worst = f.moves[0], f.worst
    first = say(
        "On {day}, between {start} and {end} UTC, {coin} fell {move} from {first} to {low}, its low at {time}",
        day=day(f.start),
        start=f"{f.start:%H:%M}",
        end=f"{f.end:%H:%M}",
        coin=base_coin(main["symbol"]),
        move=size(main["move_to_low_frac"], "price"),
        first=px(main["first_px"]),
        low=px(main["low_px"]),
        time=at(main["low_ts"]),
    )
    if main["move_to_low_frac"] > -0.002:
        first = say(
            "On {day}, between {start} and {end} UTC, {coin} hardly fell: it moved between {low} and {high}",
            day=day(f.start),
            start=f"{f.start:%H:%M}",
            end=f"{f.end:%H:%M}",
            coin=base_coin(main["symbol"]),
            low=px(main["low_px"], "price"),
            high=px(main["high_px"], "price"),
        )
    if worst["symbol"] == main["symbol"]:
        return first + "."
    return first + say(
        "; {coin} fell furthest, {move} in trades and {mark} in the mark price that decides liquidations.",
        coin=base_coin(worst["symbol"]),
        move=size(worst["move_to_low_frac"], "price"),
        mark=size(worst["mark_move_to_low_frac"], "price"),
    )


def _liquidated(f: Findings) -> Markup:
    s = f.summary
    if not f.liquidated:
        return say(
            "None of the {n} positions in the book reached its maintenance margin, so {nothing} was liquidated.",
            n=count(s["positions"]),
            nothing=Markup('<a class="n" href="#liquidated">nothing</a>'),
        )
    share = s["liquidated_long_share_frac"] or 0.0
    mostly, part = ("long", share) if share >= 0.5 else ("short", 1 - share)
    busiest = max(f.rows("liquidations_per_minute"), key=lambda row: row["long_usd"] + row["short_usd"])
    return say(
        "{n} liquidations took {usd} out of the book, {share} of it {mostly}; the first came at {first}, and the "
        "busiest minute, {minute}, took {peak}.",
        n=count(s["liquidations"], "liquidated"),
        usd=usd(s["liquidated_usd"], "liquidated"),
        share=frac(part, "liquidated"),
        mostly=mostly,
        first=at(s["first_liquidation_ts"]),
        minute=f"{busiest['minute_ts']:%H:%M}",
        peak=usd(busiest["long_usd"] + busiest["short_usd"], "liquidated"),
    )


def _book(f: Findings) -> Markup:
    rows = f.rows("liquidity_pressure")
    if not rows:
        return Markup("")
    ordered = sum(float(row["ordered_usd"]) for row in rows)
    took = sum(float(row["book_usd"]) for row in rows)
    start = say(
        "The order book took {usd} of the {ordered} that came up for liquidation, a position that waits counted once "
        "a minute: {share}",
        usd=usd(took, "cascade"),
        ordered=usd(ordered, "cascade"),
        share=frac(took / ordered if ordered else 0.0, "cascade"),
    )
    worst = max((row for row in rows if row["pressure_ratio"]), key=lambda row: row["pressure_ratio"], default=None)
    if worst is None:
        return start + "."
    return start + say(
        "; in the worst minute, {minute} in {coin}, orders were {r} the liquidity there was.",
        minute=f"{worst['minute_ts']:%H:%M}",
        coin=base_coin(worst["symbol"]),
        r=times(worst["pressure_ratio"], "cascade"),
    )


def _pool(f: Findings) -> Markup:
    s = f.summary
    if not f.funded:
        return say(
            "There was {no} with money: what the book could not take went straight to auto-deleveraging.",
            no=Markup('<a class="n" href="#paid">no insurance fund</a>'),
        )
    name = f.pool
    start, low, end = s["pool_start_usd"], s["pool_low_usd"], s["pool_end_usd"]
    if low == start == end:
        return say("The {name} kept its {usd}: nothing had to be taken over.", name=name, usd=usd(start, "paid"))
    if low >= start:
        return say(
            "The {name} never stood below its start of {start} and ended with {end}.",
            name=name,
            start=usd(start, "paid"),
            end=usd(end, "paid"),
        )
    verb = "went under water" if low < 0 else "gave way"
    return say(
        "The {name} {verb}: it began with {start}, its equity was lowest at {time}, {low}, and it ended with {end}.",
        name=name,
        verb=verb,
        start=usd(start, "paid"),
        time=at(s["pool_low_ts"]),
        low=usd(low, "paid"),
        end=usd(end, "paid"),
    )


def _adl(f: Findings) -> Markup:
    s = f.summary
    if not f.adl:
        return say("Nobody was auto-deleveraged: {why}.", why=why_no_adl(f))
    told = say(
        "Auto-deleveraging began at {time}, {after} after the first liquidation: {positions} winning {noun} with {usd} "
        "{were} closed against their owners' will, {share} of everything that was liquidated.",
        time=at(s["first_adl_ts"], "queue"),
        after=span(s["first_adl_after_s"], "queue"),
        positions=count(s["adl_positions"], "queue"),
        noun=plural(s["adl_positions"], "position"),
        usd=usd(s["adl_usd"], "queue"),
        were=plural(s["adl_positions"], "was", "were"),
        share=frac(s["adl_share_frac"], "queue"),
    )
    return told + _with_money_left(f) + _switched(f)


def _switched(f: Findings) -> Markup:
    """Say which coins a drop of their fund had deleveraging on for, and which of several funds ran dry first."""
    events, told = f.rows("fund_timeline"), Markup("")
    on = [row for row in events if row["event"] == "adl_on" and row["cause"] == "drawdown"]
    dry = next((row for row in events if row["event"] == "depleted" and row["serves"]), None)
    if on:
        told += say(
            " The drop of the fund switched it on for {coins}, first at {time}; the fund then took nothing there that "
            "cost it.",
            coins=listed([say("{n}", n=base_coin(symbol)) for symbol in dict.fromkeys(row["symbol"] for row in on)]),
            time=at(on[0]["ts"], "paid"),
        )
    if dry:
        coins = listed([say("{n}", n=base_coin(symbol)) for symbol in dry["serves"].split("+")])
        told += say(" Of the funds, that of {coins} ran dry first, at {time}.", coins=coins, time=at(dry["ts"], "paid"))
    return told


def _with_money_left(f: Findings) -> Markup:
    """Say why winners were closed although the fund never stood at its floor."""
    s, rules = f.summary, f.meta.scenario
    floor = Decimal(str(rules.get("fund_floor_usd") or 0))
    if s["pool"] != "fund" or not f.funded or s["pool_low_usd"] <= floor:
        return Markup("")
    why, reasons = f.row("adl_causes"), []
    if why["refused"]:
        n, worth = count(why["refused"], "liquidated"), usd(why["refused_usd"], "liquidated")
        orders = plural(why["refused"], "order")
        reasons.append(say("{n} {orders} of {usd} would have filled below bankruptcy", n=n, orders=orders, usd=worth))
    limit, held = Decimal(str(rules.get("fund_inventory_limit_usd", MOST))), why["fund_inventory_max_usd"]
    if limit < MOST:
        reached = (
            say("; its inventory was worth up to {held} at the mark", held=usd(held, "paid"))
            if held >= limit * NEAR
            else ""
        )
        reasons.append(say("the fund may hold at most {limit}{reached}", limit=usd(limit, "paid"), reached=reached))
    return say(" It began although the fund was not empty: {why}.", why=listed(reasons)) if reasons else Markup("")


def why_no_adl(f: Findings) -> Markup:
    """Return the reason why no winner was closed, as a clause."""
    s = f.summary
    if not f.liquidated:
        return say("no position was liquidated")
    if f.funded:
        return say(
            "the order book and the {pool}, whose lowest equity was {low}, took every liquidated position",
            pool=f.pool,
            low=usd(s["pool_low_usd"], "paid"),
        )
    return say("the order book took every liquidated position before its collateral was gone")


def _first_closed(f: Findings) -> Markup:
    row = f.row("adl_first_closed")
    if not row:
        return Markup("")
    at_once, forgone = float(row["immediate_usd"] or 0.0), float(row["forgone_usd"] or 0.0)
    return say(
        "First in the queue was account {account}, {side} {notional} of {coin} at {leverage}: {closed} was closed at "
        "{close}, {at_once}, {outcome}.",
        account=row["account_id"],
        side=row["side"],
        notional=usd(row["notional_usd"]),
        coin=base_coin(row["symbol"]),
        leverage=times(row["leverage"]),
        closed=usd(row["closed_usd"], "queue"),
        close=px(row["close_px"]),
        at_once=_against_mark(at_once),
        outcome=say("and so forwent {usd} up to the last mark", usd=usd(forgone, "queue"))
        if forgone >= 0
        else say("which spared it a loss of {usd} up to the last mark", usd=usd(-forgone, "queue")),
    )


def _against_mark(usd_at_once: float) -> Markup:
    if not usd_at_once:
        return say("the mark of that moment")
    word = "worse" if usd_at_once < 0 else "better"
    return say("{usd} {word} than the mark of that moment", usd=usd(abs(usd_at_once), "queue"), word=word)


def _mine(f: Findings) -> list[Markup]:
    rows = f.rows("hedges") if f.meta.watch else []
    closed = [row for row in rows if row["closed_lots"]]
    if not rows:
        return []
    if not closed:
        return [
            say(
                "None of the {n} watched {noun} was closed by auto-deleveraging.",
                n=count(len(rows), "mine"),
                noun=plural(len(rows), "position"),
            )
        ]
    worst = max(closed, key=lambda row: abs(row["unhedged_usd"] or 0))
    if not worst["unhedged_usd"]:
        return [
            say(
                "Of the watched positions, {name} was closed first at {time}, at {close} on average.",
                name=worst["name"],
                time=at(worst["first_close_ts"], "mine"),
                close=px(worst["mean_close_px"]),
            )
        ]
    return [
        say(
            "The watched hedge {name} lost its leg from {time} on: {usd} of delta stood unhedged for {span}.",
            name=worst["name"],
            time=at(worst["first_close_ts"], "mine"),
            usd=usd(abs(worst["unhedged_usd"]), "mine"),
            span=span(worst["unhedged_s"], "mine"),
        )
    ]


def _zero_sum(f: Findings) -> Markup:
    s = f.summary
    audits = f.audits
    passed = sum(audit.passed for audit in audits)
    nobody = s["uncovered_usd"] or 0
    lost = (
        say("; {usd} stayed uncovered, losses that nobody bore", usd=usd(nobody, "paid"))
        if nobody < 0
        else say("; no loss was left without somebody to bear it")
    )
    if s["residual_usd"]:
        return say(
            "The books do not close: {usd} are missing, so nothing here may be trusted.",
            usd=usd(s["residual_usd"], "checks"),
        )
    return say(
        "No dollar was made or lost on the way: cash and contracts of all owners sum to {zero} at every step, and "
        "{passed} of {n} audits pass{lost}.",
        zero=Markup('<a class="n" href="#checks">0</a>'),
        passed=count(passed, "checks"),
        n=count(len(audits)),
        lost=lost,
    )


def _known(f: Findings) -> Markup:
    groups: dict[str, list[str]] = {}
    for name, label in f.meta.labels.by_name().items():
        groups.setdefault(label.badge, []).append(name.replace("_", " "))
    parts = [
        say(
            "{names} {are} {badge}",
            names=listed([say("{n}", n=name) for name in names]),
            are="are" if len(names) > 1 or names[0].endswith("s") else "is",
            badge="a proxy" if badge == "proxy" else badge,
        )
        for badge, names in sorted(groups.items(), key=lambda pair: BADGES.index(pair[0]) if pair[0] in BADGES else 9)
    ]
    return say(
        "Read it as a {replay}, not as a record: {parts}.",
        replay=Markup('<a class="n" href="#sure">replay</a>'),
        parts=Markup("; ").join(parts) or "nothing is known about its inputs",
    )


NEAR = Decimal("0.95")  # of the limit, from which on the fund's inventory counts as full
BADGES = ("measured", "imported", "proxy", "modelled")
