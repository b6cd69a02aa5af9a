"""What a venue has cost a fetch so far, against the most it may cost: requests, bytes, seconds, waits, memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from backtest.fetch.settings import Budget

STATM, PAGE_BYTES = Path("/proc/self/statm"), 4096


class OverBudgetError(Exception):
    """A limit of the settings' ``[budget]`` is reached; the text says which, as ``VenueFault`` gives it on."""


@dataclass(slots=True)
class Scope:
    """Limits of one thing: the whole of a venue, or its list of markets. ``prefix`` is that of their names."""

    title: str
    prefix: str
    seconds: float
    requests: int
    total_bytes: int
    bytes_name: str
    until_s: float
    requested: int = 0
    received: int = 0

    def passed(self, now_s: float) -> str:
        """Return which limit is passed, empty if none."""
        limits = (
            (now_s > self.until_s, f"takes longer than {self.seconds:g} s", "deadline_s"),
            (self.requested > self.requests, f"needs more than {self.requests:,} requests", "requests"),
            (self.received > self.total_bytes, f"gives more than {self.total_bytes:,} bytes", self.bytes_name),
        )
        for passed, deed, name in limits:
            if passed:
                key = name if name == self.bytes_name else f"{self.prefix}{name}"
                return f"{deed}{self.title} (budget.{key})"
        return ""


@dataclass(slots=True)
class Spending:
    """The account of one venue; ``clock`` gives seconds since the epoch.

    Once a limit is passed (``spent``) no request leaves any more: the client library makes some of them side by side,
    and those that nobody waits for would go on.
    """

    budget: Budget
    clock: Callable[[], float]
    waited_s: float = 0.0
    spent: str = ""
    scopes: list[Scope] = field(default_factory=list)

    def __post_init__(self) -> None:
        limits = self.budget
        self._open("", "", limits.deadline_s, limits.requests, limits.total_bytes, "total_bytes")

    def _open(self, title: str, prefix: str, seconds: float, requests: int, most: int, bytes_name: str) -> None:
        self.scopes.append(Scope(title, prefix, seconds, requests, most, bytes_name, self.clock() + seconds))

    @contextmanager
    def listing(self) -> Iterator[None]:
        """Hold what follows to the limits of a list of markets too."""
        limits = self.budget
        self._open(
            " for its list of markets", "list_", limits.list_deadline_s, limits.list_requests, limits.list_bytes,
            "list_bytes",
        )  # fmt: skip
        try:
            yield
        finally:
            self.scopes.pop()

    def request(self) -> None:
        """Count a request that is about to leave.

        Raises
        ------
        OverBudgetError
            It would be one too many, or time is up.
        """
        for scope in self.scopes:
            scope.requested += 1
        self._check()

    def receive(self, count: int, answer: int) -> None:
        """Count bytes of an answer that has ``answer`` bytes by now, unpacked.

        Raises
        ------
        OverBudgetError
            They are too many, of this answer or in all, or time is up.
        """
        if answer > self.budget.answer_bytes:
            raise OverBudgetError(
                f"gives an answer of more than {self.budget.answer_bytes:,} bytes (budget.answer_bytes)"
            )
        for scope in self.scopes:
            scope.received += count
        self._check()

    def _check(self) -> None:
        now_s = self.clock()
        self.spent = self.spent or next(filter(None, (scope.passed(now_s) for scope in self.scopes)), "")
        if self.spent:
            raise OverBudgetError(self.spent)

    def remember(self) -> None:
        """Look at the memory of the process.

        Raises
        ------
        OverBudgetError
            It holds more than it may.
        """
        if resident_bytes() > self.budget.memory_bytes:
            raise OverBudgetError(f"fills more than {self.budget.memory_bytes:,} bytes of memory (budget.memory_bytes)")

    def may_wait(self, seconds: float) -> bool:
        """Count a wait and return whether it is still within the limit."""
        self.waited_s += seconds
        return self.waited_s <= self.budget.waits_s


def resident_bytes() -> int:
    """Return the memory that this process holds, 0 where the system does not tell."""
    with suppress(OSError, ValueError, IndexError):
        return int(STATM.read_text("ascii").split()[1]) * PAGE_BYTES
    return 0
