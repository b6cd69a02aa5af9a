"""What draws leave behind: the values drawn, the headline numbers, and what they are compared with, as stored."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec import Meta

from backtest.catalogue.facts import Comparison, Fact, ends, kind_of
from backtest.run.meta import Record, Sha256, Symbol, Word
from backtest.toml import Id, Mark

if TYPE_CHECKING:
    import polars as pl

Usd = Annotated[float, Meta(ge=-1e15, le=1e15)]
Amount = Annotated[float, Meta(ge=0, le=1e15)]
Seconds = Annotated[float, Meta(ge=0, le=1e9)]
Count = Annotated[int, Meta(ge=0, lt=1 << 40)]
Seed = Annotated[int, Meta(ge=0, lt=1 << 31)]
Minute = Annotated[int, Meta(ge=0, lt=1 << 24)]
Parameter = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9.:_+-]{0,127}\Z")]  # a prior, or a part of one
FactName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}\Z")]
DRAW_TABLES = {
    "draws": "draw BIGINT, seed BIGINT, liquidated_usd DOUBLE, adl_usd DOUBLE, adl_positions BIGINT, "
    "first_liquidation_s DOUBLE, first_adl_s DOUBLE, pool_capital_usd DOUBLE, pool_low_usd DOUBLE, "
    "vault_capital_usd DOUBLE, vault_low_usd DOUBLE, vault_died BOOLEAN, uncovered_usd DOUBLE",
    "draw_values": "draw BIGINT, parameter VARCHAR, field VARCHAR, value DOUBLE, choice VARCHAR",
    "draw_coins": "draw BIGINT, symbol VARCHAR, liquidated_usd DOUBLE, adl_usd DOUBLE",
    "draw_minutes": "draw BIGINT, minute BIGINT, adl_usd DOUBLE",
    "draw_vaults": "draw BIGINT, vault VARCHAR, capital_usd DOUBLE, low_usd DOUBLE, died BOOLEAN, adl_usd DOUBLE",
    "draw_facts": "draw BIGINT, fact VARCHAR, value DOUBLE",
}
PUBLISHED = (  # the table published_facts
    "fact_no BIGINT, fact VARCHAR, coin VARCHAR, metric VARCHAR, unit VARCHAR, start_ts TIMESTAMP, kind VARCHAR, "
    "use VARCHAR, is_time BOOLEAN, published_low DOUBLE, published_high DOUBLE, grade VARCHAR, source VARCHAR"
)


class CoinHeadlines(Record, frozen=True):
    """Notional liquidated and closed by ADL of a symbol in the whole window."""

    symbol: Symbol
    liquidated_usd: Amount
    adl_usd: Amount


class AdlMinute(Record, frozen=True):
    """Notional closed by ADL in a minute, counted from the start of the window; 0 is the first."""

    minute: Minute
    adl_usd: Amount


class VaultHeadlines(Record, frozen=True):
    """A vault: its coins joined by +, its capital, its lowest equity, whether that was below zero, ADL of its coins."""

    vault: Annotated[str, Meta(min_length=1, max_length=2000)]
    capital_usd: Usd
    low_usd: Usd
    died: bool
    adl_usd: Amount


class Headlines(Record, frozen=True):
    """The headline numbers of a run, as ``run_summary`` defines them, and its ADL by minute.

    ``first_liquidation_s`` and ``first_adl_s`` count from the start of the window, None where there is none.
    Liquidations and ADL are those of the coins with bars; ``coins`` has the rest of the venue too, if it ran.
    ``pool_capital_usd`` is what the fund or vault that has the money started with. ``vault_died``: the equity of a
    vault was below zero after a step.
    """

    liquidated_usd: Amount
    adl_usd: Amount
    adl_positions: Count
    first_liquidation_s: Seconds | None
    first_adl_s: Seconds | None
    pool_capital_usd: Usd
    pool_low_usd: Usd
    vault_capital_usd: Usd
    vault_low_usd: Usd
    vault_died: bool
    uncovered_usd: Usd
    coins: tuple[CoinHeadlines, ...]
    adl_minutes: tuple[AdlMinute, ...]
    vaults: tuple[VaultHeadlines, ...] = ()


class DrawnField(Record, frozen=True):
    """A number that was drawn: its name, the prior and the field it belongs to, and where the range comes from."""

    name: Parameter
    prior: Id
    field: Word
    source: str
    mark: Mark
    seen: str


class Draw(Record, frozen=True):
    """A draw: its seed, the values by name, the headlines."""

    seed: Seed
    values: dict[Parameter, float | str]
    headlines: Headlines


class Draws(Record, frozen=True):
    """Runs that differ in their seed and in what is not known; ``compared`` holds, by fact, the figure of each draw.

    ``identity`` is a digest of all that decides them, ``positions`` the size of their books, ``notes`` say which
    priors were not drawn.
    """

    identity: Sha256
    positions: Count
    priors: Word
    fields: tuple[DrawnField, ...]
    draws: Annotated[tuple[Draw, ...], Meta(min_length=2)]
    compared: dict[FactName, tuple[float | None, ...]]
    notes: tuple[str, ...]

    def __post_init__(self) -> None:
        names = {field.name for field in self.fields}
        symbols = [coin.symbol for coin in self.draws[0].headlines.coins]
        vaults = [each.vault for each in self.draws[0].headlines.vaults]
        kinds = {name: type(value) for name, value in self.draws[0].values.items()}
        for draw in self.draws:
            if draw.values.keys() != names or {name: type(value) for name, value in draw.values.items()} != kinds:
                raise ValueError("the draws differ in the names or kinds of their values")
            if [coin.symbol for coin in draw.headlines.coins] != symbols:
                raise ValueError("the draws differ in their symbols")
            if [each.vault for each in draw.headlines.vaults] != vaults:
                raise ValueError("the draws differ in their vaults")
        for fact, values in self.compared.items():
            if len(values) != len(self.draws):
                raise ValueError(f"{len(values)} values of {fact} in {len(self.draws)} draws")

    def __len__(self) -> int:
        return len(self.draws)

    def frames(self) -> dict[str, pl.DataFrame]:
        """Return the draws as the tables of ``DRAW_TABLES``."""
        fields = {field.name: field.field for field in self.fields}
        whole = ("coins", "adl_minutes", "vaults")
        numbered = list(enumerate(self.draws, 1))
        rows: dict[str, list[dict[str, object]]] = {
            "draws": [
                {"draw": k, "seed": draw.seed}
                | {key: value for key, value in _plain(draw.headlines).items() if key not in whole}
                for k, draw in numbered
            ],
            "draw_values": [
                {"draw": k, "parameter": name, "field": fields[name]}
                | ({"value": None, "choice": value} if isinstance(value, str) else {"value": value, "choice": None})
                for k, draw in numbered
                for name, value in draw.values.items()
            ],
            "draw_coins": [{"draw": k} | _plain(coin) for k, draw in numbered for coin in draw.headlines.coins],
            "draw_minutes": [{"draw": k} | _plain(row) for k, draw in numbered for row in draw.headlines.adl_minutes],
            "draw_vaults": [{"draw": k} | _plain(each) for k, draw in numbered for each in draw.headlines.vaults],
            "draw_facts": [
                {"draw": k, "fact": fact, "value": value}
                for fact, values in self.compared.items()
                for k, value in enumerate(values, 1)
            ],
        }
        return {name: _frame(rows[name], columns) for name, columns in DRAW_TABLES.items()}

    def frame(self) -> pl.DataFrame:
        """Return a row per draw: its number, seed, values and headlines."""
        import polars as pl

        frame = self.frames()["draws"]
        names = [field.name for field in self.fields]
        values = pl.DataFrame({name: [draw.values[name] for draw in self.draws] for name in names})
        return pl.concat([frame.select("draw", "seed"), values, frame.drop("draw", "seed")], how="horizontal")


def published_frame(facts: Iterable[Fact], compare: Iterable[Comparison], venue: str) -> pl.DataFrame:
    """Return the published facts that runs of a venue's rules are compared with, in the columns of ``PUBLISHED``."""
    by_id = {fact.id: fact for fact in facts}
    rows: list[dict[str, object]] = [
        {
            "fact_no": number,
            "fact": fact.id,
            "coin": entry.coin,
            "metric": entry.metric,
            "unit": fact.unit,
            "start_ts": entry.start,
            "kind": kind_of(fact, entry, venue),
            "use": entry.use,
            "is_time": fact.at is not None,
            "published_low": min(ends(fact, entry)),
            "published_high": max(ends(fact, entry)),
            "grade": fact.grade,
            "source": fact.source,
        }
        for number, entry in enumerate(compare, 1)
        if (fact := by_id.get(entry.fact)) is not None
    ]
    return _frame(rows, PUBLISHED)


def _plain(row: msgspec.Struct) -> dict[str, object]:
    return msgspec.structs.asdict(row)


def _frame(rows: Iterable[dict[str, object]], columns: str) -> pl.DataFrame:
    """Return rows as a frame of declared columns."""
    import polars as pl

    kinds: dict[str, pl.DataType] = {
        "BIGINT": pl.Int64(),
        "DOUBLE": pl.Float64(),
        "VARCHAR": pl.String(),
        "BOOLEAN": pl.Boolean(),
        "TIMESTAMP": pl.Datetime("us"),
    }
    schema = {name: kinds[kind] for name, kind in (column.split() for column in columns.split(", "))}
    return pl.DataFrame(list(rows), schema=schema)
