"""``crashbook verify``: how close the draws of an event come to its published facts."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from backtest.cli.command import command
from backtest.cli.output import Output, emit, note, output_options, page
from backtest.cli.progress import stages
from backtest.cli.table import Table, as_json, table_of
from backtest.cli.text import bullets, heading, section
from backtest.errors import CrashbookError, DataError, ScoreError
from backtest.formatting import duration, minus, percent, significant, usd
from backtest.studies.study import DRAWS

if TYPE_CHECKING:
    from backtest.run.run import StoredRun
    from backtest.studies.scoreboard import Verified
    from backtest.studies.scores import FactScore, Scores

FACTS = ("fact", "replay", "5-95 %", "published", "ratio", "inside", "use", "grade", "source")
NUMBERS = ("fact", "coin", "metric", "unit", "value", "low", "high", "published_low", "published_high", "ratio",
           "band_width", "inside", "bars_off", "kind", "core", "use", "grade", "source", "draws")  # fmt: skip
BOARD = ("event", "facts", "core factor", "core inside", "core width", "all factor", "held out", "lower bounds", "why")
KINDS = {
    "two_sided_core": "core: liquidated, ADL",
    "two_sided": "all two-sided",
    "fitted": "  seen before",
    "held_out": "  held out",
}
_UNITS = {"usd": usd, "frac": percent}


@dataclass(frozen=True, slots=True)
class Options:
    """What all events of a command share: overrides, draws and the size of their books, priors."""

    given: Mapping[str, Any]
    draws: int
    book_size: int
    priors: Path | None
    fresh: bool
    quiet: bool


@command(
    "crashbook verify 2025-10-10 --draws 64",
    "crashbook verify 2025-10-10 --set vault_capital_usd=15e6 --format json",
    "crashbook verify --all --strict",
)
@click.argument("event", required=False)
@click.option("--all", "every", is_flag=True, help="Every event of the catalogue, a row each.")
@click.option("--draws", type=click.IntRange(2, 10_000), default=DRAWS, show_default=True, metavar="N",
              help="Draws of what is not known.")  # fmt: skip
@click.option("--draw-positions", type=click.IntRange(2, 20_000_000), default=40_000, show_default=True, metavar="N",
              help="Size of the book of a draw.")  # fmt: skip
@click.option("--priors", type=click.Path(path_type=Path), metavar="FILE", help="Priors other than those of data.")
@click.option("--set", "changes", metavar="FIELD=VALUE", multiple=True, help="Any field of crashbook params.")
@click.option("--strict", is_flag=True, help="End with exit code 4 where scores fall short of those wanted.")
@click.option("--fresh", is_flag=True, help="Draw again what is stored.")
@output_options
def verify(
    event: str | None, every: bool, draws: int, draw_positions: int, priors: Path | None, changes: tuple[str, ...],
    strict: bool, fresh: bool, output: Output,
) -> None:  # fmt: skip
    """Compare the draws of a crash with published facts.

    EVENT is an id, a date or an alias. A fact is inside when it lies in the 5-95 % band of the draws. A lower bound is
    met when the 95 % point reaches it and the 5 % point is at most 6.3 times it.
    """
    from backtest.catalogue.events import get_event, load_events
    from backtest.cli.replay import overrides
    from backtest.studies.scoreboard import Verified, plain, verified

    if every == bool(event):
        raise click.UsageError("give one EVENT of crashbook events, or --all")
    given = overrides(None, {}, changes)
    options = Options(given, draws, draw_positions, priors, fresh, output.quiet)
    if event:
        done = [verified(drawn(get_event(event).id, options))]
    else:
        done = []
        for each in load_events():
            try:
                done.append(verified(drawn(each.id, options)))
            except CrashbookError as error:
                done.append(Verified(each.id, reason=str(error).splitlines()[0].removeprefix(f"{each.id}: ")))
    if output.format == "json":
        answer: Any = [plain(one) for one in done] if every else plain(done[0])
        page(as_json(answer).decode() + "\n", output)
    elif every:
        emit(_board(done), output) if not output.for_reader else page(_board_text(done), output)
    elif output.for_reader:
        page(_text(done[0]), output)
    else:
        emit(_numbers(done[0]), output)
    misses = {one.event: one.scores.misses() for one in done if one.scores}
    short = {name: sentences for name, sentences in misses.items() if sentences}
    for name, sentences in short.items():
        note(f"{name}: {'; '.join(sentences)}", output)
    if strict and short:
        raise ScoreError(f"{', '.join(short)}: scores below those wanted: {'; '.join(next(iter(short.values())))}")


def drawn(name: str, options: Options) -> StoredRun:
    """Run an event with its draws, or take both from disk, and return the run."""
    from backtest.catalogue.events import get_event
    from backtest.cli.replay import Extras, draw_request, run_all
    from backtest.run.resolve import resolve

    if not get_event(name).compare:
        raise DataError(f"{name}: no published fact is compared with a run; crashbook events {name} lists all facts")
    resolved = resolve(name, options.given)
    wanted = draw_request(
        resolved, options.given, options.draws, options.book_size, options.priors, report=False, fresh=options.fresh
    )
    with stages(options.quiet) as stage:
        return run_all(resolved, options.given, Extras({}, wanted, False, None, options.fresh), stage).run


# -- one event --------------------------------------------------------------------------------------------------


def _numbers(one: Verified) -> Table:
    from backtest.studies.scores import row_of

    return table_of([row_of(row) for row in one.rows], NUMBERS)


def _text(one: Verified) -> str:
    """Return the facts and scores of an event for a reader."""
    assert one.scores is not None
    sources = list(dict.fromkeys(row.fact.source for row in one.rows))
    shown = [{**_row(row), "source": f"[{sources.index(row.fact.source) + 1}]"} for row in one.rows]
    wanted = [("strict", "; ".join(one.scores.misses()) or "all wanted scores are reached")]
    return "".join(
        (
            heading([("event", f"{one.event} at {one.venue}"), ("draws", f"{one.draws} beside run {one.run_id}")]),
            section("facts", table_of(shown, FACTS)),
            section("scores", _scores(one.scores)),
            "\n",
            heading([("lower bounds", _bounds(one.scores)), *wanted, *_not_modelled(one)]),
            bullets("sources", (f"[{number}] {url}" for number, url in enumerate(sources, 1))),
        )
    )


def _not_modelled(one: Verified) -> list[tuple[str, str]]:
    return [("not modelled", sentence) for sentence in one.not_modelled]


def _row(row: FactScore) -> dict[str, Any]:
    published = " to ".join(dict.fromkeys(_figure(row, end) for end in (row.published_low, row.published_high)))
    verdict = "yes" if row.inside else "no"
    bars = "" if row.bars_off is None else f"{minus(f'{row.bars_off:+.1f}')} bars"
    return {
        "fact": row.fact.id,
        "replay": _figure(row, row.value),
        "5-95 %": f"{_figure(row, row.low)} to {_figure(row, row.high)}",
        "published": f"> {published}" if row.kind == "lower" else published,
        "ratio": bars or ("" if row.ratio is None else f"x{row.ratio:.2f}"),
        "inside": f"({verdict})" if row.kind == "shown" else verdict,
        "use": row.entry.use.replace("_", " "),
        "grade": row.fact.grade,
    }


def _figure(row: FactScore, value: float | None) -> str:
    if value is None:
        return "none"
    if row.fact.at is not None:
        return f"{row.entry.start + dt.timedelta(seconds=round(value)):%H:%M:%S}"
    if row.fact.unit == "s":
        return duration(value)
    return _UNITS.get(row.fact.unit, significant)(value)


def _scores(scores: Scores) -> Table:
    rows = []
    for name, label in KINDS.items():
        one = getattr(scores, name)
        rows.append(
            {
                "kind": label,
                "facts": one.facts,
                "median factor": _times(one.median_factor),
                "inside": "" if one.inside_frac is None else percent(one.inside_frac),
                "band width": _times(one.median_band_width),
            }
        )
    return table_of(rows, ("kind", "facts", "median factor", "inside", "band width"))


def _times(factor: float | None) -> str:
    return "" if factor is None else f"x{factor:.2f}"


def _bounds(scores: Scores) -> str:
    bounds = scores.lower_bounds
    return f"{bounds.met} of {bounds.facts} met" if bounds.facts else "none"


# -- all events -------------------------------------------------------------------------------------------------


def _board(done: Sequence[Verified]) -> Table:
    """Return a row for each event, in numbers."""
    return table_of([_board_row(one) for one in done], BOARD)


def _board_row(one: Verified) -> dict[str, Any]:
    row: dict[str, Any] = dict.fromkeys(BOARD)
    row |= {"event": one.event, "facts": len(one.rows), "why": one.reason or None}
    if one.scores:
        core, bounds = one.scores.two_sided_core, one.scores.lower_bounds
        row |= {
            "core factor": core.median_factor,
            "core inside": core.inside_frac,
            "core width": core.median_band_width,
            "all factor": one.scores.two_sided.median_factor,
            "held out": one.scores.held_out.median_factor,
            "lower bounds": f"{bounds.met} of {bounds.facts}" if bounds.facts else None,
        }
    return row


def _board_text(done: Sequence[Verified]) -> str:
    rows = [
        {name: f"{value:.2f}" if isinstance(value, float) else value for name, value in _board_row(one).items()}
        for one in done
    ]
    met = sum(one.scores.lower_bounds.met for one in done if one.scores)
    bounds = sum(one.scores.lower_bounds.facts for one in done if one.scores)
    return section("published facts and draws, by event", table_of(rows, BOARD)).lstrip("\n") + (
        f"lower bounds: {met} of {bounds} met\n"
    )
