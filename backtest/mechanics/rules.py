"""The rules a scenario chooses from, by field, and the concrete rules of one run."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from backtest.mechanics.adl.allocation import ALLOCATIONS, Allocation
from backtest.mechanics.drawdown import DrawdownTrigger
from backtest.mechanics.fund import PoolRule
from backtest.mechanics.liquidation.base import BlockTerms, PartTerms
from backtest.mechanics.vault import VaultRule

SCHEDULES = {
    "tiered": "marginal rates with continuous deductions",
    "risk_limits": "one rate on the whole position, a tier from above its floor",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What a venue does, in integers: money in quanta, rates in 1e-9.

    ``inclusive``: liquidation at equity equal to maintenance. ``part``: of the liquidation rule ``part_first`` only.
    ``block``: of the liquidation rules ``fillable_price`` and ``incremental``. ``ranking`` none: no ADL, no queue.
    ``max_candidates``: candidates a bankrupt looks at, 0 for all.
    ``inventory_limit`` None: no limit. Of several funds, ``pools`` divides start and limit, ``fund_of`` names each
    symbol's (both empty: one fund). ``drawdown`` switches deleveraging on.
    ``quiet_steps``: steps without a breach, the present one included, before pools unwind.
    ``cross_allocation``, ``cross_order``: how a cross account in breach is liquidated.
    ``own_queue``: ranking and place of losers with which each wave is compared, None for none; it changes no result.
    ``strength``: Y times sigma of the impact formula, Y alone for book depth. ``scale``: liquidity scale per symbol.
    """

    inclusive: bool
    liquidation_rule: str = "full_position"
    part: PartTerms | None = None
    block: BlockTerms | None = None
    fund_start: int
    fund_floor: int
    fund_divisible: bool
    fund_takes_over: bool
    inventory_limit: int | None
    inventory_adl: str
    inventory_stop: int
    pools: tuple[PoolRule, ...] = ()
    fund_of: tuple[int, ...] = ()
    drawdown: DrawdownTrigger | None = None
    quiet_steps: int
    vault: VaultRule | None
    residual_owner: str
    fee_e9: int
    fee_owner: str
    ranking: str
    losers: str
    close_price: str
    adl_allocation: str = "queue"
    user_allocation: Allocation | None = None
    on_exhausted: str
    max_candidates: int = 0
    impact: str
    strength: Fraction
    scale: tuple[Fraction, ...]
    participation: Fraction
    seed: int
    queue_not_reached: int
    own_queue: tuple[str, str] | None = None
    cross_allocation: str = "by_maintenance"
    cross_order: str = "maintenance"

    @property
    def allocation(self) -> Allocation:
        """Return the allocation of ADL: the user's own, or that of its name."""
        return self.user_allocation or ALLOCATIONS[self.adl_allocation]
