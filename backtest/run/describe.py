"""What a run says about itself: labels, assumptions, what is not simulated, versions; the contents of run.json."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from backtest.catalogue.facts import plain
from backtest.mechanics.exact import RATE_ONE
from backtest.mechanics.rule import check_figures
from backtest.scenario.fields import PARAMS, RULES, Scenario
from backtest.venue.settlement import coin_px, sentence

if TYPE_CHECKING:
    from backtest.run.pipeline import Prepared

VERSIONS = ("crashbook", "numpy", "polars", "pyarrow", "duckdb")
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
            "facts": [plain(fact) for fact in event.facts], "compare": [plain(row) for row in event.compare],
            "notes": list(event.notes),
        },
        "venue": {
            "id": venue.id, "name": venue.name, "as_of": venue.as_of.isoformat(), "notes": list(venue.notes),
            "simplified": [plain(row) for row in venue.simplified],
            "sources": [plain(row) for row in venue.sources.values()],
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


def assumptions(prepared: Prepared) -> list[str]:
    """Return the assumptions of the run in plain sentences."""
    scenario = prepared.resolved.scenario
    feedback = (
        "Prices are those of the tape, displaced by the impact of this run's flow less that of the baseline's (the "
        f"same run unchanged, on the tape); what is displaced halves every {scenario.feedback_half_life_s:g} s, and at "
        f"one price liquidation and impact take turns at most {scenario.max_rounds} times."
    )
    liquidity = (
        f"The book can take {scenario.participation_frac:.0%} of the scaled volume of a bar, freed in equal parts as "
        "the bar is walked; unused liquidity expires with the bar."
    )
    sizes = (
        f"Sizes: stratified quantiles of a lognormal body (sigma {scenario.size_sigma:g}) with a Pareto tail (alpha "
        f"{scenario.size_alpha:g}) for {scenario.size_tail_frac:.0%} of accounts, capped at "
        f"{scenario.size_cap_frac:.0%} of a side; leverage by notional from the stated mixture; {_owners(scenario)}"
    )
    drawn = [sizes] if prepared.book.label == "synthetic" else []
    displaced = [feedback] if scenario.path == "feedback" else []
    walked, impact, liquidation, exhausted, crossed = (
        sentence_of(field, scenario)
        for field in ("intrabar", "impact", "liquidation_rule", "on_exhausted", "cross_allocation")
    )
    accounts = [crossed] if prepared.book.cross.any() else []
    rules = [liquidation, exhausted, *accounts, *_funds(prepared), _tables(prepared), *_funding(prepared)]
    return [*counted(prepared), walked, liquidity, impact, *displaced, *rules, *drawn]


DERIVED = ("trigger", "stop", "window_h")  # figures of sentences that no scenario field holds as it is printed
check_figures(RULES, {*(param.name for param in PARAMS), *DERIVED})


def figures(scenario: Scenario) -> dict[str, Any]:
    """Return the figures that sentences of rules may name: every scenario field, and those of ``DERIVED``."""
    trigger, stop = (
        f"{value:.0%}" if isinstance(value, float) else "its share by coin"
        for value in (scenario.drawdown_trigger_frac, scenario.drawdown_stop_frac)
    )
    derived = dict(zip(DERIVED, (trigger, stop, scenario.drawdown_window_s / 3600), strict=True))
    return {param.name: getattr(scenario, param.name) for param in PARAMS} | derived


def sentence_of(field: str, scenario: Scenario) -> str:
    """Return the sentence of the rule that a scenario chose for a field, with its figures."""
    return RULES[field][getattr(scenario, field)].sentence.format_map(figures(scenario))


def _funds(prepared: Prepared) -> list[str]:
    """Return the sentences on several funds and on the drawdown that switches deleveraging on."""
    scenario, rules, said = prepared.resolved.scenario, prepared.world.rules, []
    if rules.pools:
        how = "by open interest" if not isinstance(scenario.fund_start_usd, Mapping) else "as stated per coin"
        said.append(f"{len(rules.pools)} insurance funds ({scenario.fund_pools}), their start divided {how}.")
    if scenario.drawdown_trigger != "none":
        said.append(sentence_of("drawdown_trigger", scenario))
    return said


def _funding(prepared: Prepared) -> list[str]:
    events = prepared.world.funding
    if not events:
        return []
    count = f"{len(events)} settlements" if len(events) > 1 else "1 settlement"
    on_oracle = sum(event.oracle > 0 for event in events)
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
