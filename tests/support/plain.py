"""A plain book and path for tests about something else: positions alone, one leverage mix, no hedges, 20 s steps."""

from __future__ import annotations

import datetime as dt
from typing import Any

PLAIN_BOOK: dict[str, Any] = {
    "leverage_mix": {"default": ((0.0, 3.0, 0.36), (3.0, 7.0, 0.49), (7.0, 0.0, 0.15))},
    "leverage_exponent": 0.0,
    "delta_neutral_frac": 0.0,
    "size_cap_frac": 0.03,
    "cross_frac": 0.0,
    "positions_per_account": 1.0,
    "hedged_frac": 0.0,
}
LONG_STEPS: dict[str, Any] = {"step_s": 20.0}
HOT_MINUTES: dict[str, Any] = {  # of 10 October 2025, from before its first ADL to after its last large one
    "start": dt.datetime.fromisoformat("2025-10-10T21:08"), "end": dt.datetime.fromisoformat("2025-10-10T21:26")
}  # fmt: skip
ONE_VAULT: dict[str, Any] = {"vaults": (), "vault_capital_usd": 50e6}  # over all coins, with a capital of its own
PLAIN: dict[str, Any] = {**PLAIN_BOOK, **LONG_STEPS, "mark_half_life_s": 30.0}
