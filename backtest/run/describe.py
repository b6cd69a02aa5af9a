"""What a run says about itself: labels, assumptions, what is not simulated, versions; the contents of run.json."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from backtest.catalogue.facts import plain
from backtest.mechanics.exact import RATE_ONE
from backtest.run.assumptions import assumptions, counted, not_simulated
from backtest.scenario.fields import Scenario
from backtest.scenario.writing import scenario_toml
from backtest.venue.settlement import coin_px

if TYPE_CHECKING:
    from backtest.run.prepare import Prepared

VERSIONS = ("crashbook", "numpy", "polars", "pyarrow", "duckdb")


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
        "not_simulated": not_simulated(prepared),
        "flags": [*counted(prepared), *resolved.notes, *market.notes, *prepared.book.notes],
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


def settlement_of(prepared: Prepared) -> dict[str, Any]:
    """Return what the run's money is: the settlement currency and, of a coin, the first mark at which it counts."""
    unit = prepared.market.instruments[0]
    px = coin_px([unit], [int(prepared.world.walk.mark[0, 0])])
    if px is None:
        return {"contract": "linear", "currency": unit.symbol.partition(":")[2], "coin_px": None}
    return {"contract": "inverse", "currency": unit.coin, "coin_px": float(px)}
