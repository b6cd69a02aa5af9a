"""Node fills written as the venue writes them: one block per line, both parties of every trade."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import orjson

VAULT = "0x2e3d94f0562703b25c83308a05046ddaf9a8dd14"
BURST = dt.datetime.fromisoformat("2025-10-10T21:16:04.831874")
Event = list[Any]


def user(number: int) -> str:
    return f"0x{number:040x}"


def ms(time: dt.datetime) -> int:
    return int(time.replace(tzinfo=dt.UTC).timestamp() * 1000)


def fill(owner: str, time: dt.datetime, side: str, direction: str, **fields: Any) -> Event:
    """Return one party's fill; sizes and prices are text, as on the wire."""
    size = fields.get("sz", "1")
    body = {
        "coin": "BTC", "px": "110000.0", "sz": size, "side": side, "time": ms(time),
        "startPosition": size if side == "A" else f"-{size}", "dir": direction, "closedPnl": "10.5",
        "hash": "0x00", "oid": 1, "crossed": True, "fee": "0.0", "tid": 77, "feeToken": "USDC",
    }  # fmt: skip
    return [owner, {name: value for name, value in (body | fields).items() if value is not ...}]


def adl_trade(
    winner: str, bankrupt: str, time: dt.datetime = BURST, *, winner_side: str = "B", **fields: Any
) -> list[Event]:
    """Return both fills of a deleveraging, the bankrupt party's first."""
    about = {"liquidation": {"liquidatedUser": bankrupt, "markPx": "109990.0", "method": "backstop"}}
    other, word = ("A", "Long") if winner_side == "B" else ("B", "Short")
    return [
        fill(bankrupt, time, other, f"Liquidated Cross {word}", **(about | fields)),
        fill(winner, time, winner_side, "Auto-Deleveraging", **(about | fields)),
    ]


def takeover(liquidated: str, time: dt.datetime = BURST, *, side: str = "A", **fields: Any) -> list[Event]:
    """Return both fills of a liquidation that the vault takes over."""
    about = {"liquidation": {"liquidatedUser": liquidated, "markPx": "109990.0", "method": "backstop"}}
    word, back, taken = ("Long", "B", "Open Long") if side == "A" else ("Short", "A", "Open Short")
    return [
        fill(liquidated, time, side, f"Liquidated Isolated {word}", **(about | fields)),
        fill(VAULT, time, back, taken, **(about | fields)),
    ]


def market_liquidation(liquidated: str, maker: str, time: dt.datetime = BURST, **fields: Any) -> list[Event]:
    """Return both fills of a liquidation that the order book takes; its direction is an ordinary one."""
    about = {"liquidation": {"liquidatedUser": liquidated, "markPx": "109990.0", "method": "market"}}
    return [
        fill(liquidated, time, "A", "Close Long", **(about | fields)),
        fill(maker, time, "B", "Open Long", **(about | fields)),
    ]


def trade(buyer: str, seller: str, time: dt.datetime = BURST, **fields: Any) -> list[Event]:
    return [fill(buyer, time, "B", "Open Long", **fields), fill(seller, time, "A", "Open Short", **fields)]


def block(events: Iterable[Event], time: dt.datetime = BURST, number: int = 758800641) -> bytes:
    stamp = time.isoformat(timespec="microseconds") + "687"
    return orjson.dumps({"local_time": stamp, "block_time": stamp, "block_number": number, "events": list(events)})


def write_lines(path: Path, lines: Sequence[bytes]) -> Path:
    """Write lines, packed in the lz4 frame format if the name says so."""
    import pyarrow as pa

    path.parent.mkdir(parents=True, exist_ok=True)
    data = b"".join(line + b"\n" for line in lines)
    if path.suffix == ".lz4":
        with pa.CompressedOutputStream(str(path), "lz4") as out:
            out.write(data)
    else:
        path.write_bytes(data)
    return path
