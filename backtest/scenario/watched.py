"""Positions of mine that a run follows: read from ``[[watch]]`` tables, checked, and joined to the book."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec

from backtest.toml import Table, shown

Positive = Annotated[float, msgspec.Meta(gt=0)]


class WatchedPosition(Table, frozen=True, kw_only=True):
    """A position of mine to follow: an account of its own; cross positions of one name are one account."""

    name: str
    coin: str
    side: Literal["long", "short"]
    size_base: Positive
    entry_px: Positive
    leverage: Positive
    hedged: bool = False
    margin_mode: Literal["isolated", "cross"] = "isolated"

    def __post_init__(self) -> None:
        if not self.name.strip() or any(unicodedata.category(letter) in {"Cc", "Zl", "Zp"} for letter in self.name):
            raise ValueError(f"name = {shown(self.name)}; write one line without control characters")

    def plain(self) -> dict[str, Any]:
        """Return the fields as JSON-ready values."""
        return {key: getattr(self, key) for key in self.__struct_fields__}


def names_clash(rows: Sequence[WatchedPosition]) -> str:
    """Return the fault of the names, empty if none: only a cross account has several positions of one name."""
    first: dict[str, WatchedPosition] = {}
    for row in rows:
        other = first.setdefault(row.name, row)
        if other is not row and {other.margin_mode, row.margin_mode} != {"cross"}:
            fix = 'give each its own, or margin_mode = "cross" to all positions of one account'
            return f"two [[watch]] tables share a name; {fix}"
    if len({(row.name, row.coin, row.side) for row in rows}) < len(rows):
        return "two [[watch]] tables share name, coin and side; merge them"
    return ""
