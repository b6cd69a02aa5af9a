"""``crashbook params``: the scenario fields, and their values for an event."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from backtest.cli.command import command
from backtest.cli.output import Output, emit, output_options
from backtest.cli.table import Table, table_of
from backtest.cli.text import literal
from backtest.errors import UnknownNameError, UsageError
from backtest.formatting import readable

if TYPE_CHECKING:
    from backtest.run.resolve import Resolved
    from backtest.scenario.param import Param


@command(
    "crashbook params",
    "crashbook params vault",
    "crashbook params 2025-10-10 --venue bybit",
)
@click.argument("event", metavar="[EVENT | WORD]", required=False)
@click.option("--venue", help="Venue whose rules fill in the values; by default the event's first.")
@output_options
def params(event: str | None, venue: str | None, output: Output) -> None:
    """List the scenario fields, or the values of an EVENT.

    A WORD in place of EVENT lists the fields that have it in their name or meaning. Fields are set with --set
    FIELD=VALUE, or in the TOML file given with -c. Other formats than table spell values as --set takes them.
    """
    from backtest.run.resolve import resolve
    from backtest.scenario.fields import PARAMS

    if event is None and venue is not None:
        raise click.UsageError("--venue fills in the values of an event; give the EVENT too")
    spell = readable if output.for_reader else literal
    chosen = PARAMS if event is None else _about(event)
    if chosen:
        rows = [
            {"field": p.name, "kind": p.kind, "unit": p.unit, "default": spell(p.default), "allowed": _allowed(p),
             "meaning": p.doc}
            for p in chosen
        ]  # fmt: skip
        emit(table_of(rows, ("field", "kind", "unit", "default", "allowed", "meaning")), output)
        return
    assert event is not None
    emit(values_of(resolve(event, {"venue": venue} if venue else {}), spell), output)


def _about(word: str) -> list[Param]:
    """Return the fields with a word in their name or meaning; none for the name of an event."""
    from backtest.catalogue.events import get_event
    from backtest.scenario.fields import PARAMS

    try:
        get_event(word)
    except UnknownNameError as error:
        wanted = re.sub(r"[\W_]+", " ", word.lower()).strip()
        begins = re.compile(rf"(?<![a-z]){re.escape(wanted)}")
        found = [p for p in PARAMS if begins.search(p.name.replace("_", " ")) or begins.search(p.doc.lower())]
        if wanted and found:
            return found
        raise UsageError(f"{error}; no field has the word either, crashbook params lists them all") from None
    return []


def values_of(resolved: Resolved, spell: Callable[[Any], str] = readable) -> Table:
    """Return every scenario field of a resolved scenario with its value, unit and source."""
    from backtest.scenario.fields import PARAMS

    values = resolved.scenario.plain()
    if resolved.fund_coins is not None:  # in dollars only at the first mark; the source says how many coins
        values["fund_start_usd"] = ""
    rows = [
        {"field": p.name, "value": spell(values[p.name]), "unit": p.unit, "source": resolved.sources[p.name]}
        for p in PARAMS
    ]
    return table_of(rows, ("field", "value", "unit", "source"))


def _allowed(param: Param) -> str:
    if param.choices:
        return ", ".join([*param.choices, *([param.form] if param.user else [])])
    return "" if param.low is None else f"{readable(param.low)} to {readable(param.high)}"
