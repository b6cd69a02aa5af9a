"""Priors: the scenario fields whose values are not known, each with a range, its source and the facts seen.

``data/priors.toml`` holds them; ``--priors FILE`` reads another file. What is drawn from them is in ``studies``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from backtest.assets import asset
from backtest.errors import ConfigError
from backtest.scenario.fields import BY_NAME
from backtest.scenario.param import Param
from backtest.scenario.reading import check_value, unknown_field
from backtest.toml import Cited, Id, Table, decode, read_toml

Distribution = Literal["uniform", "log_uniform", "lognormal", "choice", "mix"]
Frac = Annotated[float, msgspec.Meta(ge=0, le=1)]
Leverage = Annotated[float, msgspec.Meta(ge=0, le=1000)]
Positive = Annotated[float, msgspec.Meta(gt=0)]
NUMBERS = ("int", "float", "per_coin", "vaults")  # kinds of fields that a number is drawn for: of vaults the capital
NOT_UNKNOWN = (  # or fix the market, or could name code of a user
    *("seed", "positions", "impact", "contract", "max_candidates", "queue_not_reached", "adl_allocation"),
)
KEYS = {
    "uniform": ("low", "high"),
    "log_uniform": ("low", "high"),
    "lognormal": ("log_sd",),
    "choice": ("values",),
    "mix": ("shares",),
}


class ShareRange(Table, frozen=True, kw_only=True):
    """The share of a bucket of leverage in a mix: between ``low`` and ``high``; without them the bucket has the rest.

    ``to`` = 0 is the limit of the margin table.
    """

    low_x: Leverage = msgspec.field(name="from")
    high_x: Leverage = msgspec.field(name="to")
    low: Frac | None = None
    high: Frac | None = None

    def __post_init__(self) -> None:
        if (self.low is None) != (self.high is None):
            raise ValueError("a share has both low and high, or neither: then it is the rest")
        if self.low is not None and self.high is not None and not self.low <= self.high:
            raise ValueError(f"an empty range, low = {self.low:g} is above high = {self.high:g}; swap them")
        if 0 < self.high_x <= self.low_x:
            raise ValueError(f"from = {self.low_x:g} is not below to = {self.high_x:g}; to = 0 is the limit")


class Prior(Cited, frozen=True, kw_only=True):
    """A field, or a factor on it, with the distribution that it is drawn from.

    Attributes
    ----------
    distribution
        uniform or log_uniform from ``low`` to ``high``, lognormal around 1 with ``log_sd`` (always a factor), choice of
        ``values``, mix of ``shares``, whose leverage is multiplied by a log-uniform level.
    factor, each_coin
        Whether the field's own value is multiplied, and whether each coin has a draw of its own.
    venues
        Venues whose runs draw it; none: all.
    unless_zero
        Whether a field that is 0 stays so.
    least_coins, at_most_coins
        Fewest coins of a run that draws it, and whether the number of coins bounds the range.
    of_book
        Whether it is of the synthetic book: an imported one has no use for it.
    seen
        The facts that were known when the range was written.
    """

    id: Id
    field: str
    distribution: Distribution
    seen: str
    low: float | None = None
    high: float | None = None
    log_sd: Positive | None = None
    values: Annotated[tuple[float | str, ...], msgspec.Meta(min_length=1)] | None = None
    shares: Annotated[tuple[ShareRange, ...], msgspec.Meta(min_length=2)] | None = None
    level_low: Positive = 1.0
    level_high: Positive = 1.0
    factor: bool = False
    each_coin: bool = False
    venues: tuple[str, ...] = ()
    unless_zero: bool = False
    least_coins: Annotated[int, msgspec.Meta(ge=1)] = 1
    at_most_coins: bool = False
    of_book: bool = False

    def __post_init__(self) -> None:
        wanted = KEYS[self.distribution]
        for name in dict.fromkeys(key for keys in KEYS.values() for key in keys):
            given = getattr(self, name) is not None
            if given != (name in wanted):
                state = "needs" if name in wanted else "has no"
                raise ValueError(
                    f"prior '{self.id}': {self.distribution} {state} {name}; its keys: {', '.join(wanted)}"
                )
        for low, high, names in (
            (self.low, self.high, ("low", "high")),
            (self.level_low, self.level_high, ("level_low", "level_high")),
        ):
            if low is not None and high is not None and not low <= high:
                ends = f"{names[0]} = {low:g} is above {names[1]} = {high:g}"
                raise ValueError(f"prior '{self.id}': an empty range, {ends}; swap them")
        if self.distribution == "log_uniform" and self.low is not None and self.low <= 0:
            raise ValueError(f"prior '{self.id}': low = {self.low:g}; log_uniform needs a range above 0")
        self._check_shares()

    def _check_shares(self) -> None:
        rows = self.shares or ()
        if rows and sum(row.low is None for row in rows) > 1:
            raise ValueError(f"prior '{self.id}': several shares have no range; one at most is the rest")
        if any(row.low is None for row in rows) and sum(row.high or 0 for row in rows) > 1:
            raise ValueError(f"prior '{self.id}': the highs sum to more than 1 and leave no rest; lower one")
        if rows and all(row.low is not None for row in rows) and not sum(row.high or 0 for row in rows):
            raise ValueError(f"prior '{self.id}': all shares are 0; give one a range")

    @property
    def is_factor(self) -> bool:
        """Return whether the field's own value is multiplied by what is drawn."""
        return self.factor or self.distribution == "lognormal"


