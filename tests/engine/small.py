"""One symbol, few accounts, in the format of the exact worlds: for cases worked out by hand.

100 quanta per tick and lot, maintenance 5 %. ``LONG`` holds 10 lots bought at 1000 with a wallet of 100,000: its
bankruptcy amount is 900,000. ``SHORT`` sold them with 200,000.
"""

from __future__ import annotations

from typing import Any

LONG = {"id": 1, "symbol": "BTC", "side": 1, "lots": 10, "cost": 1_000_000, "wallet": 100_000}
SHORT = {"id": 2, "symbol": "BTC", "side": -1, "lots": 10, "cost": 1_000_000, "wallet": 200_000}
FUND = {"start": 0, "floor": 0, "shortfall": "divisible", "takeover": "none", "inventory_limit": None}


def bar(px: int, volume_lots: int = 0, mark: int | None = None) -> dict[str, Any]:
    """Return a bar that stands still at one price."""
    return {"BTC": {"trade": [px] * 4, "mark": [mark or px] * 4, "volume_lots": volume_lots}}


def small(bars: list[dict[str, Any]], accounts: Any = (LONG, SHORT), **changes: Any) -> dict[str, Any]:
    """Return a world in ``close`` mode; ``changes`` go into its profile."""
    profile = {
        "threshold": "<", "fund": FUND, "ranking": "bitmex", "losers": "excluded", "close_price": "bankruptcy",
        "residual_owner": "account", "fee_e9": 0, "fee_owner": "venue", "inventory_adl": "none", "inventory_stop": 0,
        "on_exhausted": "uncovered", "vault_quiet_steps": 100,
    }  # fmt: skip
    return {
        "symbols": {"BTC": {"quanta_per_tick_lot": 100, "tiers": [[0, 50_000_000, 0]]}},
        "profile": {**profile, **changes},
        "liquidity": {
            "scale_e9": 10**9, "participation_e9": 10**9, "impact": "none", "impact_y_e9": 10**9, "sigma_e9": 10**7,
        },
        "intrabar": "close",
        "bar_seconds": 60,
        "bars": bars,
        "funding": [],
        "accounts": list(accounts),
        "seed": 0,
    }  # fmt: skip
