"""The identity of a run: one digest of scenario, data, book, rules, code and libraries."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib import metadata
from pathlib import Path

from backtest.assets import asset
from backtest.book.book import PositionBook
from backtest.market.path import MarketPath
from backtest.mechanics.adl.allocation import Allocation
from backtest.run.resolve import Resolved
from backtest.venue.margin_table import MarginTable

WORDS = {"summary.py", "draw_lines.py", "pinned.py", "published.py", "__main__.py"}  # about results
IDENTITY = ("numpy", "polars", "pyarrow")


@cache
def version(library: str) -> str:
    """Return the installed version of a library; a process keeps the one it started with."""
    return metadata.version(library)


@cache
def code_digest(*more: str) -> str:
    """Return the digest of the sources that decide results, as they were when this process first asked.

    ``more`` are packages above the run that decide them too.
    """
    package = Path(__file__).parents[1]
    above = {"studies", "report", "api", "cli", "_assets"} - set(more)
    digest = hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        relative = path.relative_to(package)
        if relative.parts[0] not in above and relative.name not in WORDS:
            digest.update(relative.as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def run_id(
    resolved: Resolved,
    market: MarketPath,
    book: PositionBook,
    tables: tuple[MarginTable, ...],
    policy: Allocation | None = None,
) -> str:
    """Return the id of a run: a digest of all that decides its tables, and of nothing else.

    ``policy`` is the user's own, whose source has its digest.
    """
    scenario = resolved.scenario
    imported = book.digest if book.label == "imported" else ""
    profile = hashlib.sha256(asset("data", "venues", f"{resolved.venue.id}.toml").read_bytes()).hexdigest()
    canonical = scenario.with_(positions_file=imported or None).canonical().decode()  # contents, not the place
    event = hashlib.sha256(repr(resolved.event).encode()).hexdigest()
    parts = [canonical, market.digest, imported, profile, event, repr(tables), code_digest()]
    parts += [] if policy is None else [policy.source]
    parts += [f"{name}={version(name)}" for name in IDENTITY]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]
