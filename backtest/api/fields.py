"""Scenario fields as keywords, so that an editor completes ``replay(`` and a type checker knows a typo.

``crashbook params`` says what each means. The lines follow from the declarations in ``scenario/fields.py``; a test
compares the two.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

from backtest.scenario.watched import WatchedPosition


class CommonFields(TypedDict, total=False):
    """Fields of a scenario that every question takes; None leaves one to the event and the venue.

    Numbers may be texts such as ``50M``.
    """

    contract: str | None
    book_of: str | None
    coins: Sequence[str] | str | None
    start: dt.datetime | str | None
    end: dt.datetime | str | None
    seed: int | str | None
    intrabar: str | None
    mark_half_life_s: float | str | None
    timeframe: str | None
    step_s: float | str | None
    allow_gaps: bool | None
    allow_suspect: bool | None
    positions_file: str | None
    balance_with_market: bool | None
    portfolio_margin: str | None
    open_interest_usd: float | str | Mapping[str, float] | None
    rest_of_venue: str | None
    venue_open_interest_usd: float | str | None
    leverage_mix: Mapping[str, Sequence[Sequence[float]]] | None
    long_leverage_mix: Mapping[str, Sequence[Sequence[float]]] | None
    short_leverage_mix: Mapping[str, Sequence[Sequence[float]]] | None
    leverage_exponent: float | str | None
    delta_neutral_frac: float | str | None
    size_sigma: float | str | None
    size_alpha: float | str | None
    size_tail_frac: float | str | None
    size_cap_frac: float | str | None
    entry_spread_frac: float | str | None
    cross_frac: float | str | None
    positions_per_account: float | str | None
    hedged_frac: float | str | None
    voluntary_exit_frac: float | str | None
    voluntary_exit_half_life_s: float | str | None
    liquidity_scale: float | str | Mapping[str, float] | None
    liquidity_factor: float | str | None
    participation_frac: float | str | None
    impact: str | None
    impact_y: float | str | None
    impact_sigma_frac: float | str | None
    path: str | None
    feedback_half_life_s: float | str | None
    max_rounds: int | str | None
    liquidation_rule: str | None
    cross_allocation: str | None
    cross_order: str | None
    first_share_frac: float | str | None
    first_above_usd: float | str | None
    first_pause_s: int | str | None
    block_s: float | str | None
    block_share_frac: float | str | None
    block_least_usd: float | str | None
    block_most_usd: float | str | None
    block_orders: int | str | None
    block_deleverages: int | str | None
    fillable_adjustment: float | str | None
    fillable_spread: float | str | None
    fund_pools: str | None
    fund_start_usd: float | str | Mapping[str, float] | None
    fund_floor_usd: float | str | None
    fund_shortfall: str | None
    fund_takeover: str | None
    fund_inventory_limit_usd: float | str | None
    drawdown_trigger: str | None
    drawdown_trigger_frac: float | str | Mapping[str, float] | None
    drawdown_stop_frac: float | str | Mapping[str, float] | None
    drawdown_above_usd: float | str | None
    drawdown_window_s: int | str | None
    inventory_adl: str | None
    inventory_stop_usd: float | str | None
    quiet_s: float | str | None
    vault_capital_usd: float | str | None
    vaults: str | Sequence[Mapping[str, Any]] | None
    vault_margin: str | None
    residual_owner: str | None
    fee_rate: float | str | None
    fee_owner: str | None
    ranking: str | None
    losers: str | None
    adl_allocation: str | None
    close_price: str | None
    max_candidates: int | str | None
    on_exhausted: str | None
    queue_not_reached: int | str | None
    watch: Sequence[Mapping[str, Any] | WatchedPosition] | None


class ComparedFields(CommonFields, total=False):
    """Fields of all alternatives of ``compare``, which takes venues as a list."""

    shock: float | str | None


class FundFields(CommonFields, total=False):
    """Fields of ``fund``, whose ``shock`` is whether to find the fall that exhausts a size."""

    venue: str | None


class ScenarioFields(ComparedFields, FundFields, total=False):
    """Fields of a scenario but event and positions."""
