"""What a run assumes and leaves out, in plain sentences; those of rules are the rules' own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from backtest.mechanics.rule import check_figures
from backtest.scenario.fields import PARAMS, RULES, Scenario
from backtest.schema.coins import REST
from backtest.venue.settlement import coin_px, sentence

if TYPE_CHECKING:
    from backtest.run.prepare import Prepared

ALL_ISOLATED = "Cross-margin contagion: every position is isolated, a loss in one coin takes no position in another."
NOT_SIMULATED = (
    "Voluntary closing, stops, top-ups of collateral, new positions: open interest falls by liquidation and ADL only.",
    "Portfolio margin, collateral haircuts and outages of the venue.",
)
STAY_SIMULATED = "Stops, top-ups of collateral, new positions, voluntary closing in answer to prices."
TAPE = "Feedback of this run's orders on the price: the tape already contains the cascade; --set path=feedback adds it."

ON_ENTRY = "Maintenance margin is on the entry value of a position, whatever the mark: the venue's rule on that day."


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
    adl = [] if scenario.ranking == "none" else [_allocation(prepared)]
    accounts = [crossed] if prepared.book.cross.any() else []
    entry = [ON_ENTRY] if any(tiers.on_entry for tiers in prepared.world.tiers) else []
    rules = [liquidation, *adl, exhausted, *accounts, *_funds(prepared), _tables(prepared), *entry, *_funding(prepared)]
    return [*counted(prepared), walked, liquidity, impact, *displaced, *rules, *drawn, *_exits(scenario)]


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


def _allocation(prepared: Prepared) -> str:
    own = prepared.world.rules.user_allocation
    return sentence_of("adl_allocation", prepared.resolved.scenario) if own is None else own.sentence


def sentence_of(field: str, scenario: Scenario) -> str:
    """Return the sentence of the rule that a scenario chose for a field, with its figures."""
    return RULES[field][getattr(scenario, field)].sentence.format_map(figures(scenario))


def _funds(prepared: Prepared) -> list[str]:
    """Return the sentences on several funds, the drawdown that switches deleveraging on, and the vaults."""
    scenario, rules, sentences = prepared.resolved.scenario, prepared.world.rules, []
    if rules.pools:
        how = "by open interest" if not isinstance(scenario.fund_start_usd, Mapping) else "as stated per coin"
        sentences.append(f"{len(rules.pools)} insurance funds ({scenario.fund_pools}), their start divided {how}.")
    if scenario.drawdown_trigger != "none":
        sentences.append(sentence_of("drawdown_trigger", scenario))
    if len(vaults := prepared.resolved.vaults) > 1:
        stated = ", ".join(f"{each.name} with {each.capital:,.0f} USD" for each in vaults)
        sentences.append(f"{len(vaults)} vaults: {stated}.")
    if rules.vault:
        sentences.append(sentence_of("vault_margin", scenario))
    return sentences


def _exits(scenario: Scenario) -> list[str]:
    if not scenario.voluntary_exit_frac:
        return []
    share, half_life_s = scenario.voluntary_exit_frac, scenario.voluntary_exit_half_life_s
    sentence = (
        f"Voluntary exits (a prior, U): {share:.0%} of each side's lots wants to leave, half of the rest of it every "
        f"{half_life_s:g} s; a long and a short close with each other at the trade price, unless the account of either "
        "is in breach at the mark or would have no equity left."
    )
    return [sentence]


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
    """Return the sentence on the accounts of a synthetic book."""
    coins = len(scenario.simulated_coins)
    if not scenario.cross_frac or coins == 1:
        return "each position is an account of its own."
    return (
        f"{scenario.cross_frac:.0%} of notional is in cross accounts of {min(scenario.positions_per_account, coins):g} "
        f"coins on average, {scenario.hedged_frac:.0%} of these long in some and short in others, the rest alone; no "
        "venue publishes these shares (U)."
    )


def _tables(prepared: Prepared) -> str:
    """Return the sentence on the margin table in force for each coin."""
    named = []
    for terms, table in zip(prepared.resolved.terms, prepared.tables, strict=True):
        lake = any(row.name == "leverage_tiers" for row in terms.rows)
        own = "" if table.coin == terms.coin else ", of any coin without its own"
        named.append(f"{terms.coin} of {table.valid_from} ({'lake' if lake else 'profile'}{own})")
    return f"Margin tables in force on {prepared.resolved.event.day}: {', '.join(named)}."


def counted(prepared: Prepared) -> list[str]:
    """Return the sentence on amounts of a run settled in a coin, none where it settles in dollars."""
    unit = prepared.market.instruments[0]
    px = coin_px([unit], [int(prepared.world.walk.mark[0, 0])])
    return [] if px is None else [sentence(unit, px)]


def not_simulated(prepared: Prepared) -> list[str]:
    """Return the sentences on behaviour that is not simulated."""
    coins = ", ".join(prepared.resolved.scenario.coins)
    others = f"Other coins of the venue: only {coins} are simulated and compared with their facts."
    if REST in prepared.resolved.scenario.simulated_coins:
        others = f"Other coins of the venue one by one: {REST} stands for all; only {coins} are compared with facts."
    isolated = [] if prepared.book.cross.any() else [ALL_ISOLATED]
    behaviour = NOT_SIMULATED
    if prepared.resolved.scenario.voluntary_exit_frac:
        behaviour = (STAY_SIMULATED, *NOT_SIMULATED[1:])
    return [others, *isolated, *behaviour, *([TAPE] if prepared.resolved.scenario.path == "tape" else [])]
