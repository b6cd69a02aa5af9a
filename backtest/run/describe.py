"""What a run says about itself: labels, assumptions, what is not simulated, versions; the contents of run.json."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from backtest.mechanics.exact import RATE_ONE
from backtest.run.assumptions import assumptions, counted, not_simulated
from backtest.run.identity import version
from backtest.run.margin_modes import modes, portfolio_margin
from backtest.run.meta import (
    Contract,
    Digests,
    Event,
    Label,
    Labels,
    RunMeta,
    Settlement,
    SuspectValue,
    Tier,
    Venue,
    decode,
)
from backtest.run.whole_venue import whole_venue
from backtest.scenario.fields import Scenario
from backtest.scenario.writing import scenario_toml
from backtest.schema.coins import is_rest
from backtest.venue.settlement import coin_px

if TYPE_CHECKING:
    from backtest.catalogue.events import CrashEvent
    from backtest.market.terms import Terms
    from backtest.run.prepare import Prepared
    from backtest.venue.instrument import Instrument
    from backtest.venue.profile import VenueProfile

VERSIONS = ("crashbook", "numpy", "polars", "pyarrow", "duckdb")


def facts_of(prepared: Prepared, code: str) -> dict[str, Any]:
    """Return the columns of ``runs`` that say what was run."""
    scenario, labels = prepared.resolved.scenario, labels_of(prepared)
    return {
        "event_id": scenario.event, "venue": scenario.venue, "ranking": scenario.ranking,
        "allocation": scenario.adl_allocation, "seed": scenario.seed,
        "intrabar": scenario.intrabar, "open_interest_label": labels.open_interest.text,
        "book_label": prepared.book.label, "liquidity_label": labels.liquidity.text,
        "scenario_sha256": hashlib.sha256(portable(prepared).canonical()).hexdigest(), "code_sha256": code,
    }  # fmt: skip


def portable(prepared: Prepared) -> Scenario:
    """Return the scenario with an imported book named by its contents: where its file lies does not matter."""
    book = prepared.book
    name = f"book of sha256 {book.digest}" if book.label == "imported" else None
    return prepared.resolved.scenario.with_(positions_file=name)


def labels_of(prepared: Prepared) -> Labels:
    """Return badge and text of prices, open interest, book, mark and liquidity."""
    resolved, book, market = prepared.resolved, prepared.book, prepared.market
    scenario = resolved.scenario
    imported = book.label == "imported"
    why = resolved.sources["open_interest_usd"].removeprefix("event: ")
    scale = resolved.sources["liquidity_scale"].removeprefix("event: ")
    interest = Label(badge="measured" if why.startswith("measured") else "modelled", text=why)
    drawn = Label(badge="modelled", text=f"synthetic, drawn from seed {scenario.seed}")
    share = f"{scenario.participation_frac:.0%} of the traded volume, scaled ({scale})"
    return Labels(
        prices=_label(market.labels["prices"]),
        mark=_label(market.labels["mark"]),
        open_interest=Label(badge="imported", text="the sum of the imported book") if imported else interest,
        book=Label(badge="imported", text="an imported file") if imported else drawn,
        liquidity=Label(badge="modelled", text=share),
    )


def _label(row: Mapping[str, str]) -> Label:
    return decode({"badge": row["badge"], "text": row["text"]}, Label, "label")


def meta_of(prepared: Prepared, facts: Mapping[str, Any]) -> RunMeta:
    """Return the contents of run.json: everything a reader needs to judge or repeat the run, and no times."""
    resolved, market = prepared.resolved, prepared.market
    venue, scenario = resolved.venue, resolved.scenario
    named = portable(prepared)
    return RunMeta(
        run_id=prepared.run_id,
        threshold="<=" if venue.inclusive else "<",
        event=event_of(resolved.event),
        venue=venue_of(venue),
        stored_scenario=named.plain(),
        scenario_toml=scenario_toml(named),
        scenario_sources=dict(resolved.sources),
        contracts=contracts_of(prepared),
        labels=labels_of(prepared),
        settlement=settlement_of(prepared),
        assumptions=tuple(assumptions(prepared)),
        not_simulated=tuple(not_simulated(prepared)),
        notes=(*counted(prepared), *resolved.notes, *market.notes, *prepared.book.notes, *modes(prepared)),
        headline=(*resolved.headline, *whole_venue(prepared), *portfolio_margin(prepared)),
        versions={name: version(name) for name in VERSIONS},
        digests=Digests(
            data=market.digest,
            book=prepared.book.digest,
            code=facts["code_sha256"],
            scenario=facts["scenario_sha256"],
        ),
        watch=bool(scenario.watch),
        cross=bool(prepared.book.cross.any()),
        suspects=suspects_of(prepared),
    )


def suspects_of(prepared: Prepared) -> tuple[SuspectValue, ...]:
    """Return the doubtful values of the data used."""
    return tuple(
        SuspectValue(
            series=used.series,
            symbol=used.symbol,
            source=used.source,
            ts=used.suspect.ts,
            field=used.suspect.field,
            value=used.suspect.value,
            least=used.suspect.least,
            most=used.suspect.most,
            reason=used.suspect.reason,
            walked=used.walked,
        )
        for used in prepared.market.suspects
    )


def event_of(event: CrashEvent) -> Event:
    """Return what run.json holds of an event."""
    return Event(
        id=event.id,
        title=event.title,
        summary=event.summary,
        grade=event.grade,
        core_start=event.core_start,
        core_end=event.core_end,
        facts=event.facts,
        compare=event.compare,
        notes=event.notes,
    )


def venue_of(venue: VenueProfile) -> Venue:
    """Return what run.json holds of a venue."""
    return Venue(
        id=venue.id,
        name=venue.name,
        as_of=venue.as_of,
        notes=venue.notes,
        simplified=venue.simplified,
        sources=tuple(venue.sources.values()),
        points=venue.points,
        unverified=venue.unverified,
    )


def contracts_of(prepared: Prepared) -> tuple[Contract, ...]:
    """Return tick, lot and the margin table in force of every symbol, and where they come from."""
    resolved, out = prepared.resolved, []
    profile = f"profile of {resolved.venue.as_of}"
    for unit, terms, table in zip(prepared.market.instruments, resolved.terms, prepared.tables, strict=True):
        used = {row.name: row.source for row in terms.rows}
        tiers = (
            Tier(floor=floor, maintenance_rate=rate / RATE_ONE, leverage=most) for floor, rate, most in table.tiers
        )
        out.append(
            Contract(
                symbol=unit.symbol,
                kind="rest_of_venue" if is_rest(unit.symbol) else "bars",
                tick_px=f"{unit.tick:f}",
                lot=f"{unit.lot:f}",
                lot_of=unit.unit,
                units_from=_units_from(unit, terms, profile),
                margin_table_from=table.valid_from,
                margin_table_coin=table.coin,
                margin_source=used.get("leverage_tiers", f"{profile}: {table.source}"),
                margin_mark=table.mark,
                margin_note=table.note,
                floors_in=table.unit,
                tiers=tuple(tiers),
            )
        )
    return tuple(out)


def _units_from(unit: Instrument, terms: Terms, profile: str) -> str:
    """Return where tick and lot come from: declared for the rest of the venue, else the lake or the profile."""
    if is_rest(unit.symbol):
        return "declared: no venue lists it"
    return next(row.source for row in terms.rows if row.name == "limits") if terms.listed else profile


def settlement_of(prepared: Prepared) -> Settlement:
    """Return the settlement currency of the run and, of a coin, the first mark at which it counts."""
    unit = prepared.market.instruments[0]
    px = coin_px([unit], [int(prepared.world.walk.mark[0, 0])])
    if px is None:
        return Settlement(contract="linear", currency=unit.symbol.partition(":")[2], coin_px=None)
    return Settlement(contract="inverse", currency=unit.coin, coin_px=float(px))
