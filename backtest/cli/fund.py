"""``crashbook fund``: the size, floor, trigger and stop without ADL, what none prevents, the fall that exhausts it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from backtest.cli.command import command
from backtest.cli.messages import print_line
from backtest.cli.output import Output, emit, note, output_options, page
from backtest.cli.progress import stages
from backtest.cli.table import Table, as_json, table_of
from backtest.cli.text import heading, literal, section
from backtest.formatting import fixed, percent, usd

if TYPE_CHECKING:
    from backtest.studies.fund_rules import RuleAnswer
    from backtest.studies.fund_size import FundSize


@command(
    "crashbook fund 2025-10-10",
    "crashbook fund 2025-10-10 --venue okx --no-adl 0.9 --draws 50",
    "crashbook fund 2025-10-10 --shock --format json",
)
@click.argument("event")
@click.option("--no-adl", type=float, default=0.99, show_default=True, metavar="SHARE",
              help="Share of the draws that shall have no ADL.")  # fmt: skip
@click.option("--venue", help="Venue whose rules run; by default the event's first.")
@click.option("--shock", is_flag=True, help="Find the factor on the fall that exhausts the given size, too.")
@click.option("--draws", type=int, default=16, show_default=True, metavar="N",
              help="Draws of what is not known, 2 to 10,000, the same at all sizes; 0: the scenario.")  # fmt: skip
@click.option("--draw-positions", type=click.IntRange(2, 20_000_000), default=10_000, show_default=True, metavar="N",
              help="Size of the book of a draw.")  # fmt: skip
@click.option("--priors", type=click.Path(path_type=Path), metavar="FILE", help="Priors other than those of data.")
@click.option("--set", "changes", metavar="FIELD=VALUE", multiple=True, help="Any field of crashbook params.")
@click.option("--report", is_flag=True, help="Write one HTML page with the figures to the reports folder too.")
@output_options
def fund(
    event: str, no_adl: float, venue: str | None, shock: bool, draws: int, draw_positions: int, priors: Path | None,
    changes: tuple[str, ...], report: bool, output: Output,
) -> None:  # fmt: skip
    """Find the smallest fund or vault without ADL.

    Every draw runs at sizes from a tenth of the given one to beyond the open interest; its own smallest size is sought
    between the last one with ADL and the next. The answer is the size that is enough in the wanted share of the draws.
    At the given size the floor of the fund, its drawdown trigger and its stop are varied alone: the answer is the
    value closest to what protects the fund that has no ADL in that share. What no value prevents is named with its
    cause, what does with the --set that replays it. --format csv has the curve of ADL against size.
    """
    from backtest.catalogue.priors import read_priors
    from backtest.cli.replay import overrides
    from backtest.studies.fund_rows import CURVE, curve, plain
    from backtest.studies.fund_size import FundRequest, fund_size

    request = FundRequest(
        event=event,
        given=overrides(None, {"venue": venue} if venue else {}, changes),
        priors=read_priors(priors),
        no_adl=no_adl,
        draws=draws,
        book_size=draw_positions,
        shock=shock,
    )
    with stages(output.quiet) as stage:
        found = fund_size(request, stage(f"{max(draws, 1)} draws at all sizes"))
    for text in found.resolved.headline:
        note(text, output)
    if output.format == "json":
        page(as_json(plain(found)).decode() + "\n", output)
    elif output.for_reader:
        page(_text(found), output)
    else:
        emit(table_of(curve(found), CURVE), output)
    if report:
        from backtest.cli.report import relative
        from backtest.report.fund import write
        from backtest.report.index import beside

        print_line(f"report  {relative(beside(write(found)))}")


def _text(found: FundSize) -> str:
    """Return the answer for a reader."""
    event, pool, count = found.resolved.event.id, found.pool, len(found.draws)
    book = f"books of {found.positions:,} positions"
    how = f"{count}, of {found.drawn} priors and the seed, {book}" if found.drawn else f"none: {book}"
    head = [
        ("event", f"{event} at {found.resolved.venue.id}"),
        (pool.owner, f"{usd(pool.size_usd)} given"),
        ("draws", how),
        ("no ADL", _needed(found)),
    ]
    head += [("enough", _enough(found))] if found.needed_usd != found.sufficient_usd else []
    head += _setting(found) + _rules(found)
    head += [("each draw", _each(found)), ("rises", _rises(found))]
    if found.draws[0].shock is not None:
        head.append(("fall", _shock(found)))
    return "".join(
        (
            heading(head),
            section(f"ADL against the size of the {pool.owner}", _curve(found)),
            section("why ADL came, share of all draws' ADL", _causes(found)),
        )
    )


def _setting(found: FundSize) -> list[tuple[str, str]]:
    """Return what gives a replay the size that is enough: pools are stated for all coins of a venue, and divided."""
    import math
    import shlex

    from msgspec import to_builtins

    from backtest.studies.fund_rows import finite

    sizes = [finite(found.needed_usd), finite(found.sufficient_usd)]
    size = next((each for each in sizes if each is not None), None)
    if size is None:
        return []
    now, then = found.resolved.scenario, found.pool.scaled(found.resolved, math.ceil(size))
    sets = [{name: value for name, value in to_builtins(each).items() if value is not None} for each in then.vaults]
    values: dict[str, Any] = {"vaults": sets if then.vaults != now.vaults else None}
    for name in ("vault_capital_usd", "fund_start_usd", "fund_inventory_limit_usd"):
        value = getattr(then, name)
        if value != getattr(now, name) and not values["vaults"]:
            values[name] = math.ceil(value) if isinstance(value, float) else value
    given = [f"--set {shlex.quote(f'{name}={literal(value)}')}" for name, value in values.items() if value is not None]
    return [("set", " ".join(given))] if given else []


def _rules(found: FundSize) -> list[tuple[str, str]]:
    """Return the answers of floor, trigger and stop; one line where the same reason leaves all without one."""
    without = {each.rule.without for each in found.rules}
    if len(without) == 1 and all(without):
        return [("rules", f"floor, trigger, stop: {without.pop()}")]
    return [(each.rule.name, _rule(found, each)) for each in found.rules]


def _rule(found: FundSize, answer: RuleAnswer) -> str:
    from backtest.studies.fund_rows import rule_value, settings, why_not

    rule = answer.rule
    if answer.value is None:
        return f"none: {why_not(found, answer)}"
    given = rule.given if isinstance(rule.given, int | float) else None
    beside = "" if given is None else f" ({rule_value(answer, given)} given)"
    lower = rule.step < 0
    end = (
        ", the tightest there is"
        if answer.value == rule.value(rule.tightest)
        else " or lower"
        if lower
        else " or higher"
    )
    sets = " ".join(f"--set {each}" for each in settings(answer))
    return f"{rule_value(answer, answer.value)}{end}{beside}: {sets}"


def _wanted(found: FundSize) -> str:
    few = len(found.draws) * (1 - found.no_adl) < 1 < len(found.draws)
    more = f" (all {len(found.draws)}: fewer cannot tell {percent(found.no_adl)} from all)" if few else ""
    return f"{percent(found.no_adl)} of the draws{more}" if found.drawn else "the scenario"


def _needed(found: FundSize) -> str:
    from backtest.studies.fund_rows import count_of, finite

    size = finite(found.needed_usd)
    if size is not None:
        below = "at most " if size == found.sizes[0] else ""
        return f"from {below}{usd(size)} on, in {_wanted(found)}"
    left = f"{count_of(found, 'remains')} of {len(found.draws)}" if found.drawn else "the scenario"
    return f"at no size up to {usd(found.sizes[-1])}, in {_wanted(found)}: {left} still has some there"


def _enough(found: FundSize) -> str:
    from backtest.studies.fund_rows import finite

    size = finite(found.sufficient_usd)
    if size is None:
        return f"no size up to {usd(found.sizes[-1])} takes all that a larger one takes"
    return f"from {usd(size)} on, in {_wanted(found)}, what remains is ADL that no size prevents"


def _each(found: FundSize) -> str:
    from backtest.studies.fund_rows import finite, spread_of_sizes

    spread, none = spread_of_sizes(found), sum(finite(draw.smallest_usd) is None for draw in found.draws)
    if spread.median is None:
        return "none has a smallest size"
    without = f"; {none} have none" if none else ""
    return f"smallest size {usd(spread.median)}, 5 to 95 % {usd(spread.low)} to {usd(spread.high)}{without}"


def _rises(found: FundSize) -> str:
    from backtest.studies.fund_rows import count_of

    more, back, count = count_of(found, "rises"), count_of(found, "comes_back"), len(found.draws)
    return f"a larger {found.pool.owner} has more ADL than a smaller one in {more} of {count} draws; " + (
        f"in {back} it comes back after it was gone" if back else "in none it comes back after it was gone"
    )


def _shock(found: FundSize) -> str:
    from backtest.studies.fund_rows import finite, spread_of_shocks

    spread = spread_of_shocks(found)
    none = sum(draw.shock is not None and finite(draw.shock) is None for draw in found.draws)
    if spread.median is None:
        return f"no fall up to 4 times as deep exhausts the given {found.pool.owner}"
    band = f"{fixed(spread.median, 2)}, 5 to 95 % {fixed(spread.low, 2)} to {fixed(spread.high, 2)}"
    without = f"; in {none} of {len(found.draws)} draws none up to 4 does" if none else ""
    return f"times {band} exhausts the given {found.pool.owner}{without} (1 is the day, in logarithms)"


def _curve(found: FundSize) -> Table:
    from backtest.studies.fund_rows import curve

    rows = [
        {
            "size": usd(row["size_usd"]) + (" (given)" if row["given"] else ""),
            "ADL in": percent(row["p_adl"]),
            "preventable": percent(row["p_preventable"]),
            "ADL": usd(row["adl_usd"]),
            "5 to 95 %": f"{usd(row['adl_low_usd'])} to {usd(row['adl_high_usd'])}",
        }
        for row in curve(found)
    ]
    return table_of(rows, ("size", "ADL in", "preventable", "ADL", "5 to 95 %"))


def _causes(found: FundSize) -> Table:
    from backtest.studies.pool import CAUSES

    given, largest = found.causes(), found.causes(-1)
    rows = []
    for name, cause in CAUSES.items():
        if name in given or name in largest:
            rows.append(
                {
                    "cause": cause.text,
                    "at the given size": percent(given.get(name, 0.0) / (sum(given.values()) or 1.0)),
                    "at the largest": percent(largest.get(name, 0.0) / (sum(largest.values()) or 1.0)),
                    "a size prevents it": "yes" if cause.of_size else "no",
                }
            )
    return table_of(rows, ("cause", "at the given size", "at the largest", "a size prevents it"))
