"""``crashbook mcp``: the read-only commands and one bounded replay as tools of the Model Context Protocol, on stdio.

A tool runs the command of the same name in a process of its own, with ``--format json``: what a model asks has the
limits, the messages and the refusals of the command line, and nothing it asks can stop the server.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from backtest.cli.command import command
from backtest.errors import UsageError

if TYPE_CHECKING:
    from mcp.server.mcpserver import MCPServer

MOST_ROWS = 1000
MOST_POSITIONS = 20_000
SQL_S = 30  # what a statement may take
REPLAY_S = 300
HELP = (
    "Replays of perpetual-futures crashes: liquidations, insurance fund, auto-deleveraging. Amounts are USD; columns "
    "say their units by suffix. Begin with events and queries; replay makes a run, query and sql ask it."
)


@command("crashbook mcp")
def mcp() -> None:
    """Serve queries and a bounded replay over MCP.

    On stdio. Needs the extra mcp: pip install 'crashbook[mcp]'. Everything but replay reads only. A replay has 20,000
    positions and five minutes at most, an answer 1,000 rows, a statement 30 seconds.
    """
    try:
        server = made()
    except ModuleNotFoundError:
        raise UsageError("the extra mcp is not installed; install it with pip install 'crashbook[mcp]'") from None
    server.run("stdio")


def made() -> MCPServer:
    """Return the server with its tools and resources."""
    from mcp.server.mcpserver import MCPServer

    from backtest import __version__

    server = MCPServer("crashbook", version=__version__, instructions=HELP, log_level="ERROR")
    for tool in (events, venues, params, runs, schema, queries, query, sql, replay):
        server.tool()(tool)
    server.resource("run://{run}/summary", mime_type="text/plain")(summary)
    server.resource("run://{run}/{name}", mime_type="application/json")(answer)
    return server


def events(event: str = "") -> dict[str, Any]:
    """List the crashes of the catalogue, or the published figures of one (id, date or alias)."""
    return _asked(["events", *_optional(event)])


def venues(venue: str = "") -> dict[str, Any]:
    """List the venues, or the rules of one with their sources."""
    return _asked(["venues", *_optional(venue)])


def params() -> dict[str, Any]:
    """List every field that a replay can set, with its default and allowed values."""
    return _asked(["params"])


def runs() -> dict[str, Any]:
    """List the runs of the workspace, the newest last."""
    return _asked(["runs"])


def schema(table: str = "") -> dict[str, Any]:
    """List the tables and views of a run, or the columns of one with their units."""
    return _asked(["schema", *_optional(table)])


def queries() -> dict[str, Any]:
    """List the named queries with the question of each and its parameters."""
    return _asked(["query"])


def query(name: str, run: str = "latest", params: dict[str, str] | None = None, rows: int = 100) -> dict[str, Any]:
    """Answer a named query of a run; params are its parameters by name."""
    given = [f"--param={key}={value}" for key, value in (params or {}).items()]
    return _asked(["query", f"--timeout={SQL_S}", *given, "--", name, run], rows)


def sql(statement: str, run: str = "latest", rows: int = 100) -> dict[str, Any]:
    """Run one reading SQL statement (DuckDB) over the tables and views of a run; files are out of reach."""
    return _asked(["sql", f"--timeout={SQL_S}", "--", statement, run], rows)


def replay(
    event: str = "2025-10-10",
    venue: str = "",
    positions: int = 5000,
    seed: int = 1,
    fields: dict[str, str] | None = None,
) -> dict[str, Any]:
    """Replay a crash with a drawn book and return the headline numbers of the run; fields as in params."""
    if not 2 <= positions <= MOST_POSITIONS:
        raise _refusal(f"positions {positions}: allowed are 2 to {MOST_POSITIONS:,}")
    given = {**(fields or {}), "positions": str(positions), "seed": str(seed)}
    settings = [f"--set={name}={value}" for name, value in given.items()]
    chosen = [f"--venue={venue}"] if venue else []
    found = _asked(["replay", "--draws=0", *chosen, *settings, "--", event], seconds=REPLAY_S)
    return {"run": found["rows"][0]["run_id"], **found}


def summary(run: str) -> str:
    """Return the headline numbers of a run."""
    (row,) = _asked(["query", "--", "run_summary", run])["rows"]
    return "\n".join(f"{name}: {value}" for name, value in row.items())


def answer(run: str, name: str) -> str:
    """Return the answer of a named query of a run."""
    return json.dumps(_asked(["query", f"--timeout={SQL_S}", "--", name, run], MOST_ROWS))


def _optional(word: str) -> list[str]:
    return ["--", word] if word else []


def _asked(words: Sequence[str], rows: int = MOST_ROWS, seconds: float = 2 * SQL_S) -> dict[str, Any]:
    """Return the first rows that a command answers with, and how many there are."""
    if not 1 <= rows <= MOST_ROWS:
        raise _refusal(f"rows {rows}: allowed are 1 to {MOST_ROWS:,}")
    name, *rest = words
    found = json.loads(_output([name, "--quiet", "--format=json", *rest], seconds))
    return {"rows": found[:rows], "total_rows": len(found)}


def _output(words: Sequence[str], seconds: float) -> str:
    """Return what a command prints; its one line of refusal is the tool's error."""
    line = [sys.executable, "-c", "from backtest.cli import main; main()", *words]
    try:
        done = subprocess.run(line, stdin=subprocess.DEVNULL, capture_output=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        raise _refusal(f"{words[0]}: stopped after {seconds:g} seconds; ask for less") from None
    if done.returncode:
        told = done.stderr.decode(errors="replace").strip().splitlines()
        raise _refusal(told[-1].removeprefix("crashbook: ") if told else f"{words[0]}: exit code {done.returncode}")
    return done.stdout.decode()


def _refusal(text: str) -> Exception:
    from mcp.server.mcpserver.exceptions import ToolError

    return ToolError(text)
