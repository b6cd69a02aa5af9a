"""A scenario's rules as the engine takes them: money in quanta, rates in 1e-9, shares as fractions."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from backtest.errors import ConfigError
from backtest.mechanics.drawdown import DrawdownTrigger
from backtest.mechanics.exact import quanta, rate_e9, ratio
from backtest.mechanics.fund import PoolRule, divide, fund_groups
from backtest.mechanics.liquidation.base import BlockTerms, PartTerms
from backtest.mechanics.rules import Rules
from backtest.mechanics.vault import VaultRule
from backtest.run.user_policy import user_policy
from backtest.run.vaults import SetVault
from backtest.scenario.fields import MOST, Scenario
from backtest.scenario.values import per_coin
from backtest.venue.profile import VenueProfile

MINUTE_S = 60


def funds_of(scenario: Scenario, interest: list[int]) -> dict[str, Any]:
    """Return the funds with their starts, limits and drawdown trigger; ``interest`` divides a common start."""
    start, coins = scenario.fund_start_usd, scenario.simulated_coins
    if isinstance(start, Mapping):
        weights = [quanta(per_coin(start, coin, "fund_start_usd")) for coin in coins]
        total = sum(weights)
    else:
        weights, total = interest, quanta(start)
    fund_of = fund_groups(scenario.fund_pools, coins)
    shares = [
        sum(w for w, n in zip(weights, fund_of, strict=True) if n == number) for number in range(max(fund_of) + 1)
    ]
    limit = None if scenario.fund_inventory_limit_usd >= MOST else quanta(scenario.fund_inventory_limit_usd)
    limits = [None] * len(shares) if limit is None else divide(limit, shares)
    pools = tuple(PoolRule(*pair) for pair in zip(divide(total, shares), limits, strict=True))
    several = {"pools": pools, "fund_of": fund_of} if len(pools) > 1 else {}
    return {"fund_start": total, "inventory_limit": limit, "drawdown": _drawdown(scenario), **several}


def _drawdown(scenario: Scenario) -> DrawdownTrigger | None:
    if scenario.drawdown_trigger == "none":
        if scenario.inventory_adl == "to_trigger":
            raise ConfigError(
                "inventory_adl = 'to_trigger' but drawdown_trigger = 'none' switches nothing on; "
                "set inventory_adl=below_floor or none as well, or drawdown_trigger to pnl_ratio or pool_drawdown"
            )
        return None
    trigger, stop = (
        tuple(ratio(per_coin(getattr(scenario, name), coin, name)) for coin in scenario.simulated_coins)
        for name in ("drawdown_trigger_frac", "drawdown_stop_frac")
    )
    for coin, on, off in zip(scenario.simulated_coins, trigger, stop, strict=True):
        if off > on:
            raise ConfigError(
                f"drawdown_stop_frac of {coin} is {float(off):g}, above drawdown_trigger_frac of {float(on):g}; "
                f"it must not be: set drawdown_stop_frac={float(on):g} or less"
            )
    return DrawdownTrigger(
        scenario.drawdown_trigger, trigger, stop, quanta(scenario.drawdown_above_usd), scenario.drawdown_window_s
    )


def rules_of(
    scenario: Scenario,
    venue: VenueProfile,
    bar_s: int,
    parts: int,
    interest: list[int],
    vaults: Sequence[SetVault] = (),
) -> Rules:
    """Turn the scenario's rules into integers; ``interest`` is the open interest of each symbol in quanta.

    ``vaults`` are those by coin set.
    """
    vault, policy = _vault(scenario, venue, vaults), user_policy(scenario.adl_allocation)
    factor = ratio(scenario.liquidity_factor)
    scales = [per_coin(scenario.liquidity_scale, coin, "liquidity_scale") for coin in scenario.simulated_coins]
    share = ratio(scenario.first_share_frac)
    part = PartTerms(share.numerator, share.denominator, quanta(scenario.first_above_usd), scenario.first_pause_s)
    block = BlockTerms(
        time_ms=round(scenario.block_s * 1000),
        share_e9=rate_e9(scenario.block_share_frac),
        least=quanta(scenario.block_least_usd),
        most=quanta(scenario.block_most_usd),
        orders=scenario.block_orders,
        deleverages=scenario.block_deleverages,
        adjustment_e9=rate_e9(scenario.fillable_adjustment),
        spread_e9=rate_e9(scenario.fillable_spread),
    )
    return Rules(
        inclusive=venue.inclusive,
        liquidation_rule=scenario.liquidation_rule,
        part=part if scenario.liquidation_rule == "part_first" else None,
        block=block if scenario.liquidation_rule in {"fillable_price", "incremental"} else None,
        max_candidates=scenario.max_candidates,
        **funds_of(scenario, interest),
        fund_floor=quanta(scenario.fund_floor_usd),
        fund_divisible=scenario.fund_shortfall == "divisible",
        fund_takes_over=scenario.fund_takeover == "bankruptcy",
        inventory_adl=scenario.inventory_adl,
        inventory_stop=quanta(scenario.inventory_stop_usd),
        quiet_steps=math.ceil(scenario.quiet_s * parts / bar_s),
        vault=vault,
        residual_owner=_residual_owner(scenario, vault),
        fee_e9=rate_e9(scenario.fee_rate),
        fee_owner=scenario.fee_owner,
        ranking=scenario.ranking,
        losers=scenario.losers,
        adl_allocation=scenario.adl_allocation,
        user_allocation=None if policy is None else policy.allocation,
        close_price=scenario.close_price,
        on_exhausted=scenario.on_exhausted,
        impact=scenario.impact,
        strength=ratio(scenario.impact_y) * (1 if scenario.impact == "depth" else _bar_sigma(scenario, bar_s)),
        scale=tuple(ratio(scale) * factor for scale in scales),
        participation=ratio(scenario.participation_frac),
        seed=scenario.seed,
        queue_not_reached=scenario.queue_not_reached,
        cross_allocation=_allocation(scenario, vault),
        cross_order=scenario.cross_order,
    )


def _bar_sigma(scenario: Scenario, bar_s: int) -> Fraction:
    """Return the volatility of a bar from that of a minute: the root of time, to 1e-9."""
    sigma = ratio(scenario.impact_sigma_frac)
    return sigma if bar_s == MINUTE_S else sigma * Fraction(math.isqrt(bar_s * 10**18 // MINUTE_S), 10**9)


def _vault(scenario: Scenario, venue: VenueProfile, vaults: Sequence[SetVault]) -> VaultRule | None:
    """Return the rule of the vaults by coin set or of the one vault, None where there is none."""
    stated = any(point.name == "fund" and point.value == "vault" for point in venue.points)
    if not (stated or vaults or scenario.vault_capital_usd):
        return None
    capitals = [each.capital for each in vaults] or [scenario.vault_capital_usd]
    coins = scenario.simulated_coins if vaults else ()
    of = [next(n for n, each in enumerate(vaults) if coin in each.coins) for coin in coins]
    num, den = venue.takeover
    return VaultRule(
        capitals=tuple(map(quanta, capitals)), of=tuple(of), num=num, den=den, margin=scenario.vault_margin
    )


def _allocation(scenario: Scenario, vault: VaultRule | None) -> str:
    if scenario.cross_allocation == "one_first" and vault:
        raise ConfigError(
            "cross_allocation = 'one_first' but the vault takes an account's positions together; set by_maintenance"
        )
    return scenario.cross_allocation


def _residual_owner(scenario: Scenario, vault: VaultRule | None) -> str:
    if scenario.residual_owner == "vault" and not vault:
        raise ConfigError(
            "residual_owner = 'vault' but there is no vault; set vault_capital_usd or name account or fund"
        )
    return scenario.residual_owner
