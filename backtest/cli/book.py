"""``crashbook book``: the book of a replay before any price moves."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from backtest.cli.command import command
from backtest.cli.output import Output, emit, output_options, page
from backtest.cli.table import table_of
from backtest.cli.text import bullets, heading, section

if TYPE_CHECKING:
    from backtest.book.shape import Concentration
    from backtest.catalogue.facts import Fact
    from backtest.run.prepare import Prepared

# Published of the accounts that ADL closed, winners, who are short in a fall: all shorts of the book stand beside them.
OF_SHORTS = {
    "adl_top_ten_share": "top_ten_frac",
    "adl_gini": "gini_frac",
    "median_leverage": "leverage_p50",
    "p95_leverage": "leverage_p95",
}
# Columns of the page, which fits 80: the name there, what it is divided by, digits.
SHOWN = {
    "notional_usd": ("usd_m", 1e6, 1), "long_usd": ("long_usd_m", 1e6, 1), "short_usd": ("short_usd_m", 1e6, 1),
    "size_p50_usd": ("size_k", 1e3, 1), "side_frac": ("share", 1, 3), "book_frac": ("share", 1, 3),
    "long_frac": ("long_share", 1, 3), "short_frac": ("short_share", 1, 3), "move_frac": ("move", 1, 2),
    "leverage_p10": ("x_p10", 1, 2), "leverage_p50": ("x_p50", 1, 2), "leverage_p90": ("x_p90", 1, 2),
    "leverage_p95": ("x_p95", 1, 2), "leverage": ("x", 1, 2), "entry_gap_frac": ("entry", 1, 3),
    "top_ten_frac": ("top_ten", 1, 3), "gini_frac": ("gini", 1, 3), "cross_frac": ("cross", 1, 3),
    "margin_mode": ("mode", 1, 0), "published": ("published", 1, 3), "shorts_of_book": ("shorts_of_book", 1, 3),
}  # fmt: skip
COLUMNS = (
    "usd_m, size_k: notional at the first mark in million, median position in thousand USD",
    "x: leverage of accounts at the first mark, its quantiles over notional, of concentration over accounts",
    "entry: mean entry over the first mark, less 1; share: of the side, of largest accounts of both sides",
)
TITLES = {
    "by_cohort": "by side and cohort",
    "by_coin": "by coin",
    "liquidation_map": "in breach once all prices have moved",
    "concentration": "concentration of accounts",
    "largest_accounts": "largest accounts",
    "published": "published, of accounts closed by ADL, beside all shorts of the book",
}
# Columns that are the same in all rows of the page, stand below the table, or are for programs.
HIDDEN = {
    "by_cohort": ("coin", "positions"), "by_coin": ("cohort", "positions"), "liquidation_map": ("coin",),
    "published": ("note", "source"),
}  # fmt: skip


@command(
    "crashbook book 2025-10-10",
    "crashbook book 2025-10-10 --set cross_frac=0.7 --set positions_per_account=3 --seed 2",
    "crashbook book 2025-10-10 --format json",
)
@click.argument("event", required=False)
@click.option("-c", "--scenario", "file", type=click.Path(path_type=Path), help="Scenario file; flags overrule it.")
@click.option("--venue", help="Venue whose rules hold; by default the event's first.")
@click.option("--coins", metavar="BTC,SOL", help="Coins simulated together.")
@click.option("--set", "changes", metavar="FIELD=VALUE", multiple=True,
              help="Any field of crashbook params, overrules all else; FIELD.COIN=VALUE for one coin.")  # fmt: skip
@click.option("--positions", metavar="FILE|N", help="Book as CSV or Parquet, or the size of the synthetic one.")
@click.option("--seed", type=click.IntRange(0, 2**31 - 1), help="Seed of the synthetic book.")
@click.option("--fit", "priors", type=click.Path(path_type=Path), metavar="FILE",
              help="Measure the true book of crashbook book roll instead; write its priors.")  # fmt: skip
@output_options
def book(
    event: str | None, file: Path | None, venue: str | None, coins: str | None, changes: tuple[str, ...],
    positions: str | None, seed: int | None, priors: Path | None, output: Output,
) -> None:  # fmt: skip
    """Show the book of a replay before any price moves.

    Leverage, sizes and entries by side and cohort and by coin; the notional in breach once all prices have moved
    together; concentration and the largest accounts; published figures of the event beside them. Nothing is simulated.
    Other formats than table give one row, a table a column, and the liquidation map by coin.
    """
    from backtest.cli.replay import book_size, event_name, overrides
    from backtest.run.prepare import prepare
    from backtest.run.resolve import resolve

    if priors is not None:
        _fit(event_name(event, None), priors, output)
        return
    options = {"venue": venue, "coins": coins, "seed": seed, **book_size(positions)}
    given = overrides(file, {key: value for key, value in options.items() if value is not None}, changes)
    answer = shape_of(prepare(resolve(event_name(event, given.get("event")), given)))
    if output.for_reader:
        page(_text(answer), output)
    else:
        emit(table_of([answer], tuple(answer)), output)


def _fit(event: str, target: Path, output: Output) -> None:
    """Write priors measured on the true book of an event, and print what was measured."""
    import polars as pl

    from backtest.assets import asset
    from backtest.book.actual.measured_priors import BUCKETS, measured, with_measured
    from backtest.book.actual.write import book_path, origin_path, read_head
    from backtest.catalogue.events import get_event
    from backtest.durable import write_file

    path = book_path(get_event(event).id)
    at, _ = read_head(path)
    found = measured(pl.read_parquet(origin_path(path)))
    source = f"the true book {path.name} at {at:%Y-%m-%d %H:%M} UTC"
    write_file(target, with_measured(asset("data", "priors.toml").read_text("utf-8"), found, source).encode())
    rows = []
    for name, value in dataclasses.asdict(found).items():
        each = zip(BUCKETS, value, strict=True) if isinstance(value, tuple) else [(None, value)]
        for bucket, number in each:
            part = (
                f" {bucket[0]:g} to {bucket[1]:g}x" if bucket and bucket[1] else f" {bucket[0]:g}x+" if bucket else ""
            )
            rows.append({"measured": name + part, "value": round(number, 4)})
    emit(table_of(rows, ("measured", "value")), output)


def shape_of(prepared: Prepared) -> dict[str, Any]:
    """Return the shape of a prepared replay's book: headline values, and tables as lists of rows."""
    import numpy as np

    from backtest.book.shape import BookShape
    from backtest.mechanics.exact import QUANTA_PER_USD, exact_sum
    from backtest.schema.coins import is_rest

    resolved, market = prepared.resolved, prepared.market
    shape = BookShape(
        prepared.book, market.instruments, prepared.world.tiers, prepared.world.walk.mark[:, 0],
        inclusive=resolved.venue.inclusive,
    )  # fmt: skip
    concentration = shape.concentration()
    rest = [is_rest(unit.symbol) for unit in market.instruments]
    covered = ~np.array(rest)[prepared.book.symbol]
    return {
        "event": resolved.event.id,
        "venue": resolved.venue.id,
        "book": prepared.book.label,
        "seed": resolved.scenario.seed,
        "positions": len(prepared.book),
        "long_usd": exact_sum(shape.value[covered & (prepared.book.side > 0)]) / QUANTA_PER_USD,
        "short_usd": exact_sum(shape.value[covered & (prepared.book.side < 0)]) / QUANTA_PER_USD,
        "rest_usd": exact_sum(shape.value[~covered & (prepared.book.side > 0)]) / QUANTA_PER_USD if any(rest) else None,
        "open_interest_source": resolved.sources["open_interest_usd"],
        "by_cohort": _rows(shape.by_cohort()),
        "by_coin": _rows(shape.by_coin()),
        "liquidation_map": _rows(shape.liquidations()),
        "concentration": _rows(concentration),
        "largest_accounts": _rows(shape.largest()),
        "published": published(resolved.event.facts, resolved.venue.id, concentration[-1]),
        "notes": list(prepared.book.notes),
    }


