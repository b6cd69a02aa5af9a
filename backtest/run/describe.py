"""What a run says about itself: labels, assumptions, what is not simulated, versions; the contents of run.json."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Mapping
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from backtest.mechanics.exact import RATE_ONE
from backtest.scenario.fields import PARAMS
from backtest.scenario.values import Scenario
from backtest.venue.settlement import coin_px, sentence

if TYPE_CHECKING:
    from backtest.run.pipeline import Prepared

VERSIONS = ("crashbook", "numpy", "polars", "pyarrow", "duckdb")
INTRABAR = {
    "ohlc": "open, the extreme nearer the open, the other extreme, close",
    "adverse_first": "open, low, high, close",
    "close": "the close alone",
}
ALL_ISOLATED = "Cross-margin contagion: every position is isolated, a loss in one coin takes no position in another."
NOT_SIMULATED = (
    "Voluntary closing, stops, top-ups of collateral, new positions: open interest falls by liquidation and ADL only.",
    "Portfolio margin, collateral haircuts and outages of the venue.",
)
TAPE = "Feedback of this run's orders on the price: the tape already contains the cascade; --set path=feedback adds it."


def facts_of(prepared: Prepared, code: str) -> dict[str, Any]:
    """Return the columns of ``runs`` that say what was run."""
    scenario, labels = prepared.resolved.scenario, labels_of(prepared)
    return {
        "event_id": scenario.event, "venue": scenario.venue, "ranking": scenario.ranking, "seed": scenario.seed,
        "intrabar": scenario.intrabar, "open_interest_label": labels["open_interest"]["text"],
        "book_label": prepared.book.label, "liquidity_label": labels["liquidity"]["text"],
        "scenario_sha256": hashlib.sha256(portable(prepared).canonical()).hexdigest(), "code_sha256": code,
    }  # fmt: skip


def portable(prepared: Prepared) -> Scenario:
    """Return the scenario with an imported book named by its contents: where its file lies does not matter."""
    book = prepared.book
    name = f"book of sha256 {book.digest}" if book.label == "imported" else None
    return prepared.resolved.scenario.with_(positions_file=name)


def labels_of(prepared: Prepared) -> dict[str, dict[str, str]]:
    """Return badge and text of prices, open interest, book, mark and liquidity."""
    resolved, book = prepared.resolved, prepared.book
    scenario, market = resolved.scenario, prepared.market
    imported = book.label == "imported"
    why = resolved.sources["open_interest_usd"].removeprefix("event: ")
    scale = resolved.sources["liquidity_scale"].removeprefix("event: ")
    share = f"{scenario.participation_frac:.0%} of the traded volume, scaled ({scale})"
    return {
        "prices": {key: market.labels["prices"][key] for key in ("badge", "text")},
        "mark": {key: market.labels["mark"][key] for key in ("badge", "text")},
        "open_interest": {"badge": "imported", "text": "the sum of the imported book"}
        if imported
        else {"badge": "measured" if why.startswith("measured") else "modelled", "text": why},
        "book": {"badge": "imported" if imported else "modelled",
                 "text": "an imported file" if imported else f"synthetic, drawn from seed {scenario.seed}"},
        "liquidity": {"badge": "modelled", "text": share},
    }  # fmt: skip


def meta_of(prepared: Prepared, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the contents of run.json: everything a reader needs to judge or repeat the run, and no times."""
    resolved, market = prepared.resolved, prepared.market
    event, venue, scenario = resolved.event, resolved.venue, resolved.scenario
    named = portable(prepared)
    others = f"Other coins of the venue: only {', '.join(scenario.coins)} are simulated and compared with their facts."
    return {
        "run_id": prepared.run_id,
        "threshold": "<=" if venue.inclusive else "<",
        "event": {
            "id": event.id, "title": event.title, "summary": event.summary, "grade": event.grade,
            "core_start": event.core_start.isoformat(), "core_end": event.core_end.isoformat(),
            "facts": [_plain(fact) for fact in event.facts], "compare": [_plain(row) for row in event.compare],
            "notes": list(event.notes),
        },
        "venue": {
            "id": venue.id, "name": venue.name, "as_of": venue.as_of.isoformat(), "notes": list(venue.notes),
            "simplified": [dict(row) for row in venue.simplified], "sources": [dict(s) for s in venue.sources.values()],
            "points": [
                {"name": p.name, "value": p.value, "source": p.source, "mark": p.mark, "note": p.note}
                for p in venue.points
            ],
            "unverified": list(venue.unverified),
        },
        "scenario": named.plain(),
        "scenario_toml": scenario_toml(named),
        "scenario_sources": dict(resolved.sources),
        "contracts": contracts_of(prepared),
        "labels": labels_of(prepared),
        "settlement": settlement_of(prepared),
        "assumptions": assumptions(prepared),
        "not_simulated": [others, *_not_simulated(prepared)],
        "flags": [*counted(prepared), *resolved.flags, *market.notes, *prepared.book.notes],
        "versions": {name: version(name) for name in VERSIONS},
        "digests": {"data": market.digest, "book": prepared.book.digest, "code": facts["code_sha256"],
                    "scenario": facts["scenario_sha256"]},
        "watch": bool(scenario.watch),
        "cross": bool(prepared.book.cross.any()),
        "seeds": [],
        "seed_summaries": [],
        "sensitivity": [],
    }  # fmt: skip


