"""Exceptions: one base class, one line each, each knows its exit code."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence

STEERS = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff]"
)
LONGEST_SHOWN = 300  # characters of an unknown name
NEAREST = 5  # names that a message lists
NEAR = 3  # names that a message offers
ALIKE = 0.6  # likeness of names that count as misspelled
SHORTEST = 3  # letters of a word that names are compared by
SYNONYMS = {
    "insurance": "fund", "reserve": "fund", "policy": "ranking", "interest": "open", "balance": "start",
    "capital": "start", "deleveraging": "adl", "deleverage": "adl", "price": "mark", "queue": "adl", "pnl": "profit",
    "loss": "uncovered", "money": "fund",
}  # fmt: skip


class CrashbookError(Exception):
    """Base of every error that is a message to the user and not a defect of the program."""

    exit_code = 1


class ConfigError(CrashbookError):
    """A command, a scenario, an event or a venue file holds an unknown key, a wrong type or a value out of range."""

    exit_code = 2


class UsageError(CrashbookError):
    """The command names something that does not exist or asks for something that is not offered."""

    exit_code = 2


class UnknownNameError(UsageError):
    """A name is not among the known ones; the message lists the near matches and the five nearest names.

    Parameters
    ----------
    known
        The names, of a mapping of texts with what each means.
    hint
        A sentence at the end, such as where all names are listed.
    near
        What is offered in place of the nearest names, each with more than its name.

    Examples
    --------
    >>> str(UnknownNameError("venue", "binnance", ["binanceusdm", "bybit"]))
    "unknown venue 'binnance'; did you mean binanceusdm? Known: binanceusdm, bybit"
    """

    def __init__(
        self, kind: str, name: str, known: Iterable[str], hint: str = "", *, near: Sequence[str] | None = None
    ) -> None:
        name = name if len(name) <= LONGEST_SHOWN else f"{name[: LONGEST_SHOWN - 3]}..."
        found = near_matches(name, known) if near is None else near
        guess = f"; did you mean {' or '.join(found)}?" if found else ";"
        rest = f" {hint}" if near and hint else f" Known: {nearest_of(name, known)}{f'. {hint}' if hint else ''}"
        super().__init__(f"unknown {kind} '{printable(name)}'{guess}{rest}")


class RenamedError(UsageError):
    """An old name is given; the message gives the new one.

    Examples
    --------
    >>> str(RenamedError("field", "stepper", "liquidation_rule", "--set"))
    "--set: field 'stepper' is now called 'liquidation_rule'"
    """

    def __init__(self, kind: str, old: str, new: str, where: str = "") -> None:
        place = f"{where}: " if where else ""
        super().__init__(f"{place}{kind} '{old}' is now called '{new}'")


class DataError(CrashbookError):
    """Market data breaks a rule that no repair may hide: prices, order of time, file contents."""


class DataGapError(DataError):
    """Bars are missing inside the window of a replay."""

    exit_code = 3


class SuspectError(DataError):
    """Values inside the window of a replay that nothing around them bears out."""

    exit_code = 3


class BookError(CrashbookError):
    """A position book breaks a rule; every violation is listed with row and column."""

    def __init__(self, message: str, violations: Sequence[str] = ()) -> None:
        self.violations = tuple(violations)
        super().__init__("\n  ".join([message, *violations]))


class RangeError(CrashbookError):
    """A world is too large for exact 64-bit integers."""


class NotBuiltError(CrashbookError):
    """A profile asks for a rule that this version does not run; nothing is approximated silently."""


class ConservationError(CrashbookError):
    """Cash or lots do not sum to zero: a defect of the program, reported with step, owner and residual."""


class RunError(CrashbookError):
    """A run folder is absent, incomplete or does not match its digests."""


class FileError(CrashbookError):
    """A file is a link, a device or too large, or a name would leave the folder of its file."""


class QueryError(CrashbookError):
    """A query fails, lacks a parameter or is not allowed."""


class ParameterError(QueryError):
    """A parameter of a query is missing, unknown, of another type, or names what the run does not have."""

    exit_code = 2


class AuditError(CrashbookError):
    """An audit returned rows."""

    exit_code = 4


class ScoreError(CrashbookError):
    """The draws of an event come less close to its published facts than a strict comparison asks for."""

    exit_code = 4


def printable(text: str, keep: str = "") -> str:
    r"""Return a text that cannot steer a terminal: control and invisible format characters become escapes.

    Parameters
    ----------
    text
        Any text, also of a file that a stranger made.
    keep
        Characters that stay as they are, such as the ends of lines.

    Examples
    --------
    >>> print(printable("a\x1b[31mred\u202e"), printable("−1 %", keep="\n"))
    a\x1b[31mred\u202e −1 %
    """
    return STEERS.sub(lambda found: found[0] if found[0] in keep else repr(found[0])[1:-1], text)


def near_matches(name: str, known: Iterable[str]) -> list[str]:
    """Return up to three names that are spelled like ``name``, else that share words with it.

    Parameters
    ----------
    known
        The names, of a mapping of texts with what each means, whose words count half.

    Examples
    --------
    >>> near_matches("bybt", ["bybit", "okx"])
    ['bybit']
    >>> near_matches("btc", ["BTC", "SOL"])
    ['BTC']
    >>> near_matches("insurance_fund", {"seed": "Start of all draws.", "fund_start_usd": "What the fund has."})
    ['fund_start_usd']
    """
    alike, kin = _closest(name, known)
    return alike or kin[:NEAR]


def nearest_of(name: str, known: Iterable[str]) -> str:
    """Return the five names nearest to ``name``, and how many there are in all; all of them where there are five.

    Examples
    --------
    >>> nearest_of("adl_wave", ["steps", "fund"]), nearest_of("x", [])
    ('steps, fund', 'none')
    >>> nearest_of("adl_wave", ["runs", "adl_waves", "steps", "adl_fills", "watch", "fund", "ledger"])
    'adl_waves, adl_fills, watch, ledger, fund and 2 more'
    """
    names = list(known)
    if len(names) <= NEAREST:
        return ", ".join(names) or "none"
    alike, kin = _closest(name, known)
    rest = difflib.get_close_matches(name, names, n=NEAREST, cutoff=0.0)
    nearest = list(dict.fromkeys([*alike, *kin, *rest]))[:NEAREST]
    return f"{', '.join(nearest)} and {len(names) - NEAREST:,} more"


def _closest(name: str, known: Iterable[str]) -> tuple[list[str], list[str]]:
    """Return the names that are spelled like ``name``, and those that share words with it, the most first."""
    by_case = {other.lower(): other for other in known}
    alike = difflib.get_close_matches(name.lower(), by_case, n=NEAR, cutoff=ALIKE)
    wanted = _words(name)
    shared: dict[str, float] = {}
    for key, other in by_case.items():
        text = known[other] if isinstance(known, Mapping) else ""
        text = text if isinstance(text, str) else ""
        shared[other] = _kinship(wanted, _words(key)) + _kinship(wanted, _words(text)) / 2
    least = max([*shared.values(), 0.0]) / 2
    kin = [other for other, found in shared.items() if found and found >= least]
    return [by_case[each] for each in alike], sorted(kin, key=lambda other: (-shared[other], len(other), other))


def _words(text: str) -> set[str]:
    """Return the words of a text, without numbers and the shortest, and what else they are called."""
    words = {word for word in re.findall(r"[a-z]+", text.lower()) if len(word) >= SHORTEST}
    return words | {SYNONYMS[word] for word in words if word in SYNONYMS}


def _kinship(wanted: Iterable[str], words: Iterable[str]) -> float:
    """Return how many of the wanted words are among others; those that others only begin with count a third."""
    roots = set(map(_root, words))
    each = ((root in roots) + any(each.startswith(root) for each in roots) / 2 for root in map(_root, wanted))
    return sum(each) / 1.5


def _root(word: str) -> str:
    """Return a word without the ending of its plural."""
    for ending in ("s", "e"):
        word = word if len(word) <= SHORTEST else word.removesuffix(ending)
    return word
