"""The contents of ``run.json`` as types: event, venue, scenario, labels, notes, versions and digests of a run."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta

from backtest.catalogue.facts import Comparison, Fact
from backtest.errors import RunError
from backtest.toml import Id, Mark, Utc
from backtest.venue.statement import Point, Simplification, Source

if TYPE_CHECKING:
    from backtest.scenario.fields import Scenario

T = TypeVar("T")
Stored = None | bool | int | float | str | list[Any] | dict[str, Any]  # a value of JSON
RunId = Annotated[str, Meta(pattern=r"^[0-9a-f]{12}\Z")]
Sha256 = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]
Units = Annotated[str, Meta(pattern=r"^[0-9]{1,30}(\.[0-9]{1,30})?\Z")]  # a decimal above zero
Word = Annotated[str, Meta(max_length=60)]
Symbol = Annotated[str, Meta(pattern=r"^\S{1,200}\Z")]
Usd = Annotated[str, Meta(pattern=r"^[0-9]{1,12}(\.[0-9]{1,6})?\Z")]  # a decimal, zero or more
Share = Annotated[float, Meta(ge=0, le=1)]
Rows = Annotated[int, Meta(ge=0, lt=1 << 40)]
Badge = Literal["measured", "imported", "proxy", "modelled"]
LONGEST_SHOWN = 300  # characters of a refusal


class Record(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A part of ``run.json``; a missing, unknown or mistyped key is refused."""


class Label(Record, frozen=True):
    """Where an input comes from: a badge (measured, imported, proxy, modelled) and a sentence."""

    badge: Badge
    text: str


class Labels(Record, frozen=True):
    """A label for each kind of input."""

    prices: Label
    open_interest: Label
    book: Label
    mark: Label
    liquidity: Label

    def by_name(self) -> dict[str, Label]:
        """Return the labels by input, in order."""
        return msgspec.structs.asdict(self)


class Event(Record, frozen=True):
    """The event of the catalogue; times are naive UTC."""

    id: Id
    title: str
    summary: str
    grade: Word
    core_start: Utc
    core_end: Utc
    facts: tuple[Fact, ...]
    compare: tuple[Comparison, ...]
    notes: tuple[str, ...]


class Venue(Record, frozen=True):
    """The profile whose rules ran."""

    id: Id
    name: str
    as_of: dt.date
    notes: tuple[str, ...]
    simplified: tuple[Simplification, ...]
    sources: tuple[Source, ...]
    points: tuple[Point, ...]
    unverified: tuple[str, ...]


class Tier(Record, frozen=True):
    """A row of a margin table: from a notional (in the table's unit) on, a maintenance rate and a largest leverage."""

    floor: Annotated[float, Meta(ge=0)]
    maintenance_rate: Share
    leverage: Annotated[float, Meta(gt=0)]


class Contract(Record, frozen=True):
    """Tick, lot and margin table of a symbol, and the source of each.

    ``kind``: a coin with bars, or the modelled rest of the venue, which is in no total of the others.
    """

    symbol: Symbol
    tick_px: Units
    lot: Units
    lot_of: Word
    units_from: str
    margin_table_from: dt.date
    margin_table_coin: Word
    margin_source: str
    margin_mark: Mark
    margin_note: str
    floors_in: Literal["usd", "coin"]
    tiers: tuple[Tier, ...]
    kind: Literal["bars", "rest_of_venue"] = "bars"


class Settlement(Record, frozen=True):
    """The settlement currency; of a coin also its first mark, at which all amounts count."""

    contract: Literal["linear", "inverse"]
    currency: Word
    coin_px: Annotated[float, Meta(gt=0)] | None

    @property
    def unit(self) -> str:
        """Return the meaning of USD in a run that settles in a coin, empty for dollars.

        Examples
        --------
        >>> Settlement(contract="inverse", currency="BTC", coin_px=7934.5).unit
        'USD are BTC x 7,934.5, the first mark'
        """
        return "" if self.coin_px is None else f"USD are {self.currency} x {self.coin_px:,.10g}, the first mark"


class Digests(Record, frozen=True):
    """SHA-256 of the inputs of a run."""

    data: Sha256
    book: Sha256
    code: Sha256
    scenario: Sha256


class SuspectValue(Record, frozen=True):
    """A value of the data used that nothing around it bears out; ``walked``: it lies in the bars that were replayed."""

    series: Word
    symbol: Symbol
    source: str
    ts: Utc
    field: Word
    value: float
    least: float | None
    most: float | None
    reason: str
    walked: bool


class TableFile(Record, frozen=True):
    """Rows and SHA-256 of the file of a result table."""

    rows: Rows
    sha256: Sha256


class Totals(Record, frozen=True):
    """What a list of runs shows of the tables: positions, liquidated and deleveraged notional of all symbols."""

    positions: Rows = 0
    liquidated_usd: Usd = "0"
    adl_usd: Usd = "0"


class RunMeta(Record, frozen=True):
    """Everything a reader needs to judge or repeat a run, without times.

    ``headline`` are notes that belong beside the headline numbers; ``tables`` and ``totals`` are known once the tables
    are written.
    """

    run_id: RunId
    threshold: Literal["<", "<="]
    event: Event
    venue: Venue
    stored_scenario: dict[str, Stored] = msgspec.field(name="scenario")
    scenario_toml: str
    scenario_sources: dict[str, str]
    contracts: tuple[Contract, ...]
    labels: Labels
    settlement: Settlement
    assumptions: tuple[str, ...]
    not_simulated: tuple[str, ...]
    notes: tuple[str, ...]
    versions: dict[str, str]
    digests: Digests
    watch: bool
    cross: bool
    headline: tuple[str, ...] = ()
    suspects: tuple[SuspectValue, ...] = ()
    tables: dict[str, TableFile] = {}
    totals: Totals = Totals()

    @property
    def scenario(self) -> Scenario:
        """Return the scenario that ran, with the fields and types of this version.

        Raises
        ------
        RunError
            A field is missing, unknown, or out of its bounds or choices.
        """
        return scenario_of(self.stored_scenario, "run.json")


@cache
def scenario_type() -> type[msgspec.Struct]:
    """Return the scenario as it is stored as a type: every field of this version with its type, choices and bounds."""
    from backtest.scenario.fields import PARAMS  # the rules of all fields take numpy, which a list of runs needs not

    fields = [(param.name, param.decoded | None) for param in PARAMS]
    return msgspec.defstruct("Scenario", fields, bases=(Record,), frozen=True, kw_only=True, forbid_unknown_fields=True)


def scenario_of(stored: Mapping[str, Stored], where: str) -> Scenario:
    """Return a stored scenario; what is not as declared is a ``RunError`` that begins with ``where``."""
    from backtest.scenario.fields import Scenario

    return Scenario(**msgspec.structs.asdict(decode(stored, scenario_type(), f"{where} [scenario]")))


def decode(table: Mapping[str, Any], kind: type[T], where: str) -> T:
    """Return a table of JSON as a record.

    Raises
    ------
    RunError
        Naming the file and the key that is missing, unknown or of another type.

    Examples
    --------
    >>> decode({"badge": "proxy"}, Label, "run.json")
    Traceback (most recent call last):
    backtest.errors.RunError: run.json: Object missing required field `text`; run it again
    """
    try:
        return msgspec.convert(table, kind)
    except msgspec.ValidationError as error:
        text = str(error)
        short = text if len(text) <= LONGEST_SHOWN else f"{text[: LONGEST_SHOWN - 3]}..."
        raise RunError(f"{where}: {short}; run it again") from None
