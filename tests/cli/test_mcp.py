"""``crashbook mcp`` as the client of the SDK meets it: a real process, its tools, its resources, its refusals."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

import pytest

SERVER = "from backtest.cli import main; main()"
SMALL = {"step_s": "60", "start": "2021-12-04T05:20:00", "end": "2021-12-04T05:35:00"}


async def session(home: Path) -> dict[str, Any]:
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

        replay = await ask("replay", event="2021-12-04", positions=200, fields=SMALL)
        run = replay["run"]
        return {
            "tools": {tool.name for tool in listed.tools},
            "cut": await ask("sql", statement="select 7 as n from positions", run=run, rows=3),
            "option": await ask("query", name="--help"),
            "crowd": await ask("replay", positions=2_000_000),
            "replay": replay,
            "summary": (await client.read_resource(f"run://{run}/summary")).contents[0].text,
        }  # fmt: skip


@pytest.mark.slow
def test_a_client_reads_asks_and_is_refused_in_one_line(workspace: Path) -> None:
    pytest.importorskip("mcp", reason="the extra mcp is not installed")
    found = asyncio.run(session(workspace))
    assert found["tools"] == {"events", "venues", "params", "runs", "schema", "queries", "query", "sql", "replay"}
    assert found["cut"] == {"rows": [{"n": 7}] * 3, "total_rows": 200}
    assert "venue: binanceusdm" in found["summary"]
    assert found["replay"]["run"] == found["replay"]["rows"][0]["run_id"]
    assert found["replay"]["rows"][0]["positions"] == 200
    for name in ("option", "crowd"):
        assert isinstance(found[name], str), name
        assert len(found[name].splitlines()) == 1, found[name]
    assert "20,000" in found["crowd"]
    assert "unknown query '--help'" in found["option"]
