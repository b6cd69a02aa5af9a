"""What an event file states in tables: samples, published facts, comparisons, the settings of a sensitivity grid."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from typing import Annotated, Any, Literal

import msgspec

from backtest.toml import Mark, Table, Utc

FileName = Annotated[
    str, msgspec.Meta(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,199}\Z", description="the name of a file, no folder")
]
Metric = Literal[
    "liquidated_notional_usd", "liquidated_long_share_frac", "adl_notional_usd", "adl_onset_s", "adl_positions",
    "price_low", "price_move_frac", "adl_mean_px", "adl_pnl_usd", "adl_profit_frac", "adl_return_median_frac",
    "adl_leverage_median_x", "adl_full_share_frac", "adl_closes_share_frac", "adl_vault_share_frac", "adl_gini_frac",
    "adl_top10_share_frac", "adl_first_s", "adl_largest_usd", "adl_largest_instant_usd", "off_book_share_frac",
    "forced_share_30min_frac", "branching_ratio_x", "vault_pnl_usd",
]  # fmt: skip
QUERIES: dict[str, tuple[str, ...]] = {  # by the query that answers them; of a window, the others are in the first
    "adl_in_window": (
        "adl_mean_px", "adl_pnl_usd", "adl_profit_frac", "adl_return_median_frac", "adl_leverage_median_x",
        "adl_full_share_frac", "adl_closes_share_frac", "adl_vault_share_frac", "adl_gini_frac",
        "adl_top10_share_frac", "adl_first_s", "adl_largest_usd", "adl_largest_instant_usd",
    ),
    "forced_sales_in_window": ("off_book_share_frac", "forced_share_30min_frac", "branching_ratio_x"),
    "vault_result": ("vault_pnl_usd",),
}  # fmt: skip
Kind = Literal["two_sided", "lower", "shown"]  # how a fact is scored: on both sides, as a lower bound, not at all
SUMS = {"liquidated_notional_usd", "adl_notional_usd", "adl_positions", "adl_pnl_usd"}  # of every coin they are of


def query_of(metric: str) -> str:
    """Return the query that answers a metric.

    Examples
    --------
    >>> query_of("adl_gini_frac"), query_of("price_low")
    ('adl_in_window', 'window_metrics')
    """
    return next((name for name, metrics in QUERIES.items() if metric in metrics), "window_metrics")


class Sample(Table, frozen=True, kw_only=True):
    """A committed file of minute bars; ``end`` is exclusive."""

    venue: str
    coin: str
    file: FileName
    start: Utc
    end: Utc
    rows: int

    def __post_init__(self) -> None:
        if not self.start < self.end:
            raise ValueError("start is not before end; correct the times")


class WindowPart(Table, frozen=True, kw_only=True):
    """A named part of an event's window; ``end`` is exclusive."""

    name: str
    start: Utc
    end: Utc


class Fact(Table, frozen=True, kw_only=True):
    """A published figure of an event: a value, a range from ``low`` to ``high``, or a time ``at``.

    ``grade``: A measured from primary data, B reported with its method, C reported. ``start`` and ``end`` bound the
    time it is of, if the source says so.
    """

    id: str
    quantity: str
    unit: str
    source: str
    grade: str
    mark: Mark
    venue: str = ""
    coin: str = ""
    side: str = ""
    note: str = ""
    value: float | None = None
    low: float | None = None
    high: float | None = None
    start: Utc | None = None
    end: Utc | None = None
    at: Utc | None = None
    conflicts_with: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.value is None and self.low is None and self.at is None:
            raise ValueError(f"fact '{self.id}' has no value; give value, low and high, or at")


class Comparison(Table, frozen=True, kw_only=True):
    """A figure of a run that stands beside a published fact: as a ratio to it, or as a bar within its range.

    ``coin`` names one, several joined by ``+``, or none for all. ``use`` says whether the fact was seen when defaults
    and priors were written (``fitted``), was not (``held_out``), or checks the prices that were walked
    (``path_check``). A fact that is a ``lower`` bound is met from above.
    """

    fact: str
    metric: Metric
    coin: str = ""
    start: Utc
    end: Utc
    how: Literal["ratio", "bar"]
    use: Literal["fitted", "held_out", "path_check"] = "held_out"
    bound: Literal["", "lower"] = ""
    note: str = ""

    @property
    def coins(self) -> tuple[str, ...]:
        """Return the coins it is of; none: all of the run."""
        return tuple(self.coin.split("+")) if self.coin else ()

    @property
    def query(self) -> str:
        """Return the query that answers its metric."""
        return query_of(self.metric)

    def params(self, coins: Collection[str]) -> dict[str, Any]:
        """Return the parameters of that query for a run of these coins."""
        if self.query == "vault_result":
            return {}
        there = "+".join(coin for coin in self.coins if coin in coins)
        return {"symbol": there or None, "start": self.start, "end": self.end}

    def covered_by(self, coins: Collection[str]) -> bool:
        """Return whether a run of these coins has the figure: a sum needs every coin, all else at least one.

        Examples
        --------
        >>> day = dt.datetime.fromisoformat("2025-10-10")
        >>> when = {"start": day, "end": day + dt.timedelta(1), "how": "bar"}
        >>> first = Comparison(fact="first", metric="adl_first_s", coin="BTC+ETH", **when)
        >>> both = Comparison(fact="both", metric="adl_notional_usd", coin="BTC+ETH", **when)
        >>> first.covered_by(["BTC"]), both.covered_by(["BTC"]), first.covered_by(["SOL"])
        (True, False, False)
        """
        there = [coin in coins for coin in self.coins]
        return not there or (all(there) if self.metric in SUMS else any(there))


def ends(fact: Fact, entry: Comparison) -> tuple[float, ...]:
    """Return the value of a fact or both ends of its range; a time in seconds from the window's start."""
    if fact.at is not None:
        return ((fact.at - entry.start) / dt.timedelta(seconds=1),)
    return tuple(float(end) for end in (fact.value, fact.low, fact.high) if end is not None)


def kind_of(fact: Fact, entry: Comparison, venue: str) -> Kind:
    """Return how a fact is scored in a run with the rules of a venue."""
    foreign = bool(venue and fact.venue and fact.venue != venue)
    if foreign or entry.use == "path_check" or fact.at is not None:
        return "shown"
    if entry.bound == "lower":
        return "lower"
    return "two_sided" if entry.how == "ratio" else "shown"


class GridSetting(Table, frozen=True, kw_only=True):
    """One run of an event's sensitivity grid: its label and the scenario fields it changes."""

    label: str
    set: dict[str, Any]


def plain(row: msgspec.Struct) -> dict[str, Any]:
    """Return a table as JSON-ready values."""
    out: dict[str, Any] = msgspec.to_builtins(row)
    return {key: value.isoformat() if isinstance(value, dt.datetime) else value for key, value in out.items()}
