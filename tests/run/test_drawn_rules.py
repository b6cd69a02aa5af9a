"""Scenarios of rules put together at random, of any venue, run and pass every audit; ``CRASHBOOK_RULES`` asks for more.

The audits recompute in SQL, from the tables alone, what the engine did: what no profile combines is run here too.
"""

from __future__ import annotations

import datetime as dt
import os
import random
from collections.abc import Sequence
from typing import Any

import pytest

from backtest.api.replay import replay
from backtest.scenario.fields import RULES
from backtest.venue.reading import get_venue, venue_names
from tests.support.plain import LONG_STEPS

MANY = int(os.environ.get("CRASHBOOK_RULES", "8"))
FALLS = {
    day: {edge: dt.datetime.fromisoformat(f"{day}T{time}") for edge, time in zip(("start", "end"), times, strict=True)}
    for day, times in (("2025-10-10", ("21:12", "21:24")), ("2020-03-12", ("10:30", "11:00")))
}
OWN = object()  # the venue's own value
EVENTS = ("2025-10-10", "2025-10-10", "2025-10-10", "2020-03-12")
CHOICES: dict[str, tuple[Any, ...]] = {
    "liquidation_rule": tuple(RULES["liquidation_rule"]),
    "close_price": tuple(RULES["close_price"]),
    "ranking": ("none", "bitmex", "binance", "hyperliquid", "ethereal", "random"),
    "losers": tuple(RULES["losers"]),
    "max_candidates": (0, 3),
    "adl_allocation": tuple(RULES["adl_allocation"]),
    "on_exhausted": tuple(RULES["on_exhausted"]),
    "residual_owner": ("account", "fund", "vault"),
    "fee_rate": (0.0, 0.005),
    "fee_owner": ("venue", "fund"),
    "fund_pools": ("shared", "isolated"),
    "drawdown_trigger": ("none", "pnl_ratio", "pool_drawdown"),
    "fund_takeover": ("bankruptcy", "none"),
    "fund_shortfall": ("divisible", "all_or_nothing"),
    "fund_start_usd": (0.0, 1e6, 1e8),
    "fund_floor_usd": (-1e6, 0.0, 1e5),
    "inventory_adl": ("none", "below_floor", "to_trigger"),
    "vault_capital_usd": (0.0, 1e5, 2e7),
    "vaults": ((), "BTC:1e6,*:3e6", "SOL+BTC:2e5,*:0"),
    "vault_margin": ("none", "maintenance"),
    "intrabar": ("ohlc", "adverse_first", "close"),
    "path": ("tape", "tape", "tape", "feedback"),
    "liquidity_factor": (0.1, 0.5, 1.0),
    "cross_order": ("maintenance", "loss"),
}  # fmt: skip


def card(number: int, name: str, values: Sequence[Any]) -> Any:
    """Return the value that a scenario draws: from a deck shuffled anew when it is used up, so that none is missed."""
    deck = list(values)
    random.Random(f"{name} {number // len(deck)}").shuffle(deck)
    return deck[number % len(deck)]


def drawn(number: int) -> tuple[str, dict[str, Any]]:
    """Draw an event and a scenario: about half of the rules differ from the venue's, and fit together."""
    rng = random.Random(number)
    event, venue = card(number, "event", EVENTS), card(number, "venue", venue_names())
    cards = {name: card(number, name, [*values, *[OWN] * len(values)]) for name, values in CHOICES.items()}
    fields = {name: value for name, value in cards.items() if value is not OWN}
    fields |= {"venue": venue, "seed": rng.randrange(1000), "positions": rng.choice((200, 400)), "max_rounds": 3}
    fields |= LONG_STEPS
    profile = get_venue(venue)
    rule = {**profile.rules, **fields}
    fields |= FALLS[event]
    if event == "2020-03-12" or venue == "binancecoinm":
        fields["coins"] = ("BTC",)
    elif rng.random() < 0.5:
        fields |= {
            "positions_per_account": 2,
            "cross_frac": rng.choice((0.5, 1.0)),
            "hedged_frac": rng.choice((0.0, 0.5)),
        }
    if rule["vault_capital_usd"] or rule["vaults"]:
        fields["cross_allocation"] = "by_maintenance"
    elif rule["residual_owner"] == "vault":
        fields["residual_owner"] = "fund"
    if rule["inventory_adl"] == "to_trigger" and rule["drawdown_trigger"] == "none":
        fields["inventory_adl"] = "below_floor"
    return event, fields


@pytest.mark.parametrize("number", range(MANY))
def test_every_audit_of_drawn_rules_passes(number: int) -> None:
    event, fields = drawn(number)
    run = replay(event, **fields)
    assert [audit.name for audit in run.audits() if not audit.passed] == [], (event, fields)
