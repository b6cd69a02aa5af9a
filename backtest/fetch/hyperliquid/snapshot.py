"""A clearinghouse snapshot of Hyperliquid, as a book file that a replay takes.

``perp_positions_by_market_*.json`` lists the positions of each market, ``account_value_snapshot_*.json`` the account
values. Both are read as a stream. Assumed of them:

- ``size`` is signed, below zero for a short; where it is above zero, ``side`` decides if there is one.
- ``notional_size`` is the position at the mark of the snapshot, without a sign.
- ``account_value`` is the equity of the perpetual account, unrealised profit included, over all its positions.
- ``is_cross`` false is an isolated position; Hyperliquid's default is cross.

An account's value is allocated to its positions in proportion to notional, over all its markets. A position's
collateral is its part less its unrealised profit at the snapshot's mark: its equity there is then exactly its part of
the account value, and its collateral may be below zero. The cross positions of a user become one cross
account, whose collateral is their sum: all of the account value if all its positions are in the book. Positions that
are not (coins not asked for, isolated ones) keep their part, since the rest of the value stands behind them. With
``margin = isolated`` every position stands alone with its part. The account values are written next to the book.
"""

from __future__ import annotations

import glob
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, get_args, get_type_hints

from backtest.assets import inside
from backtest.durable import draft, make_folder
from backtest.errors import BookError
from backtest.fetch.hyperliquid.blocks import COIN
from backtest.fetch.hyperliquid.clearinghouse import (
    AccountValueRow,
    OnProgress,
    PositionRow,
    SnapshotCounts,
    position_rows,
    stream,
    value_rows,
)

if TYPE_CHECKING:
    import duckdb

SHARED = "account values allocated to positions in proportion to notional"
RULES = {
    "cross": f"{SHARED}; the cross positions of a user are one cross account",
    "isolated": f"{SHARED}; each position is isolated with its part, though Hyperliquid accounts are cross-margined",
}
PREFIX = "hyperliquid:"
SPILL_ROWS = 50_000


class MarketRow(NamedTuple):
    """A market of the snapshot, and why its positions are left out, None if they are not."""

    market: int
    coin: str
    lot_base: float
    no_perpetual: int
    reason: str | None


@dataclass(frozen=True, slots=True)
class SnapshotMarket:
    """Positions of one coin in the book; differences are longs less shorts, in the book and in the snapshot."""

    coin: str
    positions: int
    longs_base: float
    shorts_base: float
    difference_base: float
    snapshot_difference_base: float


@dataclass(frozen=True, slots=True)
class SnapshotReport:
    """Counts of the positions of a snapshot: read, in the book, left out by reason.

    Attributes
    ----------
    book, accounts_file
        The book, and next to it account, account_value_usd, notional_usd and positions of every account.
    rule
        How account values were allocated.
    read
        Positions in the file, spot and faulty ones included.
    positions, accounts, notional_usd
        Of the book.
    left_out
        Positions not in the book, by reason.
    values_unread
        Entries of the file of account values that could not be read.
    accounts_without_value
        Accounts with an account value of zero or less; their positions are left out.
    """

    book: Path
    accounts_file: Path
    rule: str
    read: int
    positions: int
    accounts: int
    notional_usd: float
    left_out: dict[str, int]
    values_unread: int
    accounts_without_value: int
    markets: tuple[SnapshotMarket, ...]

    @property
    def balanced(self) -> bool:
        """Return whether longs equal shorts in every coin; if not, a replay needs ``balance_with_market``."""
        return not any(market.difference_base for market in self.markets)


