"""``crashbook position``: one position worked out by hand."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING

import click

from backtest.cli.command import command
from backtest.cli.output import Output, emit, output_options, page
from backtest.cli.table import Table, table_of
from backtest.cli.text import MARKS, bullets, heading, section
from backtest.formatting import readable
from backtest.schema.coins import symbol_name

if TYPE_CHECKING:
    from backtest.calculator.figures import Answer

LONGEST_SHOWN = 40
EXAMPLE = "crashbook position --venue binanceusdm --symbol BTC --side long --size 1 --entry 100000 --leverage 10"


def number(option: str, text: str) -> Decimal:
    """Return an option's decimal exactly as written; whether it is in range is request later.

    Examples
    --------
    >>> number("--mark", "100000.5"), number("--mark", "100k")
    (Decimal('100000.5'), Decimal('100000'))
    """
    from backtest.scenario.amounts import doubtful, number_of

    if reason := doubtful(text):
        raise click.UsageError(f"{option}: {reason}")
    if option == "--leverage":
        text = text.lower().removesuffix("x")
    try:
        return Decimal(text)
    except InvalidOperation:
        found = number_of(text)
    if found is None:
        shown = ascii(text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}...")
        raise click.UsageError(f"{option} {shown} is not a number; write it plainly, such as 100000.5 or 100k")
    return found


def entry(text: str) -> tuple[Decimal, Decimal | None]:
    """Return price and size of PRICE:SIZE, None for the size where there is none.

    Examples
    --------
    >>> entry("90000:2"), entry("90000")
    ((Decimal('90000'), Decimal('2')), (Decimal('90000'), None))
    """
    price, colon, size = text.partition(":")
    return number("--entry", price), number("--entry", size) if colon else None


def check_whole(given: Mapping[str, str | None], entries: Sequence[str], mode: str) -> None:
    """Check that nothing is missing; all that is missing is named at once.

    Raises
    ------
    click.UsageError
        With the options that are missing.
    """
    lacking = [f"--{name}" for name in ("venue", "symbol", "side") if given[name] is None]
    lacking += [] if entries else ["--entry"]
    sized = given["size"] is not None or (entries and all(":" in each for each in entries))
    lacking += [] if sized or len(entries) > 1 else ["--size"]
    if not any(given[name] is not None for name in ("margin", "leverage", "wallet")):
        lacking.append("--wallet" if mode == "cross" else "--margin or --leverage")
    if lacking:
        raise click.UsageError(f"Missing {', '.join(lacking)}; for example {EXAMPLE}")


@command(
    EXAMPLE,
    "crashbook position --venue bybit --symbol BTC/USDT:USDT --side short --entry 100000:1 --entry 90000:2 "
    "--mode cross --wallet 60000 --mark 95000 --on 2025-10-10",
    "crashbook position --venue binancecoinm --symbol BTC --side long --size 1000 --entry 50000 --margin 0.2",
)
@click.option("--venue", help="Venue profile whose rules hold.  [required]")
@click.option("--symbol", help="A coin or a unified symbol: BTC, BTC/USDT:USDT, BTC/USD:BTC.  [required]")
@click.option("--side", type=click.Choice(["long", "short"], case_sensitive=False), help="[required]")
@click.option("--size", help="Size in base, or in contracts of an inverse symbol; not needed where entries state it.")
@click.option("--entry", "entries", multiple=True,
              help="Entry price; several as PRICE:SIZE give the average entry.  [required]")  # fmt: skip
@click.option("--margin", help="Isolated margin in USD, or in the coin of an inverse symbol.")
@click.option("--leverage", help="Entry value over isolated margin, in place of --margin.")
@click.option(
    "--mode", type=click.Choice(["isolated", "cross"], case_sensitive=False), default="isolated", show_default=True
)
@click.option("--wallet", help="Balance of a cross account with this position only, in the currency of the margin.")
@click.option("--mark", help="Mark price; by default the average entry.")
@click.option("--on", type=click.DateTime(["%Y-%m-%d"]), help="Day of the margin table; by default the profile's own.")
@output_options
def position(
    venue: str,
    symbol: str,
    mode: str,
    on: dt.datetime | None,
    output: Output,
    entries: tuple[str, ...],
    side: str,
    **numbers: str | None,
) -> None:
    """Work out one position by hand, with its rules.

    Notional, tier, maintenance margin, liquidation and bankruptcy price, margin ratio, effective leverage, unrealised
    PnL, ADL score and close price at a mark.

    The functions are the engine's: money to 1e-6 USD, maintenance margin rounded up, marks in steps of the venue's
    tick; money of a coin-margined contract is in its coin. Cross means this one position against the whole wallet.
    Other formats than table give one row, a column a figure, with the rule and source of each in the column rules.
    """
    from backtest.calculator.figures import position_figures
    from backtest.calculator.position import PositionRequest, contract_kind
    from backtest.market.terms import contract_terms
    from backtest.venue.reading import get_venue

    check_whole({**numbers, "venue": venue, "symbol": symbol, "side": side}, entries, mode)
    if (mode == "cross") != (numbers["wallet"] is not None):
        raise click.UsageError(
            "--mode cross and --wallet belong together; an isolated position has --margin or --leverage"
        )
    decimals = {name: number(f"--{name}", text) for name, text in numbers.items() if text is not None}
    request = PositionRequest(side=side, entries=[entry(text) for text in entries], **decimals)
    profile, day, terms = get_venue(venue), on and on.date(), None
    symbol = symbol_name(symbol)
    coin = symbol.partition("/")[0]
    profile = profile.on(day or profile.as_of, contract_kind(profile, symbol))
    if symbol in {coin, profile.symbol(coin)}:
        profile, (found,) = contract_terms(profile, [coin], day or profile.as_of)
        terms = found.at, (found.warning, *found.notes)
    answer = position_figures(profile, symbol, request, day, terms)
    if output.for_reader:
        page(_text(answer), output)
    else:
        emit(_row(answer), output)


def _text(answer: Answer) -> str:
    """Return the figures as a table with their rules, then notes and sources."""
    table, profile = answer.table, answer.profile
    head = [
        ("venue", f"{profile.id}  {profile.name}"),
        ("symbol", f"{answer.symbol}, {answer.kind}"),
        ("day", f"{answer.day}, margin table of {table.valid_from}"),
    ]
    rows = [
        {"figure": figure.column, "value": _shown(figure.value), "rule": figure.rule,
         "source": f"{figure.source} [{figure.mark}]" if figure.source else ""}
        for figure in answer.figures
    ]  # fmt: skip
    cited = dict.fromkeys(figure.source for figure in answer.figures if figure.source)
    sources = [f"{name}: {_url(answer, name)}" for name in cited]
    figures = section(f"figures ({MARKS})", table_of(rows, ("figure", "value", "rule", "source")))
    return heading(head) + figures + bullets("notes", answer.notes) + bullets("sources", sources)


def _row(answer: Answer) -> Table:
    """Return the figures as one row, a column each."""
    rules = [
        {"figure": figure.column, "rule": figure.rule, "source": figure.source, "url": _url(answer, figure.source),
         "mark": figure.mark}
        for figure in answer.figures
    ]  # fmt: skip
    row = {"venue": answer.profile.id, "symbol": answer.symbol, "day": answer.day}
    row |= {"margin_table_from": answer.table.valid_from}
    row |= {figure.column: figure.value for figure in answer.figures}
    row |= {"rules": rules, "notes": list(answer.notes)}
    return table_of([row], tuple(row))


def _shown(value: Decimal | float | int | str | None) -> str:
    """Return a value without trailing zeros."""
    text = readable(value)
    return text.rstrip("0").rstrip(".") if isinstance(value, Decimal) and "." in text else text


def _url(answer: Answer, source: str) -> str:
    return answer.profile.sources[source].url if source in answer.profile.sources else ""
