"""Commands that ask a run: ``crashbook query``, ``sql`` and ``audit``."""

from __future__ import annotations

import functools
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import click

from backtest.cli import supervise
from backtest.cli.command import command
from backtest.cli.hints import check_question, check_statement
from backtest.cli.messages import print_line
from backtest.cli.output import Output, emit, note, output_options, page
from backtest.cli.table import Table, table_of, table_text
from backtest.errors import AuditError, QueryError
from backtest.formatting import coin

if TYPE_CHECKING:
    from backtest.run.run import StoredRun
    from backtest.sql.budget import Budget
    from backtest.sql.header import Query

_RUN = click.argument("run", default="latest")


def budget_options(function: Callable[..., None]) -> Callable[..., None]:
    """Give a command ``--timeout`` and ``--memory``; it receives them as one ``budget``."""

    @click.option("--timeout", type=click.FloatRange(min=0), default=60.0, show_default=True, metavar="SECONDS",
                  help="Stop a statement that takes longer; 0 for no limit.")  # fmt: skip
    @click.option("--memory", metavar="SIZE", help="Memory for the database, such as 4GB; by default half of it all.")
    @functools.wraps(function)
    def with_budget(*args: Any, timeout: float, memory: str | None, **rest: Any) -> None:
        from backtest.sql.budget import Budget, memory_of

        function(*args, budget=Budget(timeout, memory_of(memory) if memory else None), **rest)

    return with_budget


@command(
    "crashbook query",
    "crashbook query largest_liquidations --param limit=5",
    "crashbook query actual_accounts --addresses",
    "crashbook query adl_waves latest --format csv --output waves.csv",
)
@click.argument("name", required=False)
@_RUN
@click.option("--param", "given", metavar="NAME=VALUE", multiple=True, help="Parameter of the query.")
@click.option("--addresses", is_flag=True, help="Whole addresses of accounts, where a query shows their beginnings.")
@budget_options
@output_options
def query(name: str | None, run: str, given: tuple[str, ...], addresses: bool, budget: Budget, output: Output) -> None:
    """Answer a named question about a run, or list them."""
    from backtest.run.run import open_run
    from backtest.sql.files import get_query, query_names

    if name is None:
        _list(list(map(get_query, query_names())), output)
        return
    plain = re.sub(r"[\s-]+", "_", name.strip().lower())
    name = plain if plain in query_names() else name
    check_question(name, run)
    params = {**_pairs(given), **({"addresses": "true"} if addresses else {})}
    found = get_query(name)
    opened = open_run(run)
    opened.budget = budget
    with supervise.limited(budget, f"query {name}"):
        rows = opened.rows(name, **params) if output.for_reader else None
        answer = opened.query(name, **params) if rows is None else Table(rows.columns, rows.rows, rows.numeric)
    if output.for_reader:
        note(f"{found.title} {found.grain[:1].upper()}{found.grain[1:]}. Units: {found.units}.", output)
        if found.note:
            note(found.note, output)
    if not (len(answer.rows) if isinstance(answer, Table) else answer.height):
        note("no rows", output)
    emit(answer, output)
    if output.for_reader and "score" in answer.columns and (words := _score(opened)):
        note(f"score: {words}", output)


def _score(run: StoredRun) -> str:
    """Return how the run's venue computes the score in its queue."""
    from backtest.mechanics.adl.rankings import score_words

    return score_words(run.meta.scenario.ranking, run.meta.scenario.adl_allocation)


def _list(queries: Sequence[Query], output: Output) -> None:
    """List questions: for a reader in groups with an example of each."""
    from backtest.cli.questions import GROUPS, example, filled, group_of, parameters

    rows = [
        {"name": each.name, "group": group_of(each.name), "title": each.title, "parameters": parameters(each),
         "example": example(each)}
        for each in queries
    ]  # fmt: skip
    if not output.for_reader or output.exact:
        emit(table_of(rows, ("name", "group", "title", "parameters", "example")), output)
        return
    text = ""
    for group in GROUPS:
        mine = [row for row in rows if row["group"] == group]
        text += f"\n{group}\n" * bool(mine)
        text += "".join(f"{filled(row['title'], 2)}{filled(row['example'], 4)}" for row in mine)
    page(text.lstrip("\n"), output)


def _pairs(given: Iterable[str]) -> dict[str, str]:
    """Read ``name=value`` options.

    Examples
    --------
    >>> _pairs(["limit=5"])
    {'limit': '5'}
    """
    pairs = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not (name and equals):
            raise click.UsageError(f"--param {text}: write --param NAME=VALUE")
        pairs[name.strip()] = value
    return pairs


@command(
    'crashbook sql "select side, sum(closed_usd) as usd from liquidations group by side"',
    "crashbook sql - latest --format json < question.sql",
)
@click.argument("text", required=False)
@_RUN
@budget_options
@output_options
def sql(text: str | None, run: str, budget: Budget, output: Output) -> None:
    """Run one reading statement over a run's tables.

    TEXT comes from stdin if it is left out or a dash. Files, extensions and settings are out of reach.
    """
    from backtest.run.run import open_run

    check_statement(text, run)
    opened, statement = open_run(run), _statement(text)
    opened.budget = budget
    with supervise.limited(budget, "sql"):
        frame = opened.sql(statement)
    if not frame.height:
        note("no rows", output)
        coins = {coin(contract.symbol): contract.symbol for contract in opened.meta.contracts}
        if quoted := [word for word in re.findall(r"'(\w+)'", statement) if word.upper() in coins]:
            symbol = coins[quoted[0].upper()]
            note(f"symbols are written {symbol}: symbol = '{symbol}', or symbol like '{coin(symbol)}/%'", output)
    emit(frame, output)


def _statement(text: str | None) -> str:
    if text not in {None, "-"}:
        return str(text)
    if sys.stdin.isatty():
        raise click.UsageError('Missing TEXT; give a statement such as "select * from run_summary", or pipe one in')
    try:
        return sys.stdin.buffer.read().decode()
    except UnicodeDecodeError:
        raise QueryError("sql: stdin is not UTF-8 text; save the statement as UTF-8") from None


@command("crashbook audit")
@_RUN
@output_options
def audit(run: str, output: Output) -> None:
    """Run all audits of a run.

    An audit passes when it returns no row; one that fails gives exit code 4.
    """
    from backtest.run.run import open_run
    from backtest.sql.budget import Budget

    opened = open_run(run)
    opened.budget = Budget(timeout_s=0)
    with supervise.limited(opened.budget, "audit"):
        results = opened.audits()
    rows = [
        {"audit": each.name, "rows": each.rows, "passed": "pass" if each.passed else "FAIL", "question": each.title}
        for each in results
    ]
    emit(table_of(rows, ("audit", "rows", "passed", "question")), output)
    failed = [result for result in results if not result.passed]
    for result in failed:
        print_line(f"{result.name}, the first of {result.rows:,} rows:\n" + "".join(table_text(result.sample)).rstrip())
    if failed:
        names = ", ".join(result.name for result in failed)
        raise AuditError(f"{len(failed)} of {len(results)} audits failed: {names}; the numbers of this run do not hold")
