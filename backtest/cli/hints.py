"""What was probably meant: words in another order, options and commands of other names, all with the right command.

Nothing here is asked before a command line is refused, so that it costs nothing where all is well.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence

import click

from backtest.errors import CrashbookError, UsageError

WORDS = "words"  # of the command line, in the context
STATEMENT = re.compile(r"\s*(?:(?:select|with|from|values|describe|summarize|show|pivot|explain|table)\s|\()", re.I)
COMMANDS = {
    "help": "crashbook --help, or crashbook COMMAND --help",
    "version": "crashbook --version",
    "list": "crashbook events, crashbook runs, or crashbook query for the questions",
    "ls": "crashbook events, crashbook runs, or crashbook query for the questions",
    "run": "crashbook replay EVENT, or crashbook runs for those that are there",
    "simulate": "crashbook replay EVENT",
    "backtest": "crashbook replay EVENT",
    "start": "crashbook replay 2025-10-10",
    "show": "crashbook query run_summary RUN",
    "summary": "crashbook query run_summary RUN",
    "ask": "crashbook query",
    "queries": "crashbook query",
    "download": "crashbook fetch EVENT",
    "excel": "crashbook export RUN run.xlsx",
    "rm": "crashbook runs rm RUN",
    "delete": "crashbook runs rm RUN",
    "prune": "crashbook runs prune --keep N",
    "coins": "crashbook events EVENT",
    "tables": "crashbook schema",
    "policies": "crashbook params, fields ranking and adl_allocation",
}
OPTIONS = {  # by option, for the commands that have none of the name
    "--policy": "crashbook compare EVENT --policy A,B sets policies beside each other; in one run it is the field "
    "ranking or adl_allocation: --set ranking=NAME",
    "--policies": "crashbook compare EVENT --policy A,B sets policies beside each other",
    "--position": "crashbook watch EVENT --position TEXT follows a position of yours",
    "--leverage": 'crashbook watch EVENT --position "short 20000 SOL @ 221.5, 12x" follows a position of yours',
    "--leverages": "crashbook watch EVENT --leverages 2,5,10 follows a position of yours",
    "--json": "--format json",
    "--csv": "--format csv",
    "--excel": "--output FILE.xlsx; of a whole run crashbook export RUN run.xlsx",
    "--xlsx": "--output FILE.xlsx; of a whole run crashbook export RUN run.xlsx",
    "-o": "--output FILE",
    "--out": "--output FILE",
    "--verbose": "--notes of crashbook replay, or crashbook --debug COMMAND for the place of an error",
    "--debug": "crashbook --debug COMMAND: it stands before the command",
    "--event": "EVENT is given without an option: crashbook replay 2025-10-10",
    "--coin": "--coins BTC, or --param symbol=BTC of a query",
    "--symbol": "--coins BTC, or --param symbol=BTC of a query",
    "--limit": "--param limit=20 of a query that has it, or limit 20 in SQL",
    "--run": "RUN is given without an option, after the question: crashbook query adl_waves latest",
}


def is_statement(text: str | None) -> bool:
    """Return whether a text begins like a statement of SQL.

    Examples
    --------
    >>> is_statement("select 1"), is_statement("(select 1)"), is_statement("adl_waves"), is_statement("selection")
    (True, True, False, False)
    """
    return text is not None and STATEMENT.match(text) is not None


def line(*words: str) -> str:
    """Return a command as it is typed.

    Examples
    --------
    >>> line("sql", "select 1", "latest")
    'crashbook sql "select 1" latest'
    """
    return " ".join(["crashbook", *map(_quoted, words)])


def _quoted(word: str) -> str:
    if shlex.quote(word) == word:
        return word
    return shlex.quote(word) if re.search(r'["$`\\!]', word) else f'"{word}"'


def exchanged(one: str, other: str) -> str:
    """Return the command line with two of its words exchanged, options and all."""
    words = [str(word) for word in click.get_current_context().meta.get(WORDS, ())]
    if one not in words or other not in words:
        return line(other, one)
    at, to = words.index(one), words.index(other)
    words[at], words[to] = other, one
    return line(*words)


def is_run(text: str) -> bool:
    """Return whether a word names a run that is there."""
    from backtest.run.folder import find_run

    try:
        find_run(text)
    except CrashbookError:
        return text == "latest"
    return bool(text)


def check_question(name: str, run: str) -> None:
    """Refuse what stands in place of a question's name, with the command that was meant.

    Raises
    ------
    UsageError
        The run stands first, or it is SQL or the name of a table.
    """
    from backtest.schema.tables import TABLES
    from backtest.sql.files import audit_names, query_names

    known = {*query_names(), *audit_names()}
    if name in known:
        return
    if run in known:
        raise UsageError(f"the question comes first, then the run: {exchanged(name, run)}")
    if is_statement(name):
        raise UsageError(f"a statement of SQL is asked with: {line('sql', name, *_unless_latest(run))}")
    if name in TABLES:
        raise UsageError(f"{name} is a table, no question: {line('sql', f'from {name}', *_unless_latest(run))}")
    if name == "latest" or (re.fullmatch(r"[0-9a-f]{6,}", name) and is_run(name)):
        raise UsageError(f"{name} is a run; a question comes before it: {line('query', 'run_summary', name)}")


def check_statement(text: str | None, run: str) -> None:
    """Refuse what stands in place of a statement, with the command that was meant.

    Raises
    ------
    UsageError
        The run stands first, or it is the name of a question or a table.
    """
    from backtest.schema.tables import TABLES
    from backtest.sql.files import query_names

    if text is not None and is_statement(run) and not is_statement(text):
        raise UsageError(f"the statement comes first, then the run: {exchanged(text, run)}")
    if text is None or re.search(r"\s", text.strip()):
        return
    if text in TABLES:
        raise UsageError(f"{text} is a table: {line('sql', f'from {text}', *_unless_latest(run))}")
    if text in query_names():
        raise UsageError(f"{text} is a question: {line('query', text, *_unless_latest(run))}")
    if text not in {"", "-"} and is_run(text):
        raise UsageError(f"{text} is a run; a statement comes before it: {line('sql', 'from run_summary', text)}")


def check_target(run: str, out: str, suffixes: tuple[str, ...]) -> None:
    """Refuse a run that stands in place of the file of an export.

    Raises
    ------
    UsageError
        With the words in order.
    """
    if run.lower().endswith(suffixes) and not out.lower().endswith(suffixes) and not is_run(run):
        raise UsageError(f"the run comes first, then the file: {exchanged(run, out)}")


def _unless_latest(run: str) -> list[str]:
    return [] if run == "latest" else [run]


def meant(words: Sequence[str]) -> str:
    """Return the command that an unknown one stands for, empty where nothing is known of it.

    Examples
    --------
    >>> meant(["help", "replay"]), meant(["2025-10-10"]), meant(["select 1"]), meant(["nonsense"])
    ('crashbook replay --help', 'crashbook replay 2025-10-10', 'crashbook sql "select 1"', '')
    """
    from backtest.catalogue.events import get_event
    from backtest.sql.files import query_names

    first, *rest = words
    if first == "help" and rest:
        return line(*rest, "--help")
    if first.lower() in COMMANDS:
        return COMMANDS[first.lower()]
    if first in query_names():
        return line("query", *words)
    if is_statement(first):
        return line("sql", *words)
    try:
        get_event(first)
    except CrashbookError:
        return ""
    return line("replay", *words)


def unknown_option(command: click.Command, option: str) -> str:
    """Return what an unknown option of a command stands for, empty where nothing is known of it."""
    from backtest.scenario.fields import BY_NAME

    own = {name for param in command.params for name in param.opts}
    field = option.lstrip("-").replace("-", "_")
    if "--set" in own and field in BY_NAME:
        return f"a field is set with --set {field}=VALUE"
    if option in {"--symbol", "--coin", "--limit", "--wave-id", "--account-id"} and "--param" in own:
        return f"a parameter is given with --param {field.replace('coin', 'symbol')}=VALUE"
    return OPTIONS.get(option, "")


def surplus(command: click.Command, extra: str) -> str:
    """Return how a word that is too much is given, empty where nothing is known of it.

    Parameters
    ----------
    extra
        The words too much as the message shows them, in brackets.
    """
    from backtest.venue.reading import venue_names

    own = {name for param in command.params for name in param.opts}
    text = extra.partition("(")[2].rpartition(")")[0]
    if "--position" in own and re.match(r"(long|short)\b", text, re.I):
        return f'a position is given with --position "{text}"'
    if "--venue" in own and text.lower() in venue_names():
        return f"a venue is given with --venue {text.lower()}"
    if "--set" in own and re.fullmatch(r"[a-z_]+(\.\w+)?=\S+", text):
        return f"a field is set with --set {text}"
    if "--param" in own and re.fullmatch(r"[a-z_]+=\S+", text):
        return f"a parameter is given with --param {text}"
    if "--coins" in own and re.fullmatch(r"[A-Za-z0-9]{2,10}([, ][A-Za-z0-9]{2,10})*", text) and text.upper() == text:
        return f"coins are given with --coins {text.replace(' ', ',')}" if "-" not in text else ""
    if "--output" in own and re.fullmatch(r"\S+\.[a-z]{2,7}", text):
        return f"a file is given with --output {text}"
    return ""
