"""The policies by name, each with the space in which it acts and its source."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from backtest.mechanics.adl.policies import factor, min_max, severity, shares, wealth
from backtest.mechanics.rule import Rule, declared

CONTRACTS, PNL, EQUITY, PART = "contracts", "PnL dollars", "equity dollars", "part of the deficit"
IMPOSSIBILITIES, LEARNING, RISK_BASED = "arXiv 2512.01112", "arXiv 2602.15182", "arXiv 2603.15963 v2"


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy(Rule):
    """A policy as a pure function; figures of different spaces do not compare."""

    space: str
    function: Callable[..., Any]


SEVERITIES: Mapping[str, Policy] = declared(
    "severity",
    {
        "venue": Policy(
            space=PART,
            function=severity.as_venue,
            sentence="The part of the deficit that the venue's own ADL took.",
            source=IMPOSSIBILITIES,
        ),
        "match": Policy(
            space=PART,
            function=severity.match,
            sentence="All of the deficit, or what the winners have.",
            source=IMPOSSIBILITIES,
        ),
        "static": Policy(
            space=PART,
            function=severity.static,
            sentence="One part of the deficit in every round.",
            source=IMPOSSIBILITIES,
        ),
        "backoff": Policy(
            space=PART,
            function=severity.backoff,
            sentence="Less by a factor for each recent shock.",
            source=IMPOSSIBILITIES,
        ),
        "online_gradient": Policy(
            space=PART,
            function=severity.online_gradient,
            sentence="Up after a round that took too little, down after one that took too much.",
            source=f"{LEARNING}, projected online gradient descent, Proposition 1",
        ),
        "socialised": Policy(
            space=EQUITY,
            function=severity.socialised,
            sentence="What ADL does not take is borne in proportion to positive equity.",
            source="Drift and Deribit, see on_exhausted",
        ),
    },
)

HAIRCUTS: Mapping[str, Policy] = declared(
    "haircut",
    {
        "queue": Policy(
            space=PNL,
            function=wealth.by_score,
            sentence="All of the highest score, then of the next.",
            source=f"{IMPOSSIBILITIES}, the queue in wealth",
        ),
        "random": Policy(
            space=PNL,
            function=wealth.random,
            sentence="All of one after the other, in random order.",
            source="this package: the queue without information, for comparison",
        ),
        "pro_rata": Policy(
            space=PNL,
            function=wealth.pro_rata,
            sentence="The same part of everybody's wealth.",
            source=IMPOSSIBILITIES,
        ),
        "leverage_weighted": Policy(
            space=PNL,
            function=wealth.leverage_weighted,
            sentence="In proportion to leverage x wealth, none beyond its wealth.",
            source=f"{IMPOSSIBILITIES}, levered pro-rata, made to add up to the budget",
        ),
        "capped": Policy(
            space=PNL,
            function=wealth.capped,
            sentence="The same part of everybody's wealth, none beyond its cap.",
            source=f"{IMPOSSIBILITIES}, capped pro-rata",
        ),
        "risk_aware": Policy(
            space=PNL,
            function=wealth.risk_aware,
            sentence="In proportion to leverage above a threshold, none beyond its cap.",
            source=f"{IMPOSSIBILITIES}, RAP",
        ),
        "min_max": Policy(
            space=EQUITY,
            function=min_max.programme,
            sentence="Whole lots of which the largest part of an account's equity is the least.",
            source=f"{LEARNING}, the integer programme, solved by HiGHS",
        ),
    },
)

LOTS: Mapping[str, Policy] = declared(
    "lots",
    {
        "queue": Policy(
            space=CONTRACTS,
            function=shares.by_order,
            sentence="Each whole in order, the last in part.",
            source="every venue whose queue is published",
        ),
        "largest_remainder": Policy(
            space=CONTRACTS,
            function=shares.largest_remainder,
            sentence="In proportion to lots, whole, by the largest remainder.",
            source=f"{LEARNING}, integer pro-rata, exact in lots and not in whole coins",
        ),
        "capped": Policy(
            space=CONTRACTS,
            function=shares.capped_lots,
            sentence="In proportion to lots, at most half of each; what is left goes round again.",
            source=f"{IMPOSSIBILITIES}, capped pro-rata with one cap, in lots",
        ),
        "weighted": Policy(
            space=CONTRACTS,
            function=shares.weighted,
            sentence="In proportion to weights, none beyond its position.",
            source=f"{IMPOSSIBILITIES}, capped pro-rata in lots",
        ),
        "min_max": Policy(
            space=CONTRACTS,
            function=min_max.smallest_parts,
            sentence="One by one to whom it leaves the smallest part of equity.",
            source=f"{LEARNING}, the min-max programme of one coin",
        ),
        "water_filling": Policy(
            space=CONTRACTS,
            function=factor.water_filling,
            sentence="The highest factor leverages come down to one level.",
            source=f"{RISK_BASED}, single-factor clipped water-filling",
        ),
    },
)
