"""An archive of two snapshots an hour apart, with what was traded between them, written by hand.

Bitcoin rises from 100,000 to 101,000. Account 1 sells half of its long to 2 at 100,500 for a fee of 5; 1 is paid 500
from outside, 2 takes 100 out. The fill that opened the position of 4 is missing. 5 has another coin beside.
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from tests.fetch.reservoir import by_hand
from tests.fetch.reservoir.by_hand import fill, position, user, write

DAY = by_hand.DAY
FIRST, LATER = (dt.datetime(2025, 10, 10, hour, tzinfo=dt.UTC) for hour in (20, 21))
FIRST_NAME, LATER_NAME = (f"{block}_{int(at.timestamp() * 1000)}" for block, at in ((758, FIRST), (759, LATER)))
# user, size, entry, account value: equity at the mark
BEFORE = [(1, 1.0, 99_000.0, 20_000.0), (2, -1.0, 100_000.0, 30_000.0), (3, 0.2, 100_000.0, 9_000.0),
          (5, -0.2, 100_000.0, 7_000.0)]  # fmt: skip
# 1: 20,000 + 500 x 0.5 - 5 + 1,000 x 0.5 + 500; 2: 30,000 + ... of a short of 1 that buys half back and loses on both
AFTER = [(1, 0.5, 99_000.0, 21_245.0), (2, -0.5, 100_000.0, 29_145.0), (3, 0.2, 100_000.0, 9_200.0),
         (4, 0.1, 100_900.0, 4_010.0), (5, -0.2, 100_000.0, 6_800.0)]  # fmt: skip


def archive(root: Path) -> Path:
    """Write the archive; return the path of its first snapshot."""
    for name, mark, held in ((FIRST_NAME, 100_000.0, BEFORE), (LATER_NAME, 101_000.0, AFTER)):
        rows = [position(who, "BTC", size, entry, mark, account_value=value) for who, size, entry, value in held]
        rows.append(position(5, "DOGE", 100.0, 0.2, 0.2, account_value=7_000.0))
        values = [{"user": user(who), "dex": "hyperliquid", "collateral_token": "USDC", "account_value": value,
                   "account_mode": "standard"} for who, *_, value in held]  # fmt: skip
        write(root / f"global/snapshots/perp/all/date={DAY}/{name}.parquet", by_hand.POSITIONS, rows)
        write(root / f"global/snapshots/account_values/date={DAY}/{name}.parquet", by_hand.VALUES, values)
    told = {"fee": "5", "trade_id": 7}
    fills = [
        fill("20:30:00", 1, "BTC", "sell", "0.5", "100500", "1", realized_pnl="750", direction="Close Long", **told),
        fill("20:30:00", 2, "BTC", "buy", "0.5", "100500", "-1", realized_pnl="-250", direction="Close Short", **told),
    ]
    write(root / f"by_dex/hyperliquid/fills/perp/all/date={DAY}/fills.parquet", by_hand.FILLS, fills)
    return root / f"global/snapshots/perp/all/date={DAY}/{FIRST_NAME}.parquet"
