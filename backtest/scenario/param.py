"""What a scenario field is: type, unit, default, bounds, choices, meaning, and its key in a venue file."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from msgspec import Meta

from backtest.scenario.vault_sets import VaultSet
from backtest.scenario.watched import WatchedPosition

PerCoin = float | Mapping[str, float]
Mix = Mapping[str, tuple[tuple[float, float, float], ...]]
Watched = tuple[WatchedPosition, ...]
Vaults = tuple[VaultSet, ...]

RULE = "from the venue profile"
EVENT = "from the event"
REQUIRED = object()  # a venue file must state it
KINDS: dict[Any, str] = {
    str: "text", int: "int", float: "float", bool: "bool", dt.datetime: "time", tuple[str, ...]: "coins",
    PerCoin: "per_coin", Mix: "mix", Watched: "watch", Vaults: "vaults",
}  # fmt: skip
COINS = 'BTC,SOL or ["BTC", "SOL"]'
MIX = "[[0, 3, 0.36], [3, 7, 0.49], [7, 0, 0.15]]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Param:
    """One scenario field.

    Attributes
    ----------
    kind
        text, int, float, bool, time, coins, per_coin, mix, vaults or watch.
    low, high
        Bounds of a number, or of each number of a table per coin.
    choices
        Allowed names of a text, as rules by name where each has a sentence and a source.
    user
        Pattern of what else a user may name in place of a choice; no file of a venue may.
    pattern, form
        How a text must look, for the machine and for the reader.
    kept
        Whether the baseline of the feedback path keeps it: which world it is and how it is read.
    of_book
        Whether only a drawn book reads it: without effect on an imported one.
    venue
        ``section.key`` of a venue file that states the field; empty: no rule of a venue.
    absent
        Value where a venue file leaves the key out; ``REQUIRED``: it must not.
    only
        Field and values for which the venue file states the key: it is needed with them and refused without.
    """

    name: str = ""
    kind: str = ""
    default: Any
    doc: str
    unit: str = ""
    low: float | None = None
    high: float | None = None
    choices: Collection[str] = ()
    user: str = ""
    pattern: str = ""
    form: str = ""
    kept: bool = False
    of_book: bool = False
    rule: bool = False
    venue: str = ""
    absent: Any = REQUIRED
    only: tuple[str, tuple[str, ...]] | None = None

    @property
    def stated(self) -> Any:
        """Return the type of the value in a venue file: one number for all coins, a choice and nothing of a user."""
        if self.user:
            return Literal[tuple(self.choices)]
        return self._number if self.kind == "per_coin" else self.decoded

    @property
    def _number(self) -> Any:
        bounds = Meta(ge=self.low, le=self.high, extra={"unit": "" if self.unit == "0..1" else self.unit})
        return Annotated[int if self.kind == "int" else float, bounds] if self.low is not None else float

    @property
    def decoded(self) -> Any:
        """Return the type that a value given in TOML or Python is decoded into, with bounds and choices."""
        if self.kind == "text":
            if self.user:
                return Annotated[str, Meta(pattern=f"^({'|'.join(self.choices)}|{self.user})$", description=self.form)]
            if self.choices:
                return Literal[tuple(self.choices)]
            return Annotated[str, Meta(pattern=self.pattern, description=self.form)] if self.pattern else str
        number = self._number
        return {
            "int": number,
            "float": number,
            "bool": bool,
            "time": dt.datetime,
            "coins": Annotated[tuple[Annotated[str, Meta(min_length=1)], ...], Meta(min_length=1, description=COINS)],
            "per_coin": number | dict[str, number],  # type: ignore[valid-type]
            "mix": dict[str, Annotated[tuple[tuple[float, float, float], ...], Meta(min_length=1, description=MIX)]],
            "watch": tuple[WatchedPosition, ...],
            "vaults": tuple[VaultSet, ...],
        }[self.kind]


def option(default: Any, doc: str, **more: Any) -> Any:
    """Declare a field; ``more`` are attributes of ``Param``."""
    return dataclasses.field(metadata={"param": Param(default=default, doc=doc, **more)})


def of_book(default: Any, doc: str, **more: Any) -> Any:
    """Declare a field that only a drawn book reads."""
    return option(default, doc, of_book=True, **more)


def rule(venue: str, doc: str, **more: Any) -> Any:
    """Declare a field whose default is a rule of the venue, stated in its file as ``section.key``."""
    return option(RULE, doc, venue=venue, rule=True, **more)


def declared(kind: type[Any]) -> tuple[Param, ...]:
    """Return the fields that a class declares with ``option`` and ``rule``, with their names and kinds."""
    kinds = {each: name for known, name in KINDS.items() for each in (known, known | None)}
    return tuple(
        dataclasses.replace(item.metadata["param"], name=item.name, kind=kinds[item.type])
        for item in dataclasses.fields(kind)
    )