def import_snapshot(
    positions: Path,
    account_values: Path | None,
    target: Path,
    *,
    coins: Sequence[str] | None = None,
    lots: Mapping[str, Decimal] | None = None,
    margin: str = "cross",
    on_progress: OnProgress | None = None,
) -> SnapshotReport:
    """Turn a snapshot into a Parquet book with the columns of ``backtest.book.importer``.

    A user listed twice in a market keeps the first position. The account value is that of ``account_values``, else
    that of the account's first position. Symbols are coins, so that the book fits any price source.

    Parameters
    ----------
    coins
        Markets to keep; a replay takes only coins it simulates. None keeps all perpetuals. Account values are
        allocated over all markets in either case.
    lots
        Lot of a coin in base units; positions below it are left out, since a replay refuses them.
    margin
        ``cross``, or ``isolated`` to let every position stand alone.

    Raises
    ------
    BookError
        A file cannot be read, is no whole JSON or not of this shape, or no position is left; nothing is written.
    """
    import duckdb

    if target.suffix.lower() != ".parquet":
        raise BookError(f"{target.name}: a book is written as Parquet; give a name that ends in .parquet")
    counts = SnapshotCounts()
    with tempfile.TemporaryDirectory(prefix="crashbook-snapshot-") as name, closing(duckdb.connect()) as con:
        folder = Path(name)
        # one thread, and sums of decimals: the same snapshot gives the same bytes
        con.execute("SET threads = 1; SET memory_limit = '600MB'")
        con.execute("SET temp_directory = $1", [str(folder / "spill")])
        read = stream(positions, lambda events: position_rows(events, counts), on_progress)
        _load(con, "positions", PositionRow, read, folder)
        values: Iterable[AccountValueRow] = ()
        if account_values:
            values = stream(account_values, lambda events: value_rows(events, counts), on_progress)
        _load(con, "account_values", AccountValueRow, values, folder)
        _load(con, "markets", MarketRow, _markets(counts.names, coins, lots or {}), folder)
        con.execute(_OWNERS)
        con.execute(_CLASSIFIED)
        return _write(con, counts, target, margin)


def _load(
    con: duckdb.DuckDBPyConnection, table: str, row_type: type[Any], rows: Iterable[tuple[Any, ...]], folder: Path
) -> None:
    """Make a view of rows, which wait on disk; its columns are the fields of their type."""
    import polars as pl

    kinds = {int: pl.Int64(), float: pl.Float64(), str: pl.String()}
    columns = {name: kinds[(get_args(kind) or (kind,))[0]] for name, kind in get_type_hints(row_type).items()}
    files = list[Path]()
    left = iter(rows)
    while (part := list(islice(left, SPILL_ROWS))) or not files:
        cells = zip(*part, strict=True) if part else ((),) * len(columns)
        frame = pl.DataFrame([pl.Series(name, cell, columns[name]) for name, cell in zip(columns, cells, strict=True)])
        files.append(inside(folder, f"{table}-{len(files)}.parquet"))
        frame.write_parquet(files[-1])
    con.read_parquet([glob.escape(str(file)) for file in files]).create_view(table)


def _markets(names: Mapping[int, str], coins: Sequence[str] | None, lots: Mapping[str, Decimal]) -> Iterator[MarketRow]:
    for market, name in names.items():
        coin = name.removeprefix(PREFIX)
        spot = coin.startswith("@") or ("/" in coin and ".." not in coin)
        perpetual = not spot and bool(COIN.fullmatch(coin))
        kept = coins is None or coin in coins
        reason = "spot market" if spot else "name of the market is none" if not perpetual else "coin not asked for"
        yield MarketRow(
            market=market,
            coin=coin,
            lot_base=float(lots.get(coin, 0)) if perpetual else 0.0,
            no_perpetual=int(not perpetual),
            reason=None if perpetual and kept else reason,
        )


def _write(con: duckdb.DuckDBPyConnection, counts: SnapshotCounts, target: Path, margin: str) -> SnapshotReport:
    import duckdb

    reasons = con.sql("SELECT reason, count(*) FROM classified WHERE reason IS NOT NULL GROUP BY reason").fetchall()
    left_out = dict(sorted((Counter(dict(reasons)) + counts.faults).items()))
    markets = tuple(SnapshotMarket(**row) for row in con.sql(_BY_MARKET).pl().iter_rows(named=True))
    if not markets:
        listed = "; ".join(f"{reason}: {count:,}" for reason, count in left_out.items()) or "it lists none"
        raise BookError(f"no position of the snapshot is left ({listed}); check the files and the coins asked for")
    accounts_file = target.with_suffix(".accounts.parquet")
    try:
        make_folder(target.parent)
        for path, query in ((accounts_file, _ACCOUNTS), (target, _BOOK[margin])):
            with draft(path) as partial:
                con.sql(query).write_parquet(str(partial), compression="zstd")
    except (OSError, duckdb.Error) as error:
        raise BookError(f"{target.name}: cannot be written: {error}; free space or give another place") from None
    (totals,) = con.sql(_TOTALS).pl().iter_rows(named=True)
    return SnapshotReport(
        book=target,
        accounts_file=accounts_file,
        rule=RULES[margin],
        read=counts.read,
        positions=sum(market.positions for market in markets),
        accounts=totals["accounts"],
        notional_usd=float(totals["notional_usd"]),
        left_out=left_out,
        values_unread=counts.values_unread,
        accounts_without_value=totals["accounts_without_value"],
        markets=markets,
    )


