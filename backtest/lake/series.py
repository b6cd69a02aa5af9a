"""The one table of all series of the lake: a new series is a row here.

From a row follow the files of the lake (``place``, ``write``, ``read``), its checks and counts (``checks``,
``inventory``) and the requests of ``crashbook fetch`` (``backtest.fetch``). Where a series can come from is data too:
``data/availability.toml`` for REST, the publisher's table of files for archives (``backtest.fetch.archives``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from backtest.lake.checks import PRICES, Rules, Usable, amounts, bar_rules, positive_ratios, rate_rules, whole_rows
from backtest.lake.contract_checks import limits_fault, tiers_fault

if TYPE_CHECKING:
    import polars as pl

BAR_COLUMNS = ("ts", *PRICES, "volume")
BARS: Mapping[str, str] = {"ts": "TIMESTAMP", **dict.fromkeys(BAR_COLUMNS[1:], "DOUBLE")}
FILLS: Mapping[str, str] = {
    "ts": "TIMESTAMP",
    "block_ts": "TIMESTAMP",
    "seq": "BIGINT",
    "kind": "VARCHAR",
    "user": "VARCHAR",
    "side": "VARCHAR",
    "quantity_base": "DOUBLE",
    "px": "DOUBLE",
    "start_position_base": "DOUBLE",
    "closed_pnl_usd": "DOUBLE",
    "fee_usd": "DOUBLE",
    "dir": "VARCHAR",
    "liquidated_user": "VARCHAR",
    "mark_px": "DOUBLE",
    "method": "VARCHAR",
}
TIMEFRAMES = {"1s": 1, "1m": 60, "5m": 300, "15m": 900, "1h": 3600, "4h": 14400, "1d": 86400}
USUAL_STEP_S = {"timeframe": 60, "listed": 300, "own": 0, "none": 0}


@dataclass(frozen=True, slots=True)
class Call:
    """How ccxt's clients are asked for a series.

    Attributes
    ----------
    capability, method
        Name of the method in ``has`` and ``features``, and as it is called.
    fields
        Fields of ccxt's rows in the order of the columns; empty where its rows are lists in that order.
    required
        So many columns a row cannot do without, the first ones.
    timeframe
        Whether the method takes a timeframe.
    """

    capability: str
    method: str
    fields: tuple[str, ...] = ()
    required: int = 5
    timeframe: bool = True


@dataclass(frozen=True, slots=True)
class Series:
    """One series of the lake.

    Attributes
    ----------
    name, title
        Name of its folder, and of its rows in messages.
    columns
        Columns with their SQL types, ``ts`` first.
    clock
        Distance of its rows: ``timeframe`` (bars: that of the folder), ``listed`` (that of the venue's entry in
        ``data/availability.toml``), ``own`` (the most frequent one of the rows), ``none``.
    state
        Whether it is only known as of now: one day, today's, of the first venue asked.
    fetched
        ``always`` by ``crashbook fetch``, ``on request`` with ``--series``, ``never``: read from files only.
    needed
        Whether no replay runs without it.
    key
        Columns that tell two rows apart; empty where rows may repeat each other and both be true.
    ordered
        Whether rows are in order of time.
    rules
        Rules that a replay needs its rows to keep (``checks.check_rows``); None where no replay reads them.
    fault
        Returns the rule that the rows of a state break as text, empty if none; None where ``rules`` hold row by row.
    usable
        Which fetched rows carry a value; others are dropped. None: every row is kept.
    ccxt
        How ccxt's clients are asked; None where they are not.
    """

    name: str
    title: str
    columns: Mapping[str, str]
    clock: Literal["timeframe", "listed", "own", "none"] = "none"
    state: bool = False
    fetched: Literal["always", "on request", "never"] = "always"
    needed: bool = False
    key: tuple[str, ...] = ("ts",)
    ordered: bool = True
    rules: Rules | None = None
    fault: Callable[[pl.DataFrame], str] | None = None
    usable: Usable | None = None
    ccxt: Call | None = None

    @property
    def bars(self) -> bool:
        """Return whether rows are bars, which lie in a folder for each timeframe."""
        return self.clock == "timeframe"

    @property
    def values(self) -> tuple[str, ...]:
        """Return the columns without the time."""
        return tuple(self.columns)[1:]

    @property
    def usual_step_s(self) -> int:
        """Return the distance of rows in seconds where nothing else is known, 0 without a clock."""
        return USUAL_STEP_S[self.clock]

    def bar_s(self, timeframe: str) -> int:
        """Return the seconds of a bar, 0 where rows are no bars."""
        return TIMEFRAMES[timeframe] if self.bars else 0


def _bars(name: str, title: str, call: Call, **more: object) -> Series:
    given = {"rules": bar_rules, "usable": whole_rows, "ccxt": call} | more
    return Series(name, title, BARS, clock="timeframe", **given)  # type: ignore[arg-type]


_ROWS = (
    _bars("ohlcv", "trade bars", Call("fetchOHLCV", "fetch_ohlcv", required=6), needed=True),
    _bars("mark_ohlcv", "bars of the mark price", Call("fetchMarkOHLCV", "fetch_mark_ohlcv")),
    _bars("index_ohlcv", "bars of the index price", Call("fetchIndexOHLCV", "fetch_index_ohlcv")),
    _bars(
        "premium_ohlcv",
        "bars of the premium index",
        Call("fetchPremiumIndexOHLCV", "fetch_premium_index_ohlcv"),
        fetched="on request",
        rules=None,  # a premium may be negative
    ),
    Series(
        name="funding",
        title="funding rates",
        columns={"ts": "TIMESTAMP", "rate": "DOUBLE"},
        clock="own",
        rules=rate_rules,
        usable=whole_rows,
        ccxt=Call(
            "fetchFundingRateHistory",
            "fetch_funding_rate_history",
            ("timestamp", "fundingRate"),
            required=2,
            timeframe=False,
        ),
    ),
    Series(
        name="open_interest",
        title="open interest",
        columns={"ts": "TIMESTAMP", "open_interest_base": "DOUBLE", "open_interest_usd": "DOUBLE"},
        clock="listed",
        usable=amounts,
        ccxt=Call(
            "fetchOpenInterestHistory",
            "fetch_open_interest_history",
            ("timestamp", "openInterestAmount", "openInterestValue"),
            required=1,
        ),
    ),
    Series(
        name="long_short_ratio",
        title="ratios of long to short accounts",
        columns={"ts": "TIMESTAMP", "ratio": "DOUBLE"},
        clock="listed",
        usable=positive_ratios,
        ccxt=Call(
            "fetchLongShortRatioHistory",
            "fetch_long_short_ratio_history",
            ("timestamp", "longShortRatio"),
            required=2,
        ),
    ),
    Series(
        name="depth",
        title="snapshots of the order book",
        columns={"ts": "TIMESTAMP", "band_frac": "DOUBLE", "depth_base": "DOUBLE", "depth_usd": "DOUBLE"},
        fetched="on request",
        key=("ts", "band_frac"),
    ),
    Series(
        name="liquidations",
        title="liquidation orders",
        columns={"ts": "TIMESTAMP", "side": "VARCHAR", "quantity_base": "DOUBLE", "px": "DOUBLE"},
        fetched="on request",
        key=(),
    ),
    Series(
        name="leverage_tiers",
        title="margin tiers",
        columns={
            "ts": "TIMESTAMP",
            "tier": "BIGINT",
            "notional_floor": "DOUBLE",
            "notional_cap": "DOUBLE",
            "maintenance_frac": "DOUBLE",
            "max_leverage": "DOUBLE",
        },
        state=True,
        fault=tiers_fault,
        key=("ts", "tier"),
        ccxt=Call(
            "fetchMarketLeverageTiers",
            "fetch_market_leverage_tiers",
            ("minNotional", "maxNotional", "maintenanceMarginRate", "maxLeverage"),
            timeframe=False,
        ),
    ),
    Series(
        name="limits",  # from the venue's list of markets
        title="tick and lot",
        columns={
            "ts": "TIMESTAMP",
            "tick_px": "DOUBLE",
            "lot_base": "DOUBLE",
            "contract_size": "DOUBLE",
            "quantity_min": "DOUBLE",
        },
        state=True,
        fault=limits_fault,
    ),
    Series(
        name="fills",  # of Hyperliquid's nodes
        title="fills",
        columns=FILLS,
        fetched="never",
        key=tuple(FILLS),
        ordered=False,  # in order of emission
    ),
)
SERIES: Mapping[str, Series] = {row.name: row for row in _ROWS}
DEFAULT_SERIES = tuple(row.name for row in _ROWS if row.fetched == "always")
FETCHABLE = tuple(row.name for row in _ROWS if row.fetched != "never")


def schema_of(series: str) -> dict[str, pl.DataType]:
    """Return the columns of a series with their polars types; times are in microseconds."""
    import polars as pl

    types = {"TIMESTAMP": pl.Datetime("us"), "DOUBLE": pl.Float64(), "BIGINT": pl.Int64(), "VARCHAR": pl.String()}
    return {name: types[type_] for name, type_ in SERIES[series].columns.items()}
