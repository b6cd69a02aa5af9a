"""``crashbook compare``: alternatives on the same draws, or two runs that are stored."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from backtest.cli.command import command
from backtest.cli.messages import print_line
from backtest.cli.output import Output, emit, note, output_options, page
from backtest.cli.progress import stages
from backtest.cli.table import Table, as_json, table_of
from backtest.cli.text import bullets, heading, section
from backtest.errors import UsageError
from backtest.formatting import percent

if TYPE_CHECKING:
    from backtest.report.compare import Page
    from backtest.studies.alternatives import Alternative
    from backtest.studies.compared import Compared
    from backtest.studies.paired import Paired


OUTSIDE = (
    "gains are those at the venue: the leg that an account holds outside, and what it costs to close it, is not in"
)


@command(
    "crashbook compare 2025-10-10 --policy queue,pro_rata,bitmex",
    "crashbook compare 2025-10-10 --venue hyperliquid,bybit,okx --draws 32",
    "crashbook compare 2021-12-04 --alternative fund_start_usd=50e6 --format json",
    "crashbook compare 708a latest",
)
@click.argument("names", metavar="EVENT | RUN RUN", nargs=-1, required=True)
@click.option("--policy", "policy", metavar="A,B,...", help="ADL policies: allocations, or rankings of the queue.")
@click.option("--venue", "venue", metavar="A,B,...", help="Venues: their rules and pools on the book of the first.")
@click.option("--alternative", "sets", metavar="FIELD=VALUE[;...]", multiple=True,
              help="Fields of an alternative to the unchanged scenario; may be repeated.")  # fmt: skip
@click.option("--draws", type=int, default=16, show_default=True, metavar="N",
              help="Draws of what is not known, 2 to 10,000, the same under all; 0: the scenario.")  # fmt: skip
@click.option("--draw-positions", type=click.IntRange(2, 20_000_000), default=10_000, show_default=True, metavar="N",
              help="Size of the book of a draw.")  # fmt: skip
@click.option("--priors", type=click.Path(path_type=Path), metavar="FILE", help="Priors other than those of data.")
@click.option("--set", "changes", metavar="FIELD=VALUE", multiple=True,
              help="Any field of crashbook params, for all alternatives.")  # fmt: skip
@click.option("--report", is_flag=True, help="Write one HTML page with the figures to the reports folder too.")
@output_options
def compare(
    names: tuple[str, ...], policy: str | None, venue: str | None, sets: tuple[str, ...], draws: int,
    draw_positions: int, priors: Path | None, changes: tuple[str, ...], report: bool, output: Output,
) -> None:  # fmt: skip
    """Compare policies, venues or settings, or two runs.

    The first alternative is the base: differences are taken from it within each draw, which has the same book, values
    and prices under all of them. Two stored runs are compared draw by draw if they have the same draws.
    """
    from backtest.studies.compared import compared, compared_runs

    if len(names) == 2:
        from backtest.run.run import open_run

        if policy or venue or sets:
            raise click.UsageError("two stored runs take no alternatives: leave --policy, --venue, --alternative out")
        runs = open_run(names[0]), open_run(names[1])
        found = compared_runs(*runs)
        _show(found, None, output)
        if report:
            from backtest.report.compare import Page

            _write(Page.of_runs(found, *runs))
        return
    if len(names) != 1:
        raise click.UsageError("give one EVENT, or two runs of crashbook runs")
    from backtest.catalogue.priors import read_priors
    from backtest.cli.replay import overrides
    from backtest.studies.paired import PairedRequest
    from backtest.studies.paired import compare as run

    given = overrides(None, {}, changes)
    request = PairedRequest(
        event=names[0],
        given=given,
        alternatives=alternatives(policy, venue, sets, given),
        priors=read_priors(priors),
        draws=draws,
        book_size=draw_positions,
    )
    with stages(output.quiet) as stage:
        paired = run(request, stage(f"{max(draws, 1)} draws of {len(request.alternatives)} alternatives"))
    for text in paired.notes:
        note(text, output)
    found = compared(paired)
    _show(found, paired, output)
    if report:
        from backtest.report.compare import Page

        _write(Page.of_draws(found, paired))


def _write(made: Page) -> None:
    """Write a page and print its path."""
    from backtest.cli.report import relative
    from backtest.report.index import beside

    print_line(f"report  {relative(beside(made.write()))}")


def alternatives(
    policy: str | None, venue: str | None, sets: Sequence[str], given: dict[str, Any]
) -> tuple[Alternative, ...]:
    """Return the alternatives that one of three options names."""
    from backtest.studies.alternatives import policies, settings, venues

    if sum(map(bool, (policy, venue, sets))) != 1:
        raise UsageError("give one of --policy A,B, --venue A,B and --alternative FIELD=VALUE")
    if policy:
        return policies(_listed(policy))
    return venues(_listed(venue), given) if venue else settings(sets)


def _listed(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _show(found: Compared, paired: Paired | None, output: Output) -> None:
    from backtest.studies.compared import COLUMNS

    if output.format == "json":
        answer: dict[str, Any] = {
            "base": found.alternatives[0],
            "alternatives": list(found.alternatives),
            "draws": found.draws,
            "rows": [row.plain() for row in found.rows],
        }
        if paired is not None:
            answer |= {"event": paired.resolved[0].event.id, "positions": paired.positions, "seeds": paired.seeds}
        page(as_json(answer).decode() + "\n", output)
    elif output.for_reader:
        page(_text(found, paired, notes=not output.quiet), output)
    else:
        emit(table_of([row.plain() for row in found.rows], COLUMNS), output)


def _text(found: Compared, paired: Paired | None, *, notes: bool) -> str:
    """Return a comparison for a reader, ``notes`` with what its figures mean."""
    from backtest.studies.metrics import METRICS

    head = []
    if paired is not None:
        first = paired.resolved[0]
        book = f"books of {paired.positions:,} positions"
        how = f"{found.draws}, of {paired.drawn} priors and the seed, {book}" if paired.drawn else f"none: {book}"
        head += [("event", f"{first.event.id} at {first.venue.id}"), ("draws", how)]
    elif found.draws:
        head.append(("draws", f"{found.draws}, the same beside both runs"))
    else:
        head.append(("draws", "none that are the same beside both runs: figures of the runs themselves"))
    head.append(("base", found.alternatives[0]))
    parts = [heading(head), section("median over draws" if found.draws > 1 else "figures", _figures(found))]
    if found.draws > 1:
        parts.append(section(f"less {found.alternatives[0]}, within each draw: median (5 to 95 %)", _changes(found)))
    gains = _gains(found)
    if gains.rows:
        parts.append(section(f"who gains and who loses at the venue against {found.alternatives[0]}, median", gains))
    if notes:
        shown = {row.metric for row in found.rows}
        parts.append(bullets("figures", (f"{each.name}: {each.text}" for each in METRICS if each.name in shown)))
        parts.append(bullets("notes", [OUTSIDE] if gains.rows else []))
    return "".join(parts)


def _figures(found: Compared) -> Table:
    from backtest.studies.compared import written

    rows = []
    for metric in dict.fromkeys(row.metric for row in found.rows if not row.kind):
        mine = found.of(metric)
        if any(row.median is not None for row in mine):
            rows.append({"figure": metric} | {row.alternative: written(row, row.median) for row in mine})
    return table_of(rows, ("figure", *found.alternatives))


def _changes(found: Compared) -> Table:
    from backtest.studies.compared import SHOWN, written

    rows = []
    for metric in SHOWN:
        for row in found.of(metric)[1:]:
            if row.same:
                continue
            ends = f"{written(row, row.difference_low)} to {written(row, row.difference_high)}"
            rows.append(
                {
                    "figure": metric,
                    "alternative": row.alternative,
                    "difference": f"{written(row, row.difference)} ({ends})",
                    "lower in": percent(row.lower_frac),
                    "higher in": percent(row.higher_frac),
                }
            )
    return table_of(rows, ("figure", "alternative", "difference", "lower in", "higher in"))


def _gains(found: Compared) -> Table:
    from backtest.studies.compared import SHOWN_GAINS, written

    rows = []
    others = found.alternatives[1:]
    for kind in SHOWN_GAINS:
        mine = found.of("gain_usd", kind)
        for group in dict.fromkeys(row.group for row in mine):
            by_name = {row.alternative: row for row in mine if row.group == group}
            if all(by_name[name].same for name in others):
                continue
            rows.append(
                {"class": kind, "accounts": group}
                | {name: written(by_name[name], by_name[name].difference) for name in others}
            )
    return table_of(rows, ("class", "accounts", *others))
