"""Parts of the archive as series of the lake: bars of a second, forced fills, depth, and the units of contracts.

A second without a trade has no bar: it is the close of the one before, without volume. Where no coin at all has a bar
for a minute, the archive has a hole, and nothing is carried into it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from backtest.fetch.day import FetchedDay, broken_rule, store
from backtest.fetch.hyperliquid.node_fills import unified_symbol
from backtest.fetch.settle import held_day, settle
from backtest.lake.place import Place
from backtest.lake.series import schema_of
from backtest.schema.coins import coin_name

if TYPE_CHECKING:
    import polars as pl

VENUE, ARCHIVE = "hyperliquid", "reservoir"
HOLE_S = 60
ENOUGH_POSITIONS = 20
FINEST = 8  # decimals of a size
TICK_DECIMALS = 6  # of tick x lot at Hyperliquid
BANDS = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.03, 0.05)


@dataclass(frozen=True, slots=True)
class Stored:
    """A day of a series as it is in the lake now; ``note`` says why it is not what came."""

    series: str
    symbol: str
    day: dt.date
    rows: int
    note: str


def store_bars(bars: pl.DataFrame, at: dt.datetime) -> Iterator[Stored]:
    """Store bars of a second, one day of a coin at a time."""
    import polars as pl

    carried = carry_flat(bars)
    for (name, day), frame in carried.group_by("coin", pl.col("ts").dt.date(), maintain_order=True):
        assert isinstance(day, dt.date)
        place = Place(VENUE, unified_symbol(str(name)), "ohlcv", "1s")
        yield _store(place, day, frame.drop("coin"), at)


def carry_flat(bars: pl.DataFrame) -> pl.DataFrame:
    """Return bars with one for every second between the first and the last of a coin, but for holes of all coins.

    Examples
    --------
    >>> import polars as pl
    >>> at = dt.datetime.fromisoformat("2025-10-10T21:00:00")
    >>> rows = {"coin": ["A", "A"], "timestamp": [at, at.replace(second=2)], **dict.fromkeys(
    ...     ("open", "high", "low", "close", "volume"), [1.0, 2.0])}
    >>> carry_flat(pl.DataFrame(rows)).select(pl.col("ts").dt.second(), "open", "volume").rows()
    [(0, 1.0, 1.0), (1, 1.0, 0.0), (2, 2.0, 2.0)]
    """
    import polars as pl

    prices = ("open", "high", "low", "close")
    kept = bars.select(
        "coin",
        pl.col("timestamp").cast(pl.Datetime("us")).alias("ts"),
        *(pl.col(name).cast(pl.Float64) for name in (*prices, "volume")),
    ).unique(["coin", "ts"], keep="last", maintain_order=True)
    seconds = kept.select("ts").unique().sort("ts")
    gap = pl.col("ts").diff().dt.total_seconds()
    holes = seconds.with_columns(gap=gap, before=pl.col("ts").shift()).filter(pl.col("gap") > HOLE_S)
    grid = (
        kept.group_by("coin", maintain_order=True)
        .agg(pl.datetime_ranges(pl.col("ts").min(), pl.col("ts").max(), "1s").first().alias("ts"))
        .explode("ts")
    )
    for _, (end, before) in enumerate(holes.select("ts", "before").rows()):
        grid = grid.filter(~((pl.col("ts") > before) & (pl.col("ts") < end)))
    joined = grid.join(kept, on=["coin", "ts"], how="left", maintain_order="left")
    close = pl.col("close").forward_fill().over("coin")
    return joined.with_columns(
        *(pl.col(name).fill_null(close) for name in prices[:3]), close.alias("close"), pl.col("volume").fill_null(0.0)
    )


def store_fills(liquidations: pl.DataFrame | None, adl: pl.DataFrame | None, at: dt.datetime) -> Iterator[Stored]:
    """Store forced fills, each trade once, one day of a coin at a time."""
    import polars as pl

    rows = forced_rows(liquidations, adl)
    for (name, day), frame in rows.group_by("coin", pl.col("ts").dt.date(), maintain_order=True):
        assert isinstance(day, dt.date)
        yield _store(Place(VENUE, unified_symbol(str(name)), "fills"), day, frame.drop("coin"), at)


def forced_rows(liquidations: pl.DataFrame | None, adl: pl.DataFrame | None) -> pl.DataFrame:
    """Return the fills that closed a position by force, as the lake's series ``fills`` with their coin.

    A trade has two rows, one of each party. Of a deleveraging the one marked ``Auto-Deleveraging`` counts; its other
    side is the bankrupt party, whose row counts as a liquidation too unless it is a vault that had taken the position
    over. Of a liquidation the row of the liquidated party counts: marked ``Liquidated ...``, or the taker of a trade
    that is flagged as one, since a liquidation order is a market order.
    """
    import polars as pl

    given = [frame for frame in (liquidations, adl) if frame is not None and frame.height]
    schema = {"coin": pl.String(), **schema_of("fills")}
    if not given:
        return pl.DataFrame(schema=schema)
    every = pl.concat(given, how="vertical_relaxed").unique(["trade_id", "coin", "address"], maintain_order=True)
    direction = pl.col("direction").cast(pl.String)
    marked_adl, marked = direction.str.contains("Auto-Deleveraging"), direction.str.contains("Liquidated")
    winner = marked_adl.any().over("trade_id", "coin")
    taker = pl.col("is_liquidation").cast(pl.Boolean).fill_null(value=False) & pl.col("crossed")
    lone = marked.any().over("trade_id", "coin")
    forced = marked_adl | (~winner & (marked | (taker & ~lone))) | (winner & ~marked_adl & _own_loss(every))
    bankrupt = pl.col("address").filter(~marked_adl).first().over("trade_id", "coin")
    rows = every.with_columns(forced=forced, adl=marked_adl, bankrupt=bankrupt).filter("forced")
    number = {"quantity_base": "size", "px": "price", "start_position_base": "start_position",
              "closed_pnl_usd": "realized_pnl", "fee_usd": "fee", "mark_px": "liquidation_mark_px"}  # fmt: skip
    return (
        rows.sort("timestamp", maintain_order=True)
        .select(
            pl.col("coin").cast(pl.String),
            pl.col("timestamp").alias("ts"),
            pl.col("timestamp").alias("block_ts"),
            pl.int_range(pl.len()).over("timestamp").alias("seq"),
            pl.when("adl").then(pl.lit("adl")).otherwise(pl.lit("liquidation")).alias("kind"),
            pl.col("address").cast(pl.String).str.to_lowercase().alias("user"),
            pl.when(pl.col("side").cast(pl.String) == "sell")
            .then(pl.lit("long"))
            .otherwise(pl.lit("short"))
            .alias("side"),
            *(pl.col(source).cast(pl.Float64).alias(name) for name, source in number.items()),
            direction.alias("dir"),
            pl.when("adl").then(pl.col("bankrupt").cast(pl.String).str.to_lowercase()).alias("liquidated_user"),
            pl.col("liquidation_method").cast(pl.String).alias("method"),
        )
        .select(pl.col(name).cast(kind) for name, kind in schema.items())
    )


def _own_loss(every: pl.DataFrame) -> pl.Expr:
    """Return whether an address is no vault: one that took positions over stands unmarked in trades of the backstop.

    Where the backstop had trades but only one row of each is known, the vaults are not: then nobody is none.
    """
    import polars as pl

    direction, trade = pl.col("direction").cast(pl.String), ["trade_id", "coin"]
    deleveraged = direction.str.contains("Auto-Deleveraging").any().over(trade)
    taken = every.filter((pl.col("liquidation_method").cast(pl.String) == "backstop") & ~deleveraged)
    vaults = taken.filter(~direction.str.contains("Liquidated"))["address"].cast(pl.String).unique()
    return pl.lit(bool(vaults.len() or not taken.height)) & ~pl.col("address").cast(pl.String).is_in(vaults.to_list())


def lot_decimals(sizes: pl.DataFrame) -> dict[str, int]:
    """Return the decimals that sizes of each coin have; ``sizes`` has the columns coin and size.

    Examples
    --------
    >>> import polars as pl
    >>> lot_decimals(pl.DataFrame({"coin": ["BTC", "BTC", "kPEPE"], "size": [0.5, -0.00011, 30.0]}))
    {'BTC': 5, 'kPEPE': 0}
    """
    import polars as pl

    size = pl.col("size").cast(pl.Float64).abs()
    fits = [((size * 10**k).round(0) / 10**k - size).abs() <= size * 1e-15 for k in range(FINEST + 1)]
    needed = pl.min_horizontal(pl.when(fit).then(k).otherwise(FINEST) for k, fit in enumerate(fits))
    rows = sizes.group_by(pl.col("coin").cast(pl.String), maintain_order=True).agg(needed.max().alias("decimals"))
    return {str(coin): int(decimals) for coin, decimals in rows.rows()}


def store_units(decimals: dict[str, int], known: Collection[str], day: dt.date, at: dt.datetime) -> Iterator[Stored]:
    """Store tick and lot of the coins that no profile lists, derived from the decimals of their sizes."""
    import polars as pl

    for name, places in decimals.items():
        coin = coin_name(name)
        if coin in known:
            continue
        places = min(places, TICK_DECIMALS)
        lot, tick = float(f"1e-{places}"), float(f"1e-{TICK_DECIMALS - places}")
        row = {"ts": dt.datetime.combine(day, dt.time()), "tick_px": tick, "lot_base": lot, "contract_size": 1.0,
               "quantity_min": lot}  # fmt: skip
        frame = pl.DataFrame([row], schema=schema_of("limits"))
        yield _store(Place(VENUE, unified_symbol(name), "limits"), day, frame, at)


def store_tiers(positions: pl.DataFrame, known: Collection[str], day: dt.date, at: dt.datetime) -> Iterator[Stored]:
    """Store a margin table of the coins that no profile has one for.

    Its rate is half the initial one at the largest leverage seen: the venue's rule for one tier. With few positions
    nobody may use the largest leverage: such coins keep the table of any coin.
    """
    import polars as pl

    of_coin = positions.group_by(pl.col("market").cast(pl.String), maintain_order=True)
    for name, leverage, count in of_coin.agg(pl.col("leverage").max().cast(pl.Float64), pl.len()).rows():
        if coin_name(name) in known or count < ENOUGH_POSITIONS or not leverage:
            continue
        row = {"ts": dt.datetime.combine(day, dt.time()), "tier": 0, "notional_floor": 0.0, "notional_cap": None,
               "maintenance_frac": 1 / (2 * leverage), "max_leverage": leverage}  # fmt: skip
        frame = pl.DataFrame([row], schema=schema_of("leverage_tiers"))
        yield _store(Place(VENUE, unified_symbol(name), "leverage_tiers"), day, frame, at)


def depth_rows(book: pl.DataFrame) -> pl.DataFrame:
    """Return cumulative depth by distance from the middle price, of snapshots of an order book.

    A snapshot has twenty levels of a side: beyond the last one depth is a lower bound.

    Examples
    --------
    >>> import polars as pl
    >>> level = lambda px, sz: {"px": px, "sz": sz, "n": 1}
    >>> book = pl.DataFrame({"block_time_ms": [0], "bids": [[level("99.9", "2"), level("97.5", "5")]],
    ...                      "asks": [[level("100.1", "3")]]})
    >>> [(band, base) for band, base in depth_rows(book).select("band_frac", "depth_base").rows() if abs(band) > 0.02]
    [(-0.05, 7.0), (-0.03, 7.0), (0.03, 3.0), (0.05, 3.0)]
    """
    import polars as pl

    levels = pl.concat(
        book.select(
            (pl.col("block_time_ms").cast(pl.Int64) * 1000).cast(pl.Datetime("us")).alias("ts"),
            pl.lit(sign).alias("sign"),
            pl.col(name).list.eval(pl.element().struct.field("px").cast(pl.Float64)).alias("px"),
            pl.col(name).list.eval(pl.element().struct.field("sz").cast(pl.Float64)).alias("base"),
        ).explode("px", "base")
        for name, sign in (("bids", -1.0), ("asks", 1.0))
    ).drop_nulls()
    best = levels.group_by("ts").agg(
        middle=(pl.col("px").filter(pl.col("sign") < 0).max() + pl.col("px").filter(pl.col("sign") > 0).min()) / 2
    )
    away = levels.join(best.drop_nulls(), on="ts").with_columns(away=(pl.col("px") / pl.col("middle") - 1).abs())
    bands = [
        away.group_by("ts", "sign").agg(
            band_frac=(pl.col("sign").first() * band),
            depth_base=pl.col("base").filter(pl.col("away") <= band).sum(),
            depth_usd=(pl.col("base") * pl.col("px")).filter(pl.col("away") <= band).sum(),
        )
        for band in BANDS
    ]
    return pl.concat(bands).sort("ts", "band_frac").select(list(schema_of("depth")))


def store_depth(coin: str, book: pl.DataFrame, at: dt.datetime) -> Iterator[Stored]:
    """Store the depth of a coin, a day at a time."""
    import polars as pl

    for (day,), frame in depth_rows(book).group_by(pl.col("ts").dt.date(), maintain_order=True):
        assert isinstance(day, dt.date)
        yield _store(Place(VENUE, unified_symbol(coin), "depth"), day, frame, at)


def _store(place: Place, day: dt.date, frame: pl.DataFrame, at: dt.datetime) -> Stored:
    """Store a day, settled against the one that the lake has."""
    fetched = FetchedDay(day, frame=frame, files=ARCHIVE)
    if reason := broken_rule(fetched, place, ARCHIVE):
        return Stored(place.series, place.symbol, day, 0, f"not stored: {reason}")
    held = held_day(place, day) if place.file(day).is_file() else None
    kept = settle(held, fetched, place, ARCHIVE)
    if kept.fetched is fetched or kept.note != "the same again":
        store(kept.fetched, place, kept.standing, at)
    return Stored(
        place.series, place.symbol, day, kept.fetched.height, "" if kept.note == "the same again" else kept.note
    )