def contracts_of(prepared: Prepared) -> list[dict[str, Any]]:
    """Return tick, lot and the margin table in force of every symbol, and where they come from."""
    resolved, out = prepared.resolved, []
    profile = f"profile of {resolved.venue.as_of}"
    for unit, terms, table in zip(prepared.market.instruments, resolved.terms, prepared.tables, strict=True):
        used = {row.name: row.source for row in terms.rows}
        tiers = [[floor, rate / RATE_ONE, limit] for floor, rate, limit in table.tiers]  # limit: largest leverage
        out.append(
            {
                "symbol": unit.symbol, "tick_px": f"{unit.tick:f}", "lot": f"{unit.lot:f}", "lot_of": unit.unit,
                "units_from": used["limits"] if terms.listed else profile,
                "margin_table_from": table.valid_from.isoformat(), "margin_table_coin": table.coin,
                "margin_source": used.get("leverage_tiers", f"{profile}: {table.source}"), "margin_mark": table.mark,
                "margin_note": table.note, "floors_in": table.unit, "tiers": tiers,
            }
        )  # fmt: skip
    return out


def _tables(prepared: Prepared) -> str:
    """Say which margin table is in force for each coin."""
    named = []
    for terms, table in zip(prepared.resolved.terms, prepared.tables, strict=True):
        lake = any(row.name == "leverage_tiers" for row in terms.rows)
        own = "" if table.coin == terms.coin else ", of any coin without its own"
        named.append(f"{terms.coin} of {table.valid_from} ({'lake' if lake else 'profile'}{own})")
    return f"Margin tables in force on {prepared.resolved.event.day}: {', '.join(named)}."


def settlement_of(prepared: Prepared) -> dict[str, Any]:
    """Return what the run's money is: the settlement currency and, of a coin, the first mark at which it counts."""
    unit = prepared.market.instruments[0]
    px = coin_px([unit], [int(prepared.world.walk.mark[0, 0])])
    if px is None:
        return {"contract": "linear", "currency": unit.symbol.partition(":")[2], "coin_px": None}
    return {"contract": "inverse", "currency": unit.coin, "coin_px": float(px)}


def counted(prepared: Prepared) -> list[str]:
    """Return the sentence on amounts of a run settled in a coin, none where it settles in dollars."""
    unit = prepared.market.instruments[0]
    px = coin_px([unit], [int(prepared.world.walk.mark[0, 0])])
    return [] if px is None else [sentence(unit, px)]


def _not_simulated(prepared: Prepared) -> list[str]:
    isolated = [] if prepared.book.cross.any() else [ALL_ISOLATED]
    return [*isolated, *NOT_SIMULATED, *([TAPE] if prepared.resolved.scenario.path == "tape" else [])]


