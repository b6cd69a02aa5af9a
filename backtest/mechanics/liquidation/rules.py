"""All liquidation rules by name; section 5 of the mechanism page states them."""

from __future__ import annotations

from collections.abc import Mapping

from backtest.mechanics.liquidation.base import LiquidationRule
from backtest.mechanics.liquidation.blocks import FILLABLE_PRICE, INCREMENTAL
from backtest.mechanics.liquidation.parts import PART_FIRST
from backtest.mechanics.liquidation.tiers import TIER_BY_TIER, TWO_TIERS
from backtest.mechanics.liquidation.whole import FULL_POSITION, REDUCE_ONCE
from backtest.mechanics.rule import declared

LIQUIDATION_RULES: Mapping[str, LiquidationRule] = declared(
    "liquidation_rule",
    {
        "full_position": FULL_POSITION,
        "tier_by_tier": TIER_BY_TIER,
        "reduce_once": REDUCE_ONCE,
        "two_tiers": TWO_TIERS,
        "part_first": PART_FIRST,
        "fillable_price": FILLABLE_PRICE,
        "incremental": INCREMENTAL,
    },
)