def published(facts: Sequence[Fact], venue: str, shorts: Concentration) -> list[dict[str, Any]]:
    """Return the event's facts that speak of accounts of the venue, with the same figure of all shorts of the book."""
    return [
        {"fact": fact.id, "published": fact.value, "shorts_of_book": getattr(shorts, OF_SHORTS[fact.quantity]),
         "grade": fact.grade, "note": fact.note, "source": fact.source}
        for fact in facts
        if fact.quantity in OF_SHORTS and fact.venue == venue and fact.value is not None
    ]  # fmt: skip


def _rows(rows: Sequence[Any]) -> list[dict[str, Any]]:
    return [dataclasses.asdict(row) for row in rows]


def _text(answer: dict[str, Any]) -> str:
    """Return the tables as text; the liquidation map of all coins together only."""
    label = f"{answer['positions']:,} positions, {answer['book']}"
    head = [
        ("event", f"{answer['event']} at {answer['venue']}"),
        ("book", f"{label}, seed {answer['seed']}" if answer["book"] == "synthetic" else label),
        ("open interest", f"{answer['long_usd']:,.0f} USD long, {answer['short_usd']:,.0f} USD short"),
        ("", answer["open_interest_source"]),
        *([] if answer["rest_usd"] is None else [("rest of venue", _rest(answer["rest_usd"]))]),
    ]
    sources = dict.fromkeys(f"{row['fact']}: {row['note']} ({row['source']})" for row in answer["published"])
    tables = "".join(_section(name, answer) for name in TITLES)
    texts = {"columns": COLUMNS, "facts": sources, "notes": answer["notes"]}
    return heading(head) + tables + "".join(bullets(title, lines) for title, lines in texts.items())


def _rest(usd: float) -> str:
    return f"{usd:,.0f} USD a side, modelled, no bars: REST, in all tables, not in the open interest above"


def _section(name: str, answer: dict[str, Any]) -> str:
    """Return one table of the answer."""
    rows = [row for row in answer[name] if name != "liquidation_map" or row["coin"] == "all"]
    columns = [key for key in (rows[0] if rows else {}) if key not in HIDDEN.get(name, ())]
    names = tuple(SHOWN[key][0] if key in SHOWN else key for key in columns)
    shown = [dict(zip(names, (_shown(key, row[key]) for key in columns), strict=True)) for row in rows]
    return section(TITLES[name], table_of(shown, names))


def _shown(column: str, value: Any) -> Any:
    """Return a value in the unit and with the digits of the page."""
    if not isinstance(value, float):
        return value
    _, unit, digits = SHOWN[column]
    return round(value / unit, digits)
