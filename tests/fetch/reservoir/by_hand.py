"""A small venue written by hand in the documented schema, with all that the engine does not do.

Shares no code with the reader: columns, types and names are written down here from the publisher's schema reference.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

DAY = "2025-10-10"
SNAPSHOT_MS = 1760126694218  # 20:04:54.218 UTC
BLOCK = f"758750000_{SNAPSHOT_MS}"
D = pa.decimal128(20, 10)
TIME = pa.timestamp("ms", tz="UTC")
POSITIONS = {
    "user": pa.string(), "market": pa.string(), "size": pa.float64(), "notional": pa.float64(),
    "entry_price": pa.float64(), "liquidation_price": pa.float64(), "leverage_type": pa.string(),
    "leverage": pa.uint32(), "funding_pnl": pa.float64(), "account_value": pa.float64(), "account_mode": pa.string(),
}  # fmt: skip
VALUES = {
    "user": pa.string(), "dex": pa.string(), "collateral_token": pa.string(), "account_value": pa.float64(),
    "total_long_notional": pa.float64(), "total_short_notional": pa.float64(), "account_mode": pa.string(),
}  # fmt: skip
FILLS = {
    "coin": pa.string(), "dex": pa.string(), "asset_class": pa.string(), "base_symbol": pa.string(),
    "quote_symbol": pa.string(), "price": D, "size": D, "side": pa.string(), "timestamp": TIME,
    "direction": pa.string(), "realized_pnl": D, "tx_hash": pa.string(), "order_id": pa.uint64(),
    "trade_id": pa.uint64(), "fee": D, "fee_token": pa.string(), "address": pa.string(), "crossed": pa.bool_(),
    "start_position": D, "client_order_id": pa.string(), "builder": pa.string(), "builder_fee": D,
    "twap_id": pa.uint64(), "is_liquidation": pa.bool_(), "liquidation_mark_px": D, "liquidation_method": pa.string(),
}  # fmt: skip
BARS = {
    "coin": pa.string(), "dex": pa.string(), "asset_class": pa.string(), "base_symbol": pa.string(),
    "quote_symbol": pa.string(), "timestamp": TIME, "open": D, "high": D, "low": D, "close": D, "volume": D,
    "volume_quote": D, "trade_count": pa.uint32(),
}  # fmt: skip
LEVEL = pa.struct([("px", pa.string()), ("sz", pa.string()), ("n", pa.uint32())])
DEPTH = {
    "block_time_ms": pa.int64(), "block_number": pa.uint64(), "bids": pa.list_(LEVEL), "asks": pa.list_(LEVEL),
}  # fmt: skip


def user(number: int) -> str:
    """Return an address."""
    return f"0x{number:040x}"


def at(text: str) -> dt.datetime:
    """Return a time of the day, UTC."""
    return dt.datetime.fromisoformat(f"{DAY}T{text}+00:00")


def write(
    path: Path, schema: Mapping[str, pa.DataType], rows: Sequence[Mapping[str, Any]], group: int = 1 << 20
) -> Path:
    """Write rows as a Parquet file; a value that a row lacks is null, a number for a decimal is its text."""
    path.parent.mkdir(parents=True, exist_ok=True)
    columns = []
    for name, kind in schema.items():
        cells = [row.get(name) for row in rows]
        if pa.types.is_decimal(kind):
            cells = [None if cell is None else round(Decimal(str(cell)), 10) for cell in cells]
        columns.append(pa.array(cells, kind))
    pq.write_table(pa.Table.from_arrays(columns, list(schema)), path, row_group_size=group)
    return path


def position(who: int, market: str, size: float, entry: float, mark: float, **more: Any) -> dict[str, Any]:
    """Return a row of a snapshot: cross, of a standard account worth 1,000 USD, unless told otherwise."""
    known = {
        "leverage_type": "cross",
        "leverage": 10,
        "funding_pnl": 0.0,
        "account_value": 1000.0,
        "account_mode": "standard",
    }
    return {
        "user": user(who),
        "market": market,
        "size": size,
        "notional": abs(size) * mark,
        "entry_price": entry,
        **known,
        **more,
    }


def fill(time: str, who: int, coin: str, side: str, size: str, price: str, start: str, **more: Any) -> dict[str, Any]:
    """Return a row of fills."""
    dex = coin.partition(":")[0] if ":" in coin else "hyperliquid"
    base = {"coin": coin, "dex": dex, "asset_class": "perp", "base_symbol": coin, "quote_symbol": "USDC"}
    direction = "Open Long" if side == "buy" else "Open Short"
    known = {"direction": direction, "realized_pnl": "0", "fee": "0", "crossed": True, "tx_hash": "0x0", "order_id": 1,
             "trade_id": 1, "fee_token": "USDC"}  # fmt: skip
    row = {
        "timestamp": at(time),
        "address": user(who),
        "side": side,
        "size": size,
        "price": price,
        "start_position": start,
    }
    return {**base, **known, **row, **more}


def trade(
    number: int,
    time: str,
    coin: str,
    size: str,
    price: str,
    buyer: tuple[int, str],
    seller: tuple[int, str],
    **more: Any,
) -> list[dict[str, Any]]:
    """Return both rows of a trade; a party is its number and its position before."""
    return [
        fill(time, who, coin, side, size, price, start, trade_id=number, **more)
        for side, (who, start) in (("buy", buyer), ("sell", seller))
    ]


def bars(coin: str, first: str, prices: Sequence[float | None]) -> list[dict[str, Any]]:
    """Return bars of a second, one for each price; None: no trade and no bar."""
    return [
        {"coin": coin, "dex": "hyperliquid", "asset_class": "perp", "base_symbol": coin, "quote_symbol": "USDC",
         "timestamp": at(first) + dt.timedelta(seconds=k), "open": price, "high": price, "low": price, "close": price,
         "volume": 2, "volume_quote": 2 * price, "trade_count": 1}
        for k, price in enumerate(prices)
        if price is not None
    ]  # fmt: skip


# Accounts: 1 long and 2 short in two coins, cross; 3 isolated with a liquidation price; 4 unified; 5 portfolio margin;
# 6 a sub-account without a mode; 7 the vault of liquidations, without a liquidation price; 8 comes after the snapshot.
SNAPSHOT = [
    position(1, "BTC", 0.5, 120_000, 118_000, account_value=9000.0, liquidation_price=101_000.0),
    position(2, "BTC", -0.3, 119_000, 118_000, account_value=50_000.0, liquidation_price=200_000.0),
    position(3, "BTC", 0.1, 118_000, 118_000, account_value=700.0, leverage_type="isolated", leverage=20,
             liquidation_price=113_500.0),
    position(4, "BTC", -0.2, 118_000, 118_000, account_value=7000.0, account_mode="unified"),
    position(5, "BTC", -0.1, 118_000, 118_000, account_value=3000.0, account_mode="portfolio_margin"),
    position(1, "kPEPE", 1_000_000.0, 0.0095, 0.009, account_value=9000.0, liquidation_price=0.001),
    position(2, "kPEPE", -1_500_000.0, 0.009, 0.009, account_value=50_000.0),
    position(6, "kPEPE", 400_000.0, 0.009, 0.009, account_value=800.0, account_mode=None),
    position(7, "kPEPE", 100_000.0, 0.009, 0.009, account_value=5_000_000.0, account_mode="dex_abstraction"),
    position(1, "xyz:MSFT", 2.0, 500.0, 510.0, account_value=400.0),
    position(2, "xyz:MSFT", -2.0, 500.0, 510.0, account_value=400.0),
]  # fmt: skip
ACCOUNT_VALUES = [
    {"user": user(who), "dex": dex, "collateral_token": "USDC", "account_value": value, "account_mode": mode}
    for who, dex, value, mode in (
        (1, "hyperliquid", 9000.0, "standard"), (2, "hyperliquid", 50_000.0, "standard"),
        (3, "hyperliquid", 700.0, "standard"), (4, "hyperliquid", 7000.0, "unified"),
        (5, "hyperliquid", 3000.0, "portfolio_margin"), (6, "hyperliquid", 800.0, None),
        (7, "hyperliquid", 5_000_000.0, "dex_abstraction"), (9, "hyperliquid", 12.0, "standard"),
        (1, "xyz", 400.0, "standard"), (2, "xyz", 400.0, "standard"),
    )
]  # fmt: skip
# After the snapshot: 1 sells 0.2 BTC to 2, who flips; 8 opens; a spot trade; kPEPE changes hands; HIP-3 lies elsewhere.
LATER = [
    *trade(11, "20:04:00", "BTC", "0.1", "118000", (2, "-0.4"), (1, "0.6")),  # before the snapshot: counted in it
    *trade(12, "20:10:00", "BTC", "0.2", "117000", (2, "-0.3"), (1, "0.5"), realized_pnl="0", fee="1.5"),
    fill("20:11:00", 2, "BTC", "buy", "0.3000000000", "116000", "-0.1", trade_id=13, direction="Short > Long",
         realized_pnl="300", fee="2"),
    fill("20:11:00", 8, "BTC", "sell", "0.3000000000", "116000", "0", trade_id=13),
    *trade(14, "20:12:00", "@107", "5", "40", (1, "0"), (2, "10"), asset_class="spot"),
    *trade(15, "20:13:00", "kPEPE", "100000", "0.0088", (2, "-1500000"), (6, "400000"), realized_pnl="20"),
]  # fmt: skip
# In the crash: 1 is liquidated at market, 3 by the backstop; the vault is deleveraged against 8; a settlement.
LIQUIDATIONS = [
    fill("21:16:00", 1, "BTC", "sell", "0.3", "105000", "0.3", trade_id=21, direction="Close Long", is_liquidation=True,
         liquidation_mark_px="105100", liquidation_method="market", realized_pnl="-4500"),
    fill("21:16:00", 8, "BTC", "buy", "0.3", "105000", "-0.3", trade_id=21, direction="Close Short", crossed=False,
         is_liquidation=True, liquidation_mark_px="105100", liquidation_method="market"),
    fill("21:16:30", 3, "BTC", "sell", "0.1", "112000", "0.1", trade_id=22, direction="Liquidated Isolated Long",
         is_liquidation=True, liquidation_mark_px="104000", liquidation_method="backstop"),
    fill("21:17:00", 7, "BTC", "sell", "0.1", "104500", "0.1", trade_id=23, direction="Liquidated Cross Long",
         is_liquidation=True, liquidation_mark_px="104000", liquidation_method="backstop"),
    fill("21:18:00", 5, "kPEPE", "sell", "1", "0.008", "1", trade_id=24, direction="Settlement"),
]  # fmt: skip
ADL = [
    fill("21:17:00", 4, "BTC", "buy", "0.1", "104500", "-0.2", trade_id=23, direction="Auto-Deleveraging",
         crossed=False, is_liquidation=True, liquidation_mark_px="104000", liquidation_method="backstop",
         realized_pnl="1350"),
]  # fmt: skip
SECONDS = 30 * 60


def tape() -> list[dict[str, Any]]:
    """Return bars: BTC falls by 15 % over half an hour and skips every tenth second, kPEPE trades every fifth."""
    btc = [round(118_000 * (1 - 0.15 * k / SECONDS), 1) if k % 10 else None for k in range(1, SECONDS + 1)]
    pepe = [round(0.009 * (1 - 0.1 * k / SECONDS), 6) if k % 5 == 0 else None for k in range(SECONDS)]
    return [*bars("BTC", "20:50:00", btc), *bars("kPEPE", "20:50:00", pepe)]


def venue(root: Path) -> Path:
    """Write the whole archive below a folder."""
    fills = root / "by_dex/hyperliquid/fills/perp"
    write(root / f"global/snapshots/perp/all/date={DAY}/{BLOCK}.parquet", POSITIONS, SNAPSHOT)
    write(root / f"global/snapshots/account_values/date={DAY}/{BLOCK}.parquet", VALUES, ACCOUNT_VALUES)
    write(fills / f"all/date={DAY}/fills.parquet", FILLS, [*LATER, *LIQUIDATIONS, *ADL], group=4)
    write(fills / f"liquidations/date={DAY}/fills.parquet", FILLS, LIQUIDATIONS)
    write(fills / f"adl/date={DAY}/fills.parquet", FILLS, ADL)
    write(root / f"by_dex/hyperliquid/candles/1s/date={DAY}/candles.parquet", BARS, tape(), group=540)
    bids, asks = [{"px": "117999.0", "sz": "1.5", "n": 2}], [{"px": "118001.0", "sz": "0.5", "n": 1}]
    book = [{"block_time_ms": SNAPSHOT_MS, "block_number": 1, "bids": bids, "asks": asks}]
    write(root / f"by_dex/hyperliquid/orderbook/1m/perps/date={DAY}/BTC.parquet", DEPTH, book)
    return root
