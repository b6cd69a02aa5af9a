"""An ADL policy of the user: a function of a Python file, or an SQL expression over the columns of the queue.

It is called once for each set of candidates that may pay (winners and losers apart where losers stand last) and
answers with a number for each: weights, or whole lots. What it answers is checked before a lot moves. A file is run
because the user named it in a command or a scenario, never because an event, a venue or a stored run did.
"""

from __future__ import annotations

import hashlib
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from backtest.assets import read_regular
from backtest.errors import ConfigError, CrashbookError, FileError, QueryError, printable
from backtest.mechanics.adl.allocation import SQL, Allocation, by_shares, is_of_user
from backtest.mechanics.adl.candidates import Candidates
from backtest.mechanics.adl.policies.shares import Share, weighted
from backtest.mechanics.exact import QUANTA_PER_USD, Bools, Floats, Ints, exact_sum

if TYPE_CHECKING:
    import polars as pl

MOST_BYTES = 1_000_000
BITS = 53  # of a weight that count, from the highest of the largest weight down
TABLE = "candidates"

Answer = Callable[["pl.DataFrame", int], Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class UserPolicy:
    """A policy by its name in the scenario, the digest of its source, and what answers for candidates."""

    name: str
    digest: str
    answer: Answer

    @property
    def share(self) -> Share:
        """Return the policy as shares of a wave."""

        def share(rows: Candidates, among: Bools, wanted: int) -> Ints:
            pays = np.zeros_like(rows.lots)
            paying = np.flatnonzero(among)
            if paying.size and wanted:
                assert rows.account is not None
                frame, lots = _frame(rows, paying), rows.lots[paying]
                found = self.answer(frame, wanted)
                pays[paying] = lots_of(self.name, found, rows.account[paying], lots, wanted)
            return pays

        return share

    @property
    def allocation(self) -> Allocation:
        """Return the policy as an allocation of a run."""
        return Allocation(
            ranked=False,
            close=by_shares(self.share),
            named=True,
            sentence=f"ADL closes candidates by the user's policy {printable(self.name)} (sha256 {self.digest[:12]}).",
            source=f"the user, sha256 {self.digest}",
        )


def user_policy(name: str) -> UserPolicy | None:
    """Return the user's policy that an ``adl_allocation`` names, None for one of this package.

    A file is run once a process as long as it stays as it is; what is hashed is what runs.

    Raises
    ------
    ConfigError
        If the file or its function cannot be used.
    """
    if not is_of_user(name):
        return None
    if name.startswith(SQL):
        return UserPolicy(name=name, digest=hashlib.sha256(name.encode()).hexdigest(), answer=_sql(name))
    file, _, function = name.rpartition(":")
    try:
        source = read_regular(Path(file), MOST_BYTES)
    except (OSError, FileError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigError(f"adl_allocation {name}: cannot read {file}: {reason}; name an existing file") from None
    return UserPolicy(
        name=name, digest=hashlib.sha256(source).hexdigest(), answer=_function(name, file, source, function)
    )


@cache
def _function(name: str, file: str, source: bytes, function: str) -> Answer:
    module = ModuleType("user_policy")
    module.__file__ = file
    _call(name, file, lambda: exec(compile(source, file, "exec"), module.__dict__))
    found = getattr(module, function, None)
    if not callable(found):
        raise ConfigError(
            f"adl_allocation {name}: {file} has no function {function}; define it, of candidates and wanted"
        )
    return lambda frame, wanted: _call(name, file, lambda: found(frame, wanted))


def _call(name: str, file: str, called: Callable[[], Any]) -> Any:
    """Return what the user's code returns; what it raises is one line that names the line of the file."""
    try:
        return called()
    except CrashbookError:
        raise
    except Exception as error:
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
        at = f"line {lines[-1]}, " if lines else ""
        text = printable(" ".join(str(error).split()))[:300]
        raise ConfigError(f"adl_allocation {name}: {at}{type(error).__name__}: {text}; correct {file}") from None


def _sql(name: str) -> Answer:
    import duckdb

    from backtest.sql.lock import lock, user_sql

    connection = duckdb.connect(":memory:", config={"threads": 1})  # sums of floats in one order
    lock(connection)
    expression = name.removeprefix(SQL).strip()

    def answer(frame: pl.DataFrame, wanted: int) -> Floats:
        connection.register(TABLE, frame.with_row_index("place").to_arrow())
        text = f"SELECT place, CAST(({expression}\n) AS DOUBLE) AS weight FROM {TABLE}"
        try:
            found = user_sql(connection, text)
        except QueryError as error:
            reason = str(error).removeprefix("sql: ")
            raise ConfigError(f"adl_allocation {name}: {reason}; columns: {', '.join(frame.columns)}") from None
        if found.columns != ["place", "weight"] or found.height != frame.height:
            raise ConfigError(f"adl_allocation {name}: no expression with one value for each candidate; write one")
        weights: Floats = found.sort("place")["weight"].to_numpy()
        return weights

    return answer


def _frame(rows: Candidates, places: Ints) -> pl.DataFrame:
    """Return candidates as a frame, in order of account, with the columns of the table ``adl_queue``."""
    import polars as pl

    assert rows.account is not None
    columns = {name: getattr(rows, name)[places] / QUANTA_PER_USD for name in ("value", "pnl", "equity")}
    return pl.DataFrame(
        {
            "account_id": rows.account[places],
            "side": ["long" if rows.side > 0 else "short"] * len(places),
            "lots": rows.lots[places],
            "notional_usd": columns["value"],
            "pnl_usd": columns["pnl"],
            "equity_usd": columns["equity"],
            "leverage": columns["value"] / columns["equity"],
        }
    )


def lots_of(name: str, answer: Any, accounts: Ints, lots: Ints, wanted: int) -> Ints:
    """Return the lots of a policy's answer, checked.

    Numbers with a point are weights: lots in proportion to them, none beyond its position, weight zero last. Whole
    numbers are lots, and add up to what is wanted, or to all there are. Both come in the order of the candidates, or
    as a mapping from account ids, those left out being zero.

    Examples
    --------
    >>> people, held = np.array([7, 9]), np.array([4, 10])
    >>> [lots_of("mine.py:f", answer, people, held, 8).tolist() for answer in ([3.0, 1.0], {9: 8})]
    [[4, 4], [0, 8]]
    >>> lots_of("my.py:f", [5, 3], people, held, 8)
    Traceback (most recent call last):
    backtest.errors.ConfigError: adl_allocation my.py:f: row 0 (account 7) pays 5 lots of the 4 it holds; return 0 to 4
    """
    start = f"adl_allocation {name}: "
    if isinstance(answer, Mapping):
        answer = _by_account(start, answer, accounts)
    try:
        found = np.asarray(answer)
    except Exception as error:
        raise ConfigError(f"{start}returned {type(answer).__name__}, which is no row of numbers: {error}") from None
    if found.shape != lots.shape:
        raise ConfigError(f"{start}returned shape {found.shape} for {len(lots)} candidates; return one number for each")
    if found.dtype.kind == "f":
        return weighted(_whole(start, found.astype(np.float64), accounts), lots, wanted)
    if found.dtype.kind not in "iu":
        wrong = next((i for i, value in enumerate(found.tolist()) if not isinstance(value, int | float)), 0)
        shown = printable(repr(found.tolist()[wrong]))[:60]
        raise ConfigError(f"{start}row {wrong} (account {accounts[wrong]}) is {shown}; return weights or whole lots")
    _check_lots(start, found, accounts, lots, wanted)
    return found.astype(np.int64)


def _by_account(start: str, answer: Mapping[Any, Any], accounts: Ints) -> list[Any]:
    known = set(accounts.tolist())
    for account, value in answer.items():
        if account not in known and value:
            raise ConfigError(
                f"{start}account {printable(repr(account))[:60]} is no candidate that may pay now: it is on the wrong "
                "side, in breach, at a loss while winners pay, or unknown; take account ids from the frame"
            )
    zero = type(next(iter(answer.values()), 0))(0)
    return [answer.get(account, zero) for account in accounts.tolist()]


def _whole(start: str, weights: Floats, accounts: Ints) -> Ints:
    """Return weights as whole numbers in proportion: what lies below the 53rd bit of the largest is cut off."""
    wrong = np.flatnonzero(~(np.isfinite(weights) & (weights >= 0)))
    if wrong.size:
        i = int(wrong[0])
        raise ConfigError(
            f"{start}row {i} (account {accounts[i]}) has the weight {weights[i]:g}; return finite weights of 0 or more"
        )
    exponent = int(np.frexp(weights.max(initial=0.0))[1])
    return np.floor(np.ldexp(weights, BITS - exponent)).astype(np.int64)


def _check_lots(start: str, found: Ints, accounts: Ints, lots: Ints, wanted: int) -> None:
    wrong = np.flatnonzero((found < 0) | (found > lots))
    if wrong.size:
        i = int(wrong[0])
        raise ConfigError(
            f"{start}row {i} (account {accounts[i]}) pays {found[i]} lots of the {lots[i]} it holds; "
            f"return 0 to {lots[i]}"
        )
    total, due = exact_sum(found.astype(np.int64)), min(wanted, exact_sum(lots))
    if total != due:
        word = "more" if total > due else "less"
        raise ConfigError(
            f"{start}pays {total} lots, {word} than the {due} asked; return lots that add up to {due}, or weights"
        )
