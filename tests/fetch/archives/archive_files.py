"""Makes archive files as the venues publish them, from rows given in the test."""

from __future__ import annotations

import datetime as dt
import gzip
import hashlib
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path

import pyarrow as pa

HEADERS = {
    "klines": "open_time,open,high,low,close,volume,close_time,quote_volume,count,"
    "taker_buy_volume,taker_buy_quote_volume,ignore",
    "fundingRate": "calc_time,funding_interval_hours,last_funding_rate",
    "metrics": "create_time,symbol,sum_open_interest,sum_open_interest_value,count_toptrader_long_short_ratio,"
    "sum_toptrader_long_short_ratio,count_long_short_ratio,sum_taker_long_short_vol_ratio",
    "aggTrades": "agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker",
    "bookDepth": "timestamp,percentage,depth,notional",
    "liquidationSnapshot": "time,side,order_type,time_in_force,original_quantity,price,average_price,order_status,"
    "last_fill_quantity,accumulated_fill_quantity",
    "trade": "timestamp,symbol,side,size,price,tickDirection,trdMatchID,grossValue,homeNotional,foreignNotional",
    "asset_ctxs": "time,coin,funding,open_interest,prev_day_px,day_ntl_vlm,premium,oracle_px,mark_px,mid_px,"
    "impact_bid_px,impact_ask_px",
}
EPOCH = dt.datetime.fromisoformat("1970-01-01")


def stamp(text: str, unit: str = "ms") -> int:
    """Return a UTC time as milliseconds or microseconds since the epoch."""
    us = (dt.datetime.fromisoformat(text) - EPOCH) // dt.timedelta(microseconds=1)
    return us if unit == "us" else us // 1000


def csv(kind: str, rows: Iterable[Sequence[object]], *, header: bool = True) -> bytes:
    lines = [HEADERS[kind]] if header else []
    lines += [",".join("" if value is None else str(value) for value in row) for row in rows]
    return ("\n".join(lines) + "\n").encode()


def kline(
    open_time: int, prices: Sequence[float], volume: float, quote_volume: float = 0.0, step: int = 60_000
) -> tuple[object, ...]:
    return (open_time, *prices, volume, open_time + step - 1, quote_volume, 7, 0, 0, 0)


def put_zip(root: Path, name: str, data: bytes, *, member: str | None = None, checksum: bool = True) -> Path:
    """Write ``root/name``, a zip with one CSV, and its ``.CHECKSUM``."""
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(member or f"{path.stem}.csv", data)
    if checksum:
        put_checksum(path)
    return path


def put_checksum(path: Path, name: str = "") -> None:
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    path.with_name(f"{path.name}.CHECKSUM").write_text(f"{digest}  {name or path.name}\n", "utf-8")


def put_gz(root: Path, name: str, data: bytes) -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(data))
    return path


def put_lz4(root: Path, name: str, data: bytes) -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    with pa.OSFile(str(path), "wb") as raw, pa.CompressedOutputStream(raw, "lz4") as stream:
        stream.write(data)
    return path


def klines_name(kind: str, symbol: str, when: str, market: str = "um", timeframe: str = "1m") -> str:
    period = "monthly" if len(when) == 7 else "daily"
    return f"data/futures/{market}/{period}/{kind}/{symbol}/{timeframe}/{symbol}-{timeframe}-{when}.zip"


def other_name(kind: str, symbol: str, when: str, market: str = "um") -> str:
    period = "monthly" if len(when) == 7 else "daily"
    return f"data/futures/{market}/{period}/{kind}/{symbol}/{symbol}-{kind}-{when}.zip"