_OWNERS = """
CREATE TABLE owners AS
WITH first_rows AS (
  SELECT p.*
  FROM positions p JOIN markets m ON m.market = p.market AND m.no_perpetual = 0
  QUALIFY row_number() OVER (PARTITION BY m.coin, p.account ORDER BY p.place) = 1
),
held AS (
  SELECT account, sum(notional_usd::DECIMAL(28, 6)) AS notional_usd, count(*) AS positions,
         arg_min(account_value_usd, place) FILTER (account_value_usd IS NOT NULL) AS own_value
  FROM first_rows GROUP BY account
),
published AS (SELECT account, arg_min(account_value_usd, place) AS value FROM account_values GROUP BY account)
SELECT account, coalesce(value, own_value) AS account_value_usd, notional_usd, positions
FROM held LEFT JOIN published USING (account)
"""
_CLASSIFIED = """
CREATE TABLE classified AS
SELECT m.coin, p.account, p.side, p.is_cross, p.quantity_base, p.entry_px, p.notional_usd::DECIMAL(28, 6) AS notional,
       o.account_value_usd * p.notional_usd / o.notional_usd::DOUBLE
         - p.side * (p.notional_usd - p.quantity_base * p.entry_px) AS collateral_usd,
       CASE WHEN m.coin IS NULL THEN 'market without a name'
            WHEN m.reason IS NOT NULL THEN m.reason
            WHEN row_number() OVER (PARTITION BY m.coin, p.account ORDER BY p.place) > 1 THEN 'user listed twice'
            WHEN o.account_value_usd IS NULL THEN 'no account value'
            WHEN o.account_value_usd <= 0 THEN 'account value of zero or less'
            WHEN p.quantity_base < m.lot_base THEN 'below one lot' END AS reason
FROM positions p LEFT JOIN markets m USING (market) LEFT JOIN owners o ON o.account = p.account
"""
_ROWS = """
SELECT account, coin AS symbol, CASE side WHEN 1 THEN 'long' ELSE 'short' END AS side, quantity_base, entry_px,
       round(collateral_usd, 6) AS collateral_usd, {mode} AS margin_mode
FROM classified WHERE reason IS NULL
ORDER BY symbol, side, account
"""
_BOOK = {
    "cross": _ROWS.format(mode="CASE is_cross WHEN 1 THEN 'cross' ELSE 'isolated' END"),
    "isolated": _ROWS.format(mode="'isolated'"),
}
_ACCOUNTS = """
SELECT account, account_value_usd, notional_usd::DOUBLE AS notional_usd, positions FROM owners ORDER BY account
"""
_BY_MARKET = """
WITH sizes AS (
  SELECT coin, side, reason, quantity_base::DECIMAL(28, 10) AS size
  FROM classified WHERE coin IS NOT NULL AND reason IS DISTINCT FROM 'user listed twice'
)
SELECT coin, count(*) FILTER (reason IS NULL) AS positions,
       coalesce(sum(size) FILTER (reason IS NULL AND side = 1), 0)::DOUBLE AS longs_base,
       coalesce(sum(size) FILTER (reason IS NULL AND side = -1), 0)::DOUBLE AS shorts_base,
       sum(side * size) FILTER (reason IS NULL)::DOUBLE AS difference_base,
       sum(side * size)::DOUBLE AS snapshot_difference_base
FROM sizes GROUP BY coin HAVING count(*) FILTER (reason IS NULL) > 0 ORDER BY coin
"""
_TOTALS = """
SELECT count(DISTINCT account) AS accounts, sum(notional) AS notional_usd,
       (SELECT count(*) FROM owners WHERE account_value_usd <= 0) AS accounts_without_value
FROM classified WHERE reason IS NULL
"""
