"""The rare paths that a run took, by name: what drawn worlds have to meet, counted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from backtest.engine.records import CAUSES, FUND, OWNERS, VAULT
from backtest.engine.run import Outcome
from tests.engine.holds import rows


def paths(world: dict[str, Any], outcome: Outcome, result: dict[str, Any]) -> set[str]:
    """Return the paths that one run took."""
    return {*_money(world, outcome), *_liquidations(world, outcome), *_adl(world, outcome, result)}


def _money(world: dict[str, Any], outcome: Outcome) -> Iterator[str]:
    for row in rows(outcome.record.transfers):
        cause, giver = CAUSES[row["cause"]], OWNERS[row["giver"]]
        yield f"{cause}: {giver}" if cause in {"takeover", "residual", "fee", "exhausted", "shortfall"} else cause
    for row in outcome.record.fund_events:
        yield f"{OWNERS[row.pool]} {row.event} {row.cause}".strip()
    yield from _vaults(outcome)
    if len(world["profile"]["fund"].get("pools") or ()) > 1 and any(
        row.pool == FUND for row in outcome.record.fund_events
    ):
        yield "several funds"


def _vaults(outcome: Outcome) -> Iterator[str]:
    """Yield what several vaults, or vaults that keep a margin, did."""
    rule = outcome.world.rules.vault
    if rule is None:
        return
    took = {row["giver_row"] for row in rows(outcome.record.transfers) if _is(row, "takeover", VAULT)}
    waves = [wave for wave in outcome.record.waves if wave.source == OWNERS[VAULT] and wave.closed_lots]
    if len(rule.capitals) > 1:
        if len(took) > 1:
            yield "several vaults"
        dead = {rule.of[wave.symbol] for wave in waves}
        if dead and took - dead:
            yield "one vault of several deleveraged"
    if rule.keeps_margin and waves:
        yield "vault margin: deleveraged"


def _is(row: dict[str, Any], cause: str, giver: int) -> bool:
    return CAUSES[row["cause"]] == cause and row["giver"] == giver


def _liquidations(world: dict[str, Any], outcome: Outcome) -> Iterator[str]:
    rule = world["profile"].get("liquidation_rule", "full_position")
    breaches = rows(outcome.record.breaches)
    for row in breaches:
        placed = row["book_lots"] + row["takeover_lots"] + row["adl_lots"]
        symbol = list(world["symbols"])[row["symbol"]]
        if placed and row["deferred_lots"]:
            yield f"part: {rule}"
        elif row["deferred_lots"]:
            yield "deferred"
        if row["refused"]:
            yield "order refused by its limit"
        if world["symbols"][symbol].get("inverse"):
            yield "inverse"
        if outcome.accounts is not None and outcome.accounts.of[row["row"]] >= 0:
            yield "cross account"
        if row["round"] > 0:
            yield "later round"
    if len({row["row"] for row in breaches}) < len(breaches):
        yield "same position again"
    for each in outcome.record.rounds:
        yield "feedback rounds capped" if each.capped else "feedback rounds"


def _adl(world: dict[str, Any], outcome: Outcome, result: dict[str, Any]) -> Iterator[str]:
    profile = world["profile"]
    allocation = profile.get("adl_allocation", "queue")
    for wave in outcome.record.waves:
        if wave.closed_lots:
            yield f"adl ranking: {profile['ranking']}" if allocation == "queue" else f"adl by {allocation}"
            yield f"adl of: {wave.source}"
            if wave.winners > 1:
                yield "adl of several winners"
    for row in rows(outcome.record.slices):
        if row["rank"] == 0:
            yield "own opposite leg"
    if result["skipped"]:
        yield "winner skipped"
    for *_, taker in result["unmatched"]:
        yield f"unmatched to: {taker}"
