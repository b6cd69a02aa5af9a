"""What there is, as frames: crashes, venues, scenario fields, runs of the workspace."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import polars as pl

__all__ = ["events", "params", "runs", "venues"]


def events() -> pl.DataFrame:
    """Return a row for each crash of the catalogue: its names, window, venues, coins, and the coins in the sample.

    Examples
    --------
    >>> events().filter(id="2025-10-10")["sample"].item().to_list()
    ['BTC', 'SOL', 'XRP', 'DOGE', 'LINK']
    """
    import polars as pl

    from backtest.catalogue.events import load_events

    rows = [
        {"id": each.id, "number": each.number, "title": each.title, "aliases": list(each.aliases), "grade": each.grade,
         "core_start_ts": each.core_start, "core_end_ts": each.core_end, "start_ts": each.start, "end_ts": each.end,
         "venues": list(each.venues), "coins": list(each.coins), "facts": len(each.facts),
         "sample": list(dict.fromkeys(row.coin for row in each.sample))}
        for each in load_events()
    ]  # fmt: skip
    lists = dict.fromkeys(("aliases", "venues", "coins", "sample"), pl.List(pl.String))
    return pl.DataFrame(rows, schema_overrides=lists)


def venues() -> pl.DataFrame:
    """Return a row for each venue profile: its date, ranking, close price and liquidation rule.

    Examples
    --------
    >>> venues().filter(id="bybit")["ranking"].item()
    'bybit'
    """
    import polars as pl

    from backtest.venue.reading import get_venue, venue_names

    profiles = map(get_venue, venue_names())
    return pl.DataFrame(
        [
            {"id": each.id, "name": each.name, "as_of": each.as_of, "settles_in": each.settle,
             "ranking": each.rules["ranking"], "close_price": each.rules["close_price"],
             "liquidation_rule": each.rules["liquidation_rule"], "coins": list(each.instruments),
             "unverified": len(each.unverified)}
            for each in profiles
        ]
    )  # fmt: skip


def params(event: str | None = None, venue: str | None = None) -> pl.DataFrame:
    """Return a row for each scenario field: unit, meaning, what is allowed, and its default.

    With an event the value at its first venue, or at ``venue``, stands in place of the default, and its source.

    Examples
    --------
    >>> params().filter(field="seed")["default"].item(), params("2025-10-10").filter(field="venue")["value"].item()
    ('1', 'hyperliquid')
    """
    import polars as pl

    from backtest.formatting import readable
    from backtest.run.resolve import resolve
    from backtest.scenario.fields import PARAMS

    rows: list[dict[str, Any]] = []
    resolved = None if event is None else resolve(event, {} if venue is None else {"venue": venue})
    values = {} if resolved is None else resolved.scenario.plain()
    for each in PARAMS:
        allowed = ", ".join(each.choices) if each.low is None else f"{readable(each.low)} to {readable(each.high)}"
        row = {"field": each.name, "kind": each.kind, "unit": each.unit}
        if resolved is None:
            row["default"] = readable(each.default)
        else:
            row |= {"value": readable(values[each.name]), "source": resolved.sources[each.name]}
        rows.append(row | {"allowed": allowed, "meaning": each.doc})
    return pl.DataFrame(rows)


def runs(*, children: bool = False) -> pl.DataFrame:
    """Return a row for each run of the workspace, the newest last; damaged ones are left out.

    Parameters
    ----------
    children
        Whether to list runs of seeds and grids too.

    Examples
    --------
    >>> runs().columns[:4]
    ['run_id', 'label', 'event', 'venue']
    """
    import polars as pl

    from backtest.errors import RunError
    from backtest.run.listing import ListedRun, listed, shelf

    found, rows = shelf(), []
    for folder in found.folders if children else found.own:
        try:
            rows.append(dataclasses.asdict(listed(folder)))
        except RunError:
            continue
    kinds = {"int": pl.Int64(), "float": pl.Float64(), "Decimal": pl.Decimal(38, 6), "str": pl.String(),
             "dt.datetime": pl.Datetime("us")}  # fmt: skip
    return pl.DataFrame(rows, schema={field.name: kinds[str(field.type)] for field in dataclasses.fields(ListedRun)})