class AcceptedDraw(Table, frozen=True, kw_only=True):
    """A draw that a calibration kept: its weight, and by the names of what was drawn the values, drawn together."""

    weight: Positive
    values: dict[str, float | str]


class PriorsFile(Table, frozen=True, kw_only=True):
    """A file of priors, and of the draws that a calibration accepted of them."""

    prior: Annotated[tuple[Prior, ...], msgspec.Meta(min_length=1)]
    accepted: tuple[AcceptedDraw, ...] = ()

    def __post_init__(self) -> None:
        names = {row.id for row in self.prior}
        for number, row in enumerate(self.accepted, 1):
            if row.values.keys() != self.accepted[0].values.keys():
                raise ValueError(f"accepted draw {number} has other names than the first; give all the same")
            unknown = sorted(name for name in row.values if name.split(".", 1)[0] not in names)
            if unknown:
                raise ValueError(f"accepted draw {number}: no prior for '{unknown[0]}'; give it a [[prior]]")


@dataclass(frozen=True, slots=True)
class Priors:
    """The priors of a file, the draws accepted of them, and its digest."""

    rows: tuple[Prior, ...]
    digest: str
    source: str
    accepted: tuple[AcceptedDraw, ...] = ()


def read_priors(path: Path | None = None) -> Priors:
    """Read a file of priors, by default the packaged one.

    Raises
    ------
    ConfigError
        For an unknown key or field, an empty range, or a distribution that does not fit its field.
    """
    file = asset("data", "priors.toml") if path is None else path
    table = read_toml(file)
    rows, accepted = parse_priors(table, file.name), decode(table, PriorsFile, file.name).accepted
    digest = hashlib.sha256(msgspec.json.encode((rows, accepted) if accepted else rows)).hexdigest()
    return Priors(rows=rows, digest=digest, source=file.name, accepted=accepted)


def parse_priors(table: Mapping[str, Any], where: str) -> tuple[Prior, ...]:
    """Check a table of priors.

    Examples
    --------
    >>> row = {"id": "a", "field": "liquidity_factor", "distribution": "uniform", "low": 2.0, "high": 1.0}
    >>> parse_priors({"prior": [{**row, "source": "x", "mark": "U", "seen": "none"}]}, "mine.toml")
    Traceback (most recent call last):
    backtest.errors.ConfigError: mine.toml [[prior]] 1: prior 'a': an empty range, low = 2 is above high = 1; swap them
    """
    rows = decode(table, PriorsFile, where).prior
    names = [row.id for row in rows]
    for row in rows:
        if names.count(row.id) > 1:
            raise ConfigError(f"{where}: two priors have the id '{row.id}'; give each its own")
        _check_field(row, f"{where}: prior '{row.id}'")
    return rows


def _check_field(row: Prior, where: str) -> None:
    """Refuse a field that does not exist, of another kind, or a range beyond its bounds."""
    if row.field not in BY_NAME:
        raise ConfigError(f"{where}: {unknown_field('field', row.field)}")
    if row.field in NOT_UNKNOWN:
        raise ConfigError(f"{where}: {row.field} is no unknown of a crash; it is not drawn")
    param = BY_NAME[row.field]
    if row.distribution == "mix":
        if param.kind != "mix":
            raise ConfigError(f"{where}: {row.field} is no mix; give it another distribution")
        return
    if param.kind not in NUMBERS and not (row.distribution == "choice" and param.kind in {"text", "bool"}):
        allowed = "mix" if param.kind == "mix" else "choice" if param.kind in {"text", "bool"} else "none"
        raise ConfigError(f"{where}: {row.field} is of kind {param.kind}; distributions that fit it: {allowed}")
    if row.each_coin and param.kind != "per_coin":
        raise ConfigError(f"{where}: {row.field} has one value for all coins; leave each_coin out")
    if param.kind == "vaults" and (row.is_factor or row.distribution == "choice"):
        raise ConfigError(
            f"{where}: of vaults the capital is drawn, not a factor or a choice; give uniform or log_uniform"
        )
    param = BY_NAME["vault_capital_usd"] if param.kind == "vaults" else param
    if not row.is_factor:
        for value in (row.low, row.high, *(row.values or ())):
            if value is not None:
                check_value(param, whole(param, value), where)


def whole(param: Param, value: Any) -> Any:
    """Return a number as the field holds it: the nearest whole one where it is a count."""
    return round(value) if param.kind == "int" and isinstance(value, float) else value
