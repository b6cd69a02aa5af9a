"""All liquidation rules by name; those of section 5 of the mechanism page."""

from __future__ import annotations

from backtest.mechanics.liquidation.base import LiquidationRule
from backtest.mechanics.liquidation.blocks import fill_at_fillable_price, fill_rounds, order_per_block, order_rounds
from backtest.mechanics.liquidation.parts import fill_part_first, order_part_first
from backtest.mechanics.liquidation.tiers import (
    fill_or_kill,
    fill_two_tiers_down,
    order_to_tier_below,
    order_two_tiers_down,
)
from backtest.mechanics.liquidation.whole import fill_in_order, fill_reduction, order_whole

LIQUIDATION_RULES: dict[str, LiquidationRule] = {
    "full_position": LiquidationRule(order_whole, fill_in_order, "one market order for the whole position"),
    "tier_by_tier": LiquidationRule(
        order_to_tier_below,
        fill_or_kill,
        "BitMEX app/liquidation; Bybit help 000001876: fill or kill to the tier below",
    ),
    "reduce_once": LiquidationRule(
        order_whole, fill_reduction, "Binance FAQ 360033525271: one large immediate-or-cancel reduction"
    ),
    "two_tiers": LiquidationRule(
        order_two_tiers_down, fill_two_tiers_down, "OKX: two tiers at a time; open-lib.com/11556.html"
    ),
    "part_first": LiquidationRule(
        order_part_first,
        fill_part_first,
        "Hyperliquid gitbook, liquidations: 20 % of positions above 100,000 USDC, 30 s pause",
    ),
    "fillable_price": LiquidationRule(
        order_per_block,
        fill_at_fillable_price,
        "dYdX v4-chain, x/clob/keeper/liquidations.go: fillable price, limits a block",
        True,
    ),
    "incremental": LiquidationRule(
        order_rounds, fill_rounds, "Deribit: rounds of 12.5 % about once a second (forum, 2020)"
    ),
}
