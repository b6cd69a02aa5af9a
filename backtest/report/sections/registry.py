"""The sections of the report as data: id, question, the sentence that answers it, parts with their queries."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from markupsafe import Markup

from backtest.report.findings import Findings
from backtest.report.numbers import say
from backtest.report.sections import adds_up, by_account, headlines, published
from backtest.report.sections import what_happened as happened
from backtest.report.sections import who_paid as paid
from backtest.report.sections import who_was_closed as closed
from backtest.report.story import sentences

Answer = Callable[[Findings], Markup]


@dataclass(frozen=True, slots=True)
class Part:
    """A figure or a table: its title with units, how it is made, and the queries it is made from."""

    title: str
    make: Answer
    queries: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Section:
    """A question, its answer and what shows it."""

    id: str
    label: str
    question: str
    answer: Answer
    parts: tuple[Part, ...] = ()
    shown: Callable[[Findings], bool] = lambda f: True


def _story(f: Findings) -> Markup:
    return Markup("").join(say("<p>{s}</p>", s=sentence) for sentence in sentences(f))


def _watched(f: Findings) -> bool:
    return f.meta.watch


def _cross(f: Findings) -> bool:
    return f.meta.cross


SECTIONS = (
    Section("story", "Story", "What happened, in plain words?", _story),
    Section(
        "numbers",
        "Numbers",
        "What are the headline numbers?",
        headlines.tiles_answer,
        (Part("", headlines.tiles_markup, ("run_summary",)),),
    ),
    Section(
        "price",
        "Price",
        "What happened to the price?",
        happened.price_answer,
        (
            Part(
                "Trade and mark price, quote per base; ADL as verticals, liquidations as a strip",
                happened.price_figure,
                ("price_path", "liquidations_per_minute", "adl_waves"),
            ),
            Part("First, low, high and last, quote per base", happened.moves_table, ("price_moves",)),
        ),
    ),
    Section(
        "liquidated",
        "Liquidations",
        "Who was liquidated?",
        happened.liquidated_answer,
        (
            Part(
                "Liquidated notional at the mark of the breach",
                happened.liquidations_figure,
                ("liquidations_per_minute",),
            ),
            Part(
                "Share of each cohort's opening notional that was liquidated",
                happened.cohort_table,
                ("liquidations_by_cohort",),
            ),
            Part("The largest liquidations", happened.largest_table, ("largest_liquidations",)),
        ),
    ),
    Section(
        "map",
        "Map",
        "Where did the liquidations sit?",
        happened.map_answer,
        (Part("Opening book by liquidation price", happened.map_figure, ("liquidation_price_map",)),),
    ),
    Section(
        "cascade",
        "Cascade",
        "How deep did the cascade go?",
        happened.cascade_answer,
        (
            Part(
                "Pressure: breached notional of a minute over the notional its liquidity could take",
                happened.pressure_figure,
                ("liquidity_pressure",),
            ),
            Part(
                "Criticality R: notional a further move of 10 bps would liquidate over the notional the book takes for "
                "that move; above 1 the move carries itself on",
                happened.criticality_figure,
                ("criticality_by_minute",),
            ),
            Part("Cascades: liquidations without a quiet minute between them", happened.cascade_table, ("cascades",)),
        ),
    ),
    Section(
        "cross",
        "Cross margin",
        "What did cross margin change?",
        by_account.contagion_answer,
        (
            Part(
                "Dragged along: liquidated though its own price would not have done it. Carried: the other way round",
                by_account.contagion_table,
                ("cross_contagion",),
            ),
            Part(
                "Accounts that lost several coins in one step, the largest",
                by_account.several_table,
                ("multi_coin_breaches",),
            ),
        ),
        shown=_cross,
    ),
    Section(
        "paid",
        "Who paid",
        "Who paid?",
        paid.paid_answer,
        (
            Part("Cash and equity of fund and vault", paid.balance_figures, ("fund_balance",)),
            Part("From collateral to uncovered, USD; the stages sum to zero", paid.waterfall, ("loss_waterfall",)),
            Part("Movements of fund and vault by cause", paid.flows_table, ("fund_flows",)),
            Part("Funds that ran dry, refused or had deleveraging on", paid.switches, ("fund_timeline",)),
            Part("Funding paid and received by side; it sums to zero", paid.funding_table, ("funding_flows",)),
        ),
    ),
    Section(
        "queue",
        "Queue",
        "Who was closed, and in which order?",
        closed.queue_answer,
        (
            Part(
                "Closed by auto-deleveraging, symbol by symbol",
                closed.by_symbol_table,
                ("adl_impact_by_symbol", "adl_causes"),
            ),
            Part(
                "The queue of the largest wave, and how unevenly all of ADL fell",
                closed.haircut_and_lorenz,
                ("adl_haircut_by_rank", "adl_concentration"),
            ),
            Part(
                "The queue of the largest wave: first ranks, the last one reached, those not reached right behind",
                closed.queue_table,
                ("adl_selection_order",),
            ),
            Part("The largest waves", closed.waves_table, ("adl_waves",)),
            Part("Closed by leverage bucket", closed.adl_cohort_table, ("adl_by_cohort",)),
            Part(
                "Who missed most by being closed, at the best mark afterwards",
                closed.forgone_table,
                ("forgone_pnl", "adl_first_closed"),
            ),
        ),
    ),
    Section(
        "mine",
        "My positions",
        "What happened to my positions?",
        closed.mine_answer,
        (
            Part(
                "Place in the queue, per cent of the candidates in front; closed in colour",
                closed.mine_figures,
                ("watch_ranks",),
            ),
            Part("What became of them", closed.mine_table, ("hedges",)),
        ),
        shown=_watched,
    ),
    Section(
        "sure",
        "How sure",
        "How sure are we?",
        published.sure_answer,
        (
            Part("This run against published figures", published.facts_table, ("window_metrics",)),
            Part("One setting changed at a time", headlines.sensitivity_table, ("run_summary",)),
            Part("The headline numbers over seeds", headlines.bands_table, ("seed_spread",)),
        ),
    ),
    Section(
        "checks",
        "Checks",
        "Does it add up?",
        adds_up.checks_answer,
        (
            Part("Audits: queries that must return no row", adds_up.audits_table),
            Part("Data used", adds_up.coverage_table, ("data_coverage",)),
            Part("Assumptions and limits", adds_up.limits),
            Part("Scenario", adds_up.scenario_text),
            Part("Versions", adds_up.versions_table),
        ),
    ),
)
