"""The perpetuals that a venue lists: the one of a coin, its names, and the units of its figures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

NAME_FIELDS = ("symbol", "pair", "instFamily", "instId", "uly", "name", "baseName")
QUOTES = ("USDT", "USDC", "USD")  # the preferred first


@dataclass(frozen=True, slots=True)
class Market:
    """A perpetual as a venue lists it.

    Attributes
    ----------
    symbol, names
        Unified symbol, and the names under which the venue's answers may speak of it.
    inverse
        Whether it is settled in its base coin.
    contract_size
        Base units of a contract; dollars if inverse.
    tick_px, lot_base, quantity_min
        Steps of price and quantity and the least quantity, None where the venue does not say.
    """

    symbol: str
    names: frozenset[str]
    inverse: bool
    contract_size: float
    tick_px: float | None
    lot_base: float | None
    quantity_min: float | None

    def limits(self) -> dict[str, float | None]:
        """Return the row of the series ``limits``, its time left out."""
        return {
            "tick_px": self.tick_px,
            "lot_base": self.lot_base,
            "contract_size": self.contract_size,
            "quantity_min": self.quantity_min,
        }


def market_of(listed: Mapping[str, Mapping[str, Any]], coin: str, symbol: str) -> Market | None:
    """Return a coin's perpetual: the symbol expected if it is listed, else the nearest of the same coin, else None.

    Parameters
    ----------
    listed
        ccxt's markets by unified symbol. Linear ones are nearer than inverse ones, then USDT, USDC, USD.
    """
    if symbol in listed:
        return _market(listed[symbol])
    perpetuals = [entry for entry in listed.values() if entry["swap"] and entry["base"] == coin]
    return _market(min(perpetuals, key=_preference)) if perpetuals else None


def _preference(entry: Mapping[str, Any]) -> tuple[bool, int, str]:
    quote = entry["quote"]
    return not entry["linear"], QUOTES.index(quote) if quote in QUOTES else len(QUOTES), entry["symbol"]


def _market(entry: Mapping[str, Any]) -> Market:
    info = entry["info"] if isinstance(entry["info"], dict) else {}
    names = {entry["id"], entry.get("baseName"), entry["base"], entry["symbol"]}
    names |= {info[key] for key in NAME_FIELDS if isinstance(info.get(key), str)}
    size = float(entry["contractSize"] or 1)
    step, inverse = entry["precision"], bool(entry["inverse"])
    return Market(
        symbol=entry["symbol"],
        names=frozenset(name for name in names if name),
        inverse=inverse,
        contract_size=size,
        tick_px=step["price"],
        lot_base=step["amount"] * size if step["amount"] is not None and not inverse else None,
        quantity_min=entry["limits"]["amount"]["min"],
    )
