"""``crashbook init``: a scenario file with every field, its meaning and its value for an event, to be edited."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import click

from backtest.cli.command import command
from backtest.cli.messages import print_line
from backtest.cli.output import whole_file
from backtest.cli.report import relative
from backtest.errors import UsageError
from backtest.formatting import readable

if TYPE_CHECKING:
    from backtest.run.resolve import Resolved
    from backtest.scenario.param import Param

WIDTH = 100
HEAD = """\
# A scenario of crashbook: replay it with
#
#   crashbook replay -c {file}
#
# Every field stands below with its value for this event and venue. Take the # away from a line and change it;
# what stays a comment follows the event, the venue and the program. Flags and --set overrule the file.
"""
MINE = """
# My own positions, followed in the crowd; one table each.
# [[watch]]
# name = "hedge"
# coin = "{coin}"
# side = "short"
# size_base = 10.0
# entry_px = 100.0
# leverage = 5.0
# hedged = true
"""


@command("crashbook init", "crashbook init 2020-03-12 --venue bitmex --output covid.toml")
@click.argument("event", default="2025-10-10")
@click.option("--venue", help="Venue whose rules fill in the values; by default the event's first.")
@click.option("--output", "path", type=click.Path(path_type=Path), default=Path("scenario.toml"), show_default=True,
              help="File to write; one that is there stays.")  # fmt: skip
def init(event: str, venue: str | None, path: Path) -> None:
    """Write a commented scenario file for an EVENT."""
    from backtest.assets import kind_of
    from backtest.catalogue.events import window_of_date
    from backtest.run.resolve import resolve

    if kind_of(path):
        raise UsageError(f"{path} is there already; name another file with --output")
    chosen = {"venue": venue} if venue else {}
    text = scenario_text(resolve(event, {**window_of_date(event), **chosen}), path.name, bool(venue))
    with whole_file(path) as file:
        file.write(text.encode())
    print_line(f"{relative(path)}: edit it, then crashbook replay -c {relative(path)}")


def scenario_text(resolved: Resolved, name: str, with_venue: bool) -> str:
    """Return a scenario file with every field as a comment but the event, and the venue if it was chosen."""
    from backtest.scenario.fields import PARAMS
    from backtest.scenario.writing import toml_value

    values, parts = resolved.scenario.plain(), [HEAD.format(file=name)]
    for param in PARAMS:
        if param.name == "watch":
            continue
        value = values[param.name]
        active = param.name == "event" or (param.name == "venue" and with_venue)
        active |= param.name in {"start", "end"} and resolved.sources[param.name] == "given"
        unknown = value is None or (param.name == "fund_start_usd" and resolved.fund_coins is not None)
        line = f"{param.name} = ..." if unknown else f"{param.name} = {toml_value(value)}"
        parts.append(f"\n{_meaning(param)}{'' if active else '# '}{line}\n")
    return "".join(parts) + MINE.format(coin=resolved.scenario.coins[0])


def _meaning(param: Param) -> str:
    """Return the meaning of a field, its unit and what is allowed as comment lines."""
    allowed = ", ".join(param.choices)
    if param.low is not None:
        allowed = f"{readable(param.low)} to {readable(param.high)}"
    more = "; ".join(filter(None, (param.unit, allowed)))
    text = param.doc + (f" ({more})" if more else "")
    return textwrap.fill(text, WIDTH, initial_indent="## ", subsequent_indent="## ") + "\n"
