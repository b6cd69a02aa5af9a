"""``crashbook mcp`` as the client of the SDK meets it: a real process, its tools, its resources, its refusals."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.hostile import run_of

SERVER = "from backtest.cli import main; main()"


async def session(home: Path, run: str) -> dict[str, Any]:
    """Return what the tools and resources answer, in one session."""
    from mcp.client import Client  # takes two seconds, which other workers shall not wait for
    from mcp.client.stdio import StdioServerParameters, stdio_client

    environment = {**os.environ, "CRASHBOOK_HOME": str(home)}
    parameters = StdioServerParameters(command=sys.executable, args=["-c", SERVER, "mcp"], env=environment)
    async with Client(stdio_client(parameters)) as client:
        listed = await client.list_tools()

        async def ask(name: str, /, **words: Any) -> Any:
            found = await client.call_tool(name, words)
            return found.content[0].text if found.is_error else found.structured_content

        return {
            "tools": {tool.name for tool in listed.tools},
            "count": await ask("sql", statement="select count(*) as n from positions", run=run),
            "cut": await ask("sql", statement="select * from positions", run=run, rows=3),
            "file": await ask("sql", statement="select * from read_csv('/etc/hostname')", run=run),
            "write": await ask("sql", statement="create table x (y int)", run=run),
            "option": await ask("query", name="--help"),
            "crowd": await ask("replay", positions=2_000_000),
            "replay": await ask("replay", event="2021-12-04", positions=200, fields={"step_s": "60"}),
            "summary": (await client.read_resource(f"run://{run}/summary")).contents[0].text,
        }  # fmt: skip


@pytest.mark.slow
def test_a_client_reads_asks_and_is_refused_in_one_line(workspace: Path) -> None:
    pytest.importorskip("mcp", reason="the extra mcp is not installed")
    run = run_of()
    found = asyncio.run(session(workspace, run.run_id))
    assert found["tools"] == {"events", "venues", "params", "runs", "schema", "queries", "query", "sql", "replay"}
    assert found["count"] == {"rows": [{"n": 200}], "total_rows": 1}
    assert (len(found["cut"]["rows"]), found["cut"]["total_rows"]) == (3, 200)
    assert "venue: binanceusdm" in found["summary"]
    assert found["replay"]["run"] == found["replay"]["rows"][0]["run_id"]
    assert found["replay"]["rows"][0]["positions"] == 200
    for name in ("file", "write", "option", "crowd"):
        assert isinstance(found[name], str), name
        assert len(found[name].splitlines()) == 1, found[name]
    assert "20,000" in found["crowd"]
