"""The documented layout of the archive: paths, columns and their kinds, first days, usual sizes.

Stated by the publisher's schema reference (docs.hydromancer.xyz/reservoir/schema-reference); the bucket itself has not
been seen. A file that differs is refused with the column that differs; a column that nobody documents is noted.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

REGION = "ap-northeast-1"
USD_PER_GB = 0.09  # data out of the bucket's region, paid by whoever asks
DEX = "hyperliquid"
NO_SNAPSHOTS = (dt.date(2025, 10, 28), dt.date(2025, 12, 15))  # about: the publisher gives no exact days
MEGABYTE = 1_000_000

# Kinds of columns; a question mark marks one that a file may lack.
TEXT, NUMBER, DECIMAL, COUNT, TIME, FLAG, LEVELS = "text", "number", "decimal", "count", "time", "flag", "levels"
POSITIONS: Mapping[str, str] = {
    "user": TEXT, "market": TEXT, "size": NUMBER, "notional": NUMBER, "entry_price": NUMBER,
    "liquidation_price": NUMBER, "leverage_type": TEXT, "leverage": COUNT, "funding_pnl": NUMBER,
    "account_value": NUMBER, "account_mode": "text?",
}  # fmt: skip
ACCOUNT_VALUES: Mapping[str, str] = {
    "user": TEXT, "dex": TEXT, "collateral_token": TEXT, "account_value": NUMBER, "total_long_notional": NUMBER,
    "total_short_notional": NUMBER, "account_mode": "text?",
}  # fmt: skip
FILLS: Mapping[str, str] = {
    "coin": TEXT, "dex": TEXT, "asset_class": TEXT, "base_symbol": TEXT, "quote_symbol": TEXT, "price": DECIMAL,
    "size": DECIMAL, "side": TEXT, "timestamp": TIME, "direction": TEXT, "realized_pnl": DECIMAL, "tx_hash": TEXT,
    "order_id": COUNT, "trade_id": COUNT, "fee": DECIMAL, "fee_token": TEXT, "address": TEXT, "crossed": FLAG,
    "start_position": DECIMAL, "client_order_id": "text?", "builder": "text?", "builder_fee": "decimal?",
    "deployer_fee": "decimal?", "priority_gas": "decimal?", "twap_id": "count?", "is_liquidation": "flag?",
    "liquidation_mark_px": "decimal?", "liquidation_method": "text?",
}  # fmt: skip
BARS: Mapping[str, str] = {
    "coin": TEXT, "dex": TEXT, "asset_class": TEXT, "base_symbol": TEXT, "quote_symbol": TEXT, "timestamp": TIME,
    "open": DECIMAL, "high": DECIMAL, "low": DECIMAL, "close": DECIMAL, "volume": DECIMAL, "volume_quote": DECIMAL,
    "trade_count": COUNT,
}  # fmt: skip
DEPTH: Mapping[str, str] = {"block_time_ms": COUNT, "block_number": COUNT, "bids": LEVELS, "asks": LEVELS}
FORCED = (
    "coin", "price", "size", "side", "timestamp", "direction", "realized_pnl", "trade_id", "fee", "address", "crossed",
    "start_position", "is_liquidation", "liquidation_mark_px", "liquidation_method",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Dataset:
    """One kind of file of the archive.

    Attributes
    ----------
    folder
        Where its files lie, with ``{dex}`` and ``{day}`` to be filled in.
    columns
        All documented columns and their kinds.
    wanted
        Columns that are read.
    usual_bytes
        Size of a file as documented; one ten times as large is not what was expected.
    coin
        The column that names the coin, empty without one.
    """

    name: str
    folder: str
    columns: Mapping[str, str]
    wanted: tuple[str, ...]
    usual_bytes: int
    coin: str = "coin"


DATASETS: Mapping[str, Dataset] = {
    row.name: row
    for row in (
        Dataset("positions", "global/snapshots/perp/all/date={day}", POSITIONS,
                tuple(POSITIONS), 50 * MEGABYTE, "market"),
        Dataset("account_values", "global/snapshots/account_values/date={day}", ACCOUNT_VALUES,
                ("user", "dex", "account_value", "account_mode"), 50 * MEGABYTE, ""),
        Dataset("fills", "by_dex/{dex}/fills/perp/all/date={day}", FILLS,
                ("coin", "price", "size", "side", "timestamp", "realized_pnl", "fee", "address", "start_position"),
                500 * MEGABYTE),
        Dataset("liquidations", "by_dex/{dex}/fills/perp/liquidations/date={day}", FILLS, FORCED, 50 * MEGABYTE),
        Dataset("adl", "by_dex/{dex}/fills/perp/adl/date={day}", FILLS, FORCED, 50 * MEGABYTE),
        Dataset("bars", "by_dex/{dex}/candles/1s/date={day}", BARS,
                ("coin", "timestamp", "open", "high", "low", "close", "volume"), 200 * MEGABYTE),
        Dataset("depth", "by_dex/{dex}/orderbook/1m/perps/date={day}", DEPTH,
                ("block_time_ms", "bids", "asks"), 90 * MEGABYTE, ""),
    )
}  # fmt: skip
