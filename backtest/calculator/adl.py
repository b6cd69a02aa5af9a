"""A position as a candidate for deleveraging: its score and the price it would be closed at."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from backtest.calculator import contracts
from backtest.calculator.figure import NO_VALUE, Figure, _origin, _price
from backtest.calculator.position import Position, row
from backtest.mechanics.adl.candidates import Candidates
from backtest.mechanics.adl.rankings import scored
from backtest.venue.profile import VenueProfile

LOSING = {"last": "losing, so behind every winner", "excluded": "losing, so not in the queue"}

CLOSE_PRICE = {
    "bankruptcy": "bankruptcy price of the position that went bankrupt; were it this one, its counterparties'",
    "mark": "mark at the end of the step",
    "previous_mark": "mark of three seconds before, which one price does not tell",
}


def _adl(held: Position, profile: VenueProfile) -> Iterator[Figure]:
    score, rule = _score(held, str(profile.rules["ranking"]), str(profile.rules["losers"]))
    yield Figure("adl_score", score, rule, *_origin(profile, "ranking"))
    close, origin = str(profile.rules["close_price"]), _origin(profile, "close_price")
    if profile.rules["ranking"] == "none":
        rule = f"no ADL: closed at the mark; what that lacks: {profile.rules['on_exhausted']}"
        yield Figure("adl_close_rule", "none", rule, *origin)
        yield Figure("adl_close_px", None, NO_VALUE + "the venue has no ADL", *origin)
        return
    yield Figure("adl_close_rule", close, CLOSE_PRICE[close], *origin)
    prices = {
        "bankruptcy": contracts.bankruptcy_price(held.exact()),
        "mark": held.mark * Fraction(held.instrument.mark_quantum),
        "previous_mark": None,
    }
    price = prices[close]
    rule = "that price here" if price else NO_VALUE + "not known from one position and mark"
    yield Figure("adl_close_px", _price(price, held.instrument), rule, *origin)


def _score(held: Position, name: str, losers: str) -> tuple[float | None, str]:
    """Return the score of the position as a candidate at this mark and the rule, or why there is none."""
    ranking, losing = scored(name), LOSING.get(losers, "") if held.pnl < 0 else ""
    reasons = {
        "the venue has no ADL": name == "none",
        "the order is pseudo-random": ranking is None,
        "not in the queue without equity": held.equity <= 0,
        "not in the queue while in breach": held.breached(),
        losing: losing and losers == "excluded",
    }
    why = next((reason for reason, holds in reasons.items() if holds), None)
    if ranking is None or why is not None:
        return None, f"{NO_VALUE}{why}"
    lots, entry_value, value, pnl, equity = map(row, (held.lots, held.entry_value, held.value, held.pnl, held.equity))
    score = float(ranking.exact(Candidates(held.side, lots, entry_value, value, pnl, equity, held.tiers), 0))
    return score, "; ".join(filter(None, (ranking.source, losing)))