EXHAUSTED = {
    "uncovered": "Lots that no candidate takes are closed at the mark; what they lack is uncovered.",
    "fund_negative": "Lots that no candidate takes go to the fund at their bankruptcy price, whatever its floor.",
    "waits": "Lots that no candidate takes stay with the account and are tried again at the next price.",
    "socialised_winners": "Lots that no candidate takes are closed at the mark; what they lack is borne by the fund "
    "down to its floor, then pro rata by accounts that have gained since the start, each at most its gain; the rest is "
    "uncovered.",
    "socialised_both": "Lots that no candidate takes are closed at the mark; what they lack is borne by the fund "
    "down to its floor, then by every open lot of the symbol, longs and shorts alike; without one it is uncovered.",
}
REST = "what the book does not take goes to the fund or vault by its rule, the rest to ADL."
STEPPING = {
    "full_position": f"A position in breach is sent to the book whole, with its bankruptcy amount as limit; {REST}",
    "tier_by_tier": "A position in breach above the lowest margin tier is reduced to the tier below by an order that "
    f"is filled whole or not at all, and judged anew; else it is sent to the book whole: {REST}",
    "reduce_once": "A position in breach sends one immediate-or-cancel order for what makes the rest compliant; if it "
    f"is not filled, {REST}",
    "two_tiers": "A position in breach two margin tiers or more above the lowest is reduced by two tiers at a time "
    f"and judged anew; else it is sent to the book whole: {REST}",
    "fillable_price": "Of positions in breach the first {orders} per block of {block} order {part} of their value, at "
    "least {least} and at most {most} each block, down to the fillable price; the fund pays what a fill lacks to the "
    "bankruptcy price or the order is void. What was filled nothing and is below zero goes to ADL, the rest waits.",
    "incremental": "A position in breach orders {part} of itself once every {block}, until the rest is not in breach; "
    "what the book does not take waits, below zero it goes to the fund by its rule or to ADL.",
    "part_first": "A position in breach above {above} first orders {share}, pauses for {pause}, then orders all of it; "
    "what the book does not take waits, and goes to fund or vault by its rule or, below zero, to ADL.",
}


CROSSED = {
    "by_maintenance": "Of a cross account in breach all positions are liquidated, each with its share of the account's "
    "equity in proportion to maintenance.",
    "one_first": "Of a cross account in breach one position at a time is liquidated with all the account's equity "
    "behind it, that of the largest {order} first.",
}


def assumptions(prepared: Prepared) -> list[str]:
    """Return the assumptions of the run in plain sentences."""
    scenario = prepared.resolved.scenario
    size = f"{scenario.impact_y:g} x {scenario.impact_sigma_frac:g}"
    impact = {
        "none": "Orders fill at the trade price: no impact.",
        "sqrt": f"Forced orders move their price by {size} x the root of their share of a bar's volume, in its range.",
        "linear": f"Forced orders move their price by {size} x their share of the bar's volume, in its range.",
        "depth": f"Forced orders move their price {scenario.impact_y:g} x as far as they eat into the order book seen "
        "in the bar, in its range.",
    }[scenario.impact]
    feedback = (
        "Prices are those of the tape, displaced by the impact of this run's flow less that of the baseline's (the "
        f"same run unchanged, on the tape); what is displaced halves every {scenario.feedback_half_life_s:g} s, and at "
        f"one price liquidation and impact take turns at most {scenario.max_rounds} times."
    )
    walked = f"A bar is walked through {INTRABAR[scenario.intrabar]}; triggers use the mark, fills the trade price."
    liquidity = (
        f"The book can take {scenario.participation_frac:.0%} of the scaled volume of a bar, freed in equal parts as "
        "the bar is walked; unused liquidity expires with the bar."
    )
    stepper = STEPPING[scenario.liquidation_rule].format(
        share=f"{scenario.first_share_frac:.0%}",
        above=f"{scenario.first_above_usd:,.0f} USD",
        pause=f"{scenario.first_pause_s} s",
        orders=f"{scenario.block_orders:,}",
        block=f"{scenario.block_s:g} s",
        part=f"{scenario.block_share_frac:g}",
        least=f"{scenario.block_least_usd:,.0f} USD",
        most=f"{scenario.block_most_usd:,.0f} USD",
    )
    sizes = (
        f"Sizes: stratified quantiles of a lognormal body (sigma {scenario.size_sigma:g}) with a Pareto tail (alpha "
        f"{scenario.size_alpha:g}) for {scenario.size_tail_frac:.0%} of accounts, capped at "
        f"{scenario.size_cap_frac:.0%} of a side; leverage by notional from the stated mixture; {_owners(scenario)}"
    )
    drawn = [sizes] if prepared.book.label == "synthetic" else []
    displaced = [feedback] if scenario.path == "feedback" else []
    crossed = CROSSED[scenario.cross_allocation].format(order=scenario.cross_order)
    accounts = [crossed] if prepared.book.cross.any() else []
    exhausted, dated = EXHAUSTED[scenario.on_exhausted], _tables(prepared)
    rules = [stepper, exhausted, *accounts, *_funds(prepared), dated, *_funding(prepared)]
    return [*counted(prepared), walked, liquidity, impact, *displaced, *rules, *drawn]


