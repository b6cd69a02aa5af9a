"""The named queries of a run as methods, with their parameters and defaults.

Written by ``python -m tests.api.questions`` from the headers of ``queries``; a test compares the two.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl


class Questions:
    """The named queries of a run: ``run.queries.adl_waves(symbol="BTC")`` is a polars frame."""

    def __init__(self, ask: Callable[..., pl.DataFrame]) -> None:
        self._ask = ask

    def account_outcomes(self) -> pl.DataFrame:
        """Return the answer to "What happened to each position, in fact and in the replay?"."""
        return self._ask("account_outcomes")

    def actual_account_bands(self, *, kind: str = "liquidation", symbol: str | None = None) -> pl.DataFrame:
        """Return the answer to "How often is the replay right by distance to liquidation and by size?"."""
        return self._ask("actual_account_bands", kind=kind, symbol=symbol)

    def actual_account_score(self, *, symbol: str | None = None) -> pl.DataFrame:
        """How often is the replay right about an account, and is the distance to liquidation alone better."""
        return self._ask("actual_account_score", symbol=symbol)

    def actual_accounts(
        self,
        *,
        kind: str = "liquidation",
        symbol: str | None = None,
        outcome: str | None = None,
        addresses: bool = False,
        limit: int = 50,
    ) -> pl.DataFrame:
        """Return the answer to "Which accounts were closed by force, in fact and in the replay?"."""
        return self._ask("actual_accounts", kind=kind, symbol=symbol, outcome=outcome, addresses=addresses, limit=limit)

    def actual_adl_order(self, *, symbol: str | None = None, limit: int = 50) -> pl.DataFrame:
        """Return the answer to "Whom did the venue deleverage first?"."""
        return self._ask("actual_adl_order", symbol=symbol, limit=limit)

    def actual_by_minute(self, *, symbol: str | None = None) -> pl.DataFrame:
        """Return the answer to "How does the replay compare with what happened, minute by minute?"."""
        return self._ask("actual_by_minute", symbol=symbol)

    def actual_methods(self, *, symbol: str | None = None) -> pl.DataFrame:
        """Return the answer to "What did the order book take of liquidations, and what the backstop?"."""
        return self._ask("actual_methods", symbol=symbol)

    def actual_timing(self, *, symbol: str | None = None) -> pl.DataFrame:
        """Return the answer to "Does the replay close by force when the venue did?"."""
        return self._ask("actual_timing", symbol=symbol)

    def adl_bankrupts(self, *, symbol: str | None = None) -> pl.DataFrame:
        """Return the answer to "Was ADL set off by accounts, or by what a vault or fund had taken over?"."""
        return self._ask("adl_bankrupts", symbol=symbol)

    def adl_by_cohort(self) -> pl.DataFrame:
        """Return the answer to "Which traders were deleveraged?", one row per cohort and side of the winners."""
        return self._ask("adl_by_cohort")

    def adl_causes(self) -> pl.DataFrame:
        """Return the answer to "Why was there ADL while the fund still had money?", one row."""
        return self._ask("adl_causes")

    def adl_concentration(self) -> pl.DataFrame:
        """Return the answer to "How unevenly did auto-deleveraging fall?"."""
        return self._ask("adl_concentration")

    def adl_first_closed(self) -> pl.DataFrame:
        """Return the answer to "Who was closed first, and what did they forgo?"."""
        return self._ask("adl_first_closed")

    def adl_haircut_by_rank(self, *, wave_id: int | None = None) -> pl.DataFrame:
        """Return the answer to "How much did each place in the queue give up?"."""
        return self._ask("adl_haircut_by_rank", wave_id=wave_id)

    def adl_impact_by_symbol(self) -> pl.DataFrame:
        """Return the answer to "In which symbols did auto-deleveraging fall?", one row per symbol."""
        return self._ask("adl_impact_by_symbol")

    def adl_in_window(
        self,
        *,
        start: dt.datetime | str,
        end: dt.datetime | str,
        symbol: str | None = None,
    ) -> pl.DataFrame:
        """Return the answer to "Whom did auto-deleveraging close in a window, and how?", one row."""
        return self._ask("adl_in_window", symbol=symbol, start=start, end=end)

    def adl_selection_order(self, *, wave_id: int | None = None, limit: int = 50) -> pl.DataFrame:
        """Return the answer to "Who was closed, in which order?"."""
        return self._ask("adl_selection_order", wave_id=wave_id, limit=limit)

    def adl_waves(self, *, symbol: str | None = None) -> pl.DataFrame:
        """Return the answer to "When did auto-deleveraging strike?", one row per wave."""
        return self._ask("adl_waves", symbol=symbol)

    def cascades(self) -> pl.DataFrame:
        """Return the answer to "How did the cascade run?", one row per cascade."""
        return self._ask("cascades")

    def closed_by_leverage(self, *, symbol: str | None = None, side: str | None = None) -> pl.DataFrame:
        """Return the answer to "How often were positions like mine closed, by leverage?"."""
        return self._ask("closed_by_leverage", symbol=symbol, side=side)

    def cross_contagion(self) -> pl.DataFrame:
        """Return the answer to "What did cross margin change?", one row per symbol, margin mode and side."""
        return self._ask("cross_contagion")

    def data_coverage(self) -> pl.DataFrame:
        """Return the answer to "Which data was there?", one row per series and symbol."""
        return self._ask("data_coverage")

    def draw_adl_by_capital(self, *, neighbours: int = 5) -> pl.DataFrame:
        """Return the answer to "How does ADL follow the capital of a vault?"."""
        return self._ask("draw_adl_by_capital", neighbours=neighbours)

    def draw_adl_by_minute(self) -> pl.DataFrame:
        """Return the answer to "In which minutes do the draws close winners?"."""
        return self._ask("draw_adl_by_minute")

    def draw_cliffs(self) -> pl.DataFrame:
        """Return the answer to "How often is there any ADL, and how often does a vault die?", one row."""
        return self._ask("draw_cliffs")

    def draw_drivers(self) -> pl.DataFrame:
        """Return the answer to "Which unknowns does a headline number follow?"."""
        return self._ask("draw_drivers")

    def draw_parameters(self) -> pl.DataFrame:
        """Return the answer to "Which values were drawn?", one row per number drawn."""
        return self._ask("draw_parameters")

    def draw_spread(self) -> pl.DataFrame:
        """Return the answer to "How much do the headlines depend on what is not known?"."""
        return self._ask("draw_spread")

    def draw_spread_by_symbol(self) -> pl.DataFrame:
        """Return the answer to "How much do a symbol's liquidations and ADL depend on what is not known?"."""
        return self._ask("draw_spread_by_symbol")

    def draw_vault_spread(self) -> pl.DataFrame:
        """Return the answer to "How low does each vault fall, and how often does it die?", one row per vault."""
        return self._ask("draw_vault_spread")

    def fact_scores(self) -> pl.DataFrame:
        """Return the answer to "How close do the draws come to published facts?"."""
        return self._ask("fact_scores")

    def forced_sales_in_window(
        self,
        *,
        start: dt.datetime | str,
        end: dt.datetime | str,
        symbol: str | None = None,
    ) -> pl.DataFrame:
        """Return the answer to "Who absorbed the forced sales of a window, and how soon did they come?", one row."""
        return self._ask("forced_sales_in_window", symbol=symbol, start=start, end=end)

    def forgone_pnl(self, *, limit: int = 20) -> pl.DataFrame:
        """Return the answer to "Who missed the most by being closed?"."""
        return self._ask("forgone_pnl", limit=limit)

    def fund_balance(self) -> pl.DataFrame:
        """Return the answer to "How did the fund and the vault hold?"."""
        return self._ask("fund_balance")

    def fund_flows(self) -> pl.DataFrame:
        """Return the answer to "What went into the fund and the vault, and what came out?"."""
        return self._ask("fund_flows")

    def fund_timeline(self) -> pl.DataFrame:
        """When was deleveraging on, when was a fund empty, and which claim did a fund or vault first refuse."""
        return self._ask("fund_timeline")

    def funding_flows(self) -> pl.DataFrame:
        """Return the answer to "Who paid funding to whom?", one row per symbol, side and cohort."""
        return self._ask("funding_flows")

    def hedges(self) -> pl.DataFrame:
        """Return the answer to "What became of the positions I watch?", one row per watched position."""
        return self._ask("hedges")

    def largest_liquidations(self, *, limit: int = 20) -> pl.DataFrame:
        """Return the answer to "Which liquidations were the largest?", one row per liquidation."""
        return self._ask("largest_liquidations", limit=limit)

    def liquidation_price_check(
        self,
        *,
        off: float = 0.001,
        symbol: str | None = None,
        limit: int = 50,
    ) -> pl.DataFrame:
        """Return the answer to "Where is our liquidation price not the venue's own?"."""
        return self._ask("liquidation_price_check", off=off, symbol=symbol, limit=limit)

    def liquidation_price_map(
        self,
        *,
        symbol: str | None = None,
        bins: int = 60,
        cohort: str | None = None,
    ) -> pl.DataFrame:
        """Return the answer to "Where did the liquidations sit?"."""
        return self._ask("liquidation_price_map", symbol=symbol, bins=bins, cohort=cohort)

    def liquidations_by_cohort(self) -> pl.DataFrame:
        """Return the answer to "Who was liquidated?", one row per symbol, cohort and side."""
        return self._ask("liquidations_by_cohort")

    def liquidations_per_minute(self, *, symbol: str | None = None) -> pl.DataFrame:
        """Return the answer to "When were longs and shorts liquidated?", one row per minute bar with liquidations."""
        return self._ask("liquidations_per_minute", symbol=symbol)

    def liquidity_pressure(self) -> pl.DataFrame:
        """Return the answer to "How much more was ordered than the market could take?"."""
        return self._ask("liquidity_pressure")

    def loss_waterfall(self) -> pl.DataFrame:
        """Return the answer to "Who paid for the liquidated positions?", one row per stage."""
        return self._ask("loss_waterfall")

    def map_after_waves(self, *, limit: int = 12) -> pl.DataFrame:
        """Return the answer to "What was left of the map after each wave?"."""
        return self._ask("map_after_waves", limit=limit)

    def map_against_liquidations(self) -> pl.DataFrame:
        """Return the answer to "Why do the map and the liquidations differ?", one row per symbol and side."""
        return self._ask("map_against_liquidations")

    def multi_coin_breaches(self, *, limit: int = 50) -> pl.DataFrame:
        """Return the answer to "Which accounts lost several coins at once?"."""
        return self._ask("multi_coin_breaches", limit=limit)

    def open_interest_path(self, *, symbol: str | None = None) -> pl.DataFrame:
        """Return the answer to "How did open interest fall?", one row per minute bar and symbol."""
        return self._ask("open_interest_path", symbol=symbol)

    def position_funding(self, *, account_id: int | None = None) -> pl.DataFrame:
        """Return the answer to "What did funding cost this position?"."""
        return self._ask("position_funding", account_id=account_id)

    def potential_by_minute(self, *, symbol: str | None = None, least: float = 0.0) -> pl.DataFrame:
        """Return the answer to "When did liquidations feed on themselves?"."""
        return self._ask("potential_by_minute", symbol=symbol, least=least)

    def price_moves(self) -> pl.DataFrame:
        """Return the answer to "What fell, and how far?", one row per symbol."""
        return self._ask("price_moves")

    def price_path(self, *, symbol: str | None = None) -> pl.DataFrame:
        """Return the answer to "Which prices were walked?", one row per step and symbol."""
        return self._ask("price_path", symbol=symbol)

    def replay_tape(self, *, symbol: str | None = None) -> pl.DataFrame:
        """Return the answer to "Which bars, marks, liquidations and ADL does another backtester load?"."""
        return self._ask("replay_tape", symbol=symbol)

    def run_summary(self) -> pl.DataFrame:
        """Return the answer to "What happened, in one row?", one row."""
        return self._ask("run_summary")

    def seed_spread(self) -> pl.DataFrame:
        """Return the answer to "How much do the headlines depend on the seed?", one row per headline number."""
        return self._ask("seed_spread")

    def vault_result(self) -> pl.DataFrame:
        """Return the answer to "What did the vault earn by the end?", one row."""
        return self._ask("vault_result")

    def watch_ranks(self, *, name: str | None = None) -> pl.DataFrame:
        """Return the answer to "Where did my positions stand in the queue?"."""
        return self._ask("watch_ranks", name=name)

    def watch_results(self) -> pl.DataFrame:
        """Return the answer to "What did ADL make of my positions' result?", one row per watched position."""
        return self._ask("watch_results")

    def window_metrics(
        self,
        *,
        start: dt.datetime | str,
        end: dt.datetime | str,
        symbol: str | None = None,
    ) -> pl.DataFrame:
        """Return the answer to "What happened in a window, to compare with a published figure?", one row."""
        return self._ask("window_metrics", symbol=symbol, start=start, end=end)
