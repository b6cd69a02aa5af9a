"""Help: fast, complete, with examples that run."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from backtest import __version__
from backtest.cli.command import Command
from backtest.cli.program import crashbook
from tests.support.command import call

HEAVY = ("numpy", "polars", "duckdb", "pandas", "pyarrow", "matplotlib", "ccxt", "rich", "orjson", "jinja2", "asyncio")
NAMES = sorted(crashbook.modules)
OWN_TESTS = {"replay", "fetch", "report"}


def command(name: str) -> Command:
    """Return a command by name."""
    found = crashbook.get_command(None, name)
    assert found is not None
    return found


EXAMPLES = [(name, example) for name in NAMES for example in command(name).examples]


def test_the_commands_of_this_version() -> None:
    said = (
        "init events venues position params schema fetch data data compare-sample book book roll replay watch verify "
        "calibrate compare fund sweep runs query sql audit diff report export mcp"
    )
    assert " ".join(crashbook.modules) == said


def test_commands_that_look_up_import_no_heavy_library() -> None:
    lines = ["--help", "replay --help", "--version", "", "runs -q", "schema", "events", "venues", "query"]
    code = f"""
import sys
from backtest.cli import main
for line in {lines}:  # the last forks
    sys.argv[1:] = line.split()
    try:
        main()
    except SystemExit as end:
        code = end.code
    print("----", line, code, [name for name in {HEAVY} if name in sys.modules], flush=True)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    *answers, _ = re.split(r"(?m)^---- (.*)\n", done.stdout)
    assert answers[1::2] == [f"{line} 0 []" for line in lines]
    assert all(answers[::2]), "each prints something"


def test_the_module_is_the_command() -> None:
    done = subprocess.run([sys.executable, "-m", "backtest", "--version"], capture_output=True, text=True, check=False)
    assert done.stdout == f"crashbook, version {__version__}\n"


def test_nothing_asked_shows_the_help() -> None:
    assert call().stdout == call("--help").stdout
    assert call().exit_code == 0


def test_the_help_lists_every_command_on_one_line_and_the_exit_codes() -> None:
    text = call("--help").stdout
    for name in NAMES:
        lines = [line for line in text.splitlines() if line.startswith(f"  {name}  ")]
        assert len(lines) == 1, name
        assert lines[0].endswith("."), "a summary that fits is not cut short"
        assert "..." not in lines[0]
    assert all(f"\n  {code} " in text for code in (0, 1, 2, 3, 4, 130))


@pytest.mark.parametrize("name", NAMES)
def test_every_command_has_a_summary_and_an_example(name: str) -> None:
    result = call(*name.split(), "--help")
    assert result.exit_code == 0
    assert command(name).examples
    assert "Examples:\n" in result.stdout
    for example in command(name).examples:
        assert f"  {example}\n" in result.stdout
        assert shlex.split(example)[: 1 + len(name.split())] == ["crashbook", *name.split()]


@pytest.mark.parametrize(
    ("name", "example"),
    [
        pair
        for pair in EXAMPLES
        if pair[0]
        not in {
            "replay",
            "fetch",
            "report",
            "verify",
            "calibrate",
            "compare",
            "fund",
            "sweep",
            "watch",
            "book roll",
            "mcp",
            "export",
            "init",
        }
        and not re.match("crashbook runs (rm|prune)", pair[1])
        and "compare-sample" not in pair[1]  # asks the venue
    ],
)
def test_examples_that_only_read_run(name: str, example: str, shared: Path, desk: Path) -> None:
    ids = sorted(path.name for path in (shared / "runs").iterdir())
    words = shlex.split(example.replace("708a", ids[0]).replace("latest", ids[1]))[1:]
    stdin = None
    if "<" in words:
        words, stdin = words[: words.index("<")], "select count(*) as waves from adl_events"
    small = ("--positions", "100", "--coins", "BTC") if name == "book" else ()
    result = call(*words, *small, stdin=stdin)
    assert result.exit_code == 0, result.stderr
    assert result.stdout or (desk / "waves.csv").is_file()


@pytest.mark.parametrize(
    ("name", "example"), [pair for pair in EXAMPLES if pair[0] == "fetch" and "s3:" not in pair[1]]
)
def test_examples_of_fetch_can_be_planned(name: str, example: str) -> None:
    result = call(*shlex.split(example)[1:], *([] if "--dry-run" in example else ["--dry-run"]))
    assert result.exit_code == 0, result.stderr
    assert len(result.stdout.splitlines()) > 2


@pytest.mark.parametrize(
    ("name", "example"), [pair for pair in EXAMPLES if pair[0] == "replay" and "--book" not in pair[1]]
)
def test_examples_of_replay_can_be_explained(name: str, example: str) -> None:
    result = call(*shlex.split(example)[1:], "--positions", "100", "--explain")
    assert result.exit_code == 0, result.stderr