DROP = {
    "pnl_ratio": "A coin that has lost more of its fund's peak of {hours:g} h than its trigger",
    "pool_drawdown": "A fund that has fallen by more of its peak of {hours:g} h than the trigger",
}


def _funds(prepared: Prepared) -> list[str]:
    """Return what is said of several funds and of the drop that switches deleveraging on."""
    scenario, rules, said = prepared.resolved.scenario, prepared.world.rules, []
    if rules.pools:
        how = "by open interest" if not isinstance(scenario.fund_start_usd, Mapping) else "as stated per coin"
        said.append(f"{len(rules.pools)} insurance funds ({scenario.fund_pools}), their start divided {how}.")
    if scenario.drawdown_trigger != "none":
        what = DROP[scenario.drawdown_trigger].format(hours=scenario.drawdown_window_s / 3600)
        trigger, stop = (f"{value:.0%}" if isinstance(value, float) else "its share by coin"
                         for value in (scenario.drawdown_trigger_frac, scenario.drawdown_stop_frac))  # fmt: skip
        said.append(f"{what} ({trigger}) switches deleveraging on until it is back within the stop ({stop}).")
    return said


def _funding(prepared: Prepared) -> list[str]:
    events = prepared.world.funding
    if not events:
        return []
    count = f"{len(events)} settlements" if len(events) > 1 else "1 settlement"
    on_oracle = sum(oracle > 0 for *_, oracle in events)
    basis = {0: "the mark", len(events): "the oracle price"}.get(
        on_oracle, f"the oracle price where it is known ({on_oracle} times), else the mark"
    )
    payers = "longs pay shorts at a rate above zero, and as much is received as is paid."
    return [f"Funding: {count} of fetched rates, charged on {basis}; {payers}"]


def _owners(scenario: Scenario) -> str:
    """Say how the positions of a synthetic book belong to accounts."""
    if scenario.positions_per_account == 1:
        return "each position is an account of its own."
    return (
        f"positions of {scenario.positions_per_account:g} coins on average are joined to one account, the largest of "
        f"each coin with the largest, {scenario.hedged_frac:.0%} of these long in some and short in others, "
        f"{scenario.cross_frac:.0%} in cross margin; no venue publishes these shares (U)."
    )


def scenario_toml(scenario: Scenario) -> str:
    """Return the resolved scenario as TOML that ``replay -c`` reads back."""
    plain, lines = scenario.plain(), []
    for param in PARAMS:
        value = plain[param.name]
        if param.name == "watch" or value is None:
            continue
        lines.append(f"{param.name} = {_toml(value)}")
    for row in plain["watch"]:
        lines += ["", "[[watch]]", *(f"{key} = {_toml(value)}" for key, value in row.items())]
    return "\n".join(lines) + "\n"


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key} = {_toml(item)}" for key, item in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    return repr(value)


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: value.isoformat() if isinstance(value, dt.datetime) else list(value) if isinstance(value, tuple) else value
        for key, value in row.items()
    }
