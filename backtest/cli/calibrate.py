"""``crashbook calibrate``: the draws that come closest to the published facts, as priors for later runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from backtest.cli.command import command
from backtest.cli.messages import print_line, print_text
from backtest.cli.table import Table, table_of
from backtest.cli.text import heading, section
from backtest.formatting import percent, significant
from backtest.studies.study import DRAWS

if TYPE_CHECKING:
    from backtest.cli.verify import Options
    from backtest.studies.calibrate import Calibration, EventDraws, LeftOut
    from backtest.studies.scores import TwoSided

LEFT_OUT = ("without", "accepted", "facts", "median factor", "inside", "band width", "lower bounds")


@command(
    "crashbook calibrate 2025-10-10 --draws 200",
    "crashbook calibrate 2025-10-10 2021-12-04 2024-08-05 --draws 200 --output mine.toml",
)
@click.argument("events", nargs=-1)
@click.option("--draws", type=click.IntRange(2, 10_000), default=DRAWS, show_default=True, metavar="N",
              help="Draws from the priors at each event.")  # fmt: skip
@click.option("--draw-positions", type=click.IntRange(2, 20_000_000), default=40_000, show_default=True, metavar="N",
              help="Size of the book of a draw.")  # fmt: skip
@click.option("--priors", type=click.Path(path_type=Path), metavar="FILE", help="Priors other than those of data.")
@click.option("--accept", type=click.FloatRange(0, 1, min_open=True), default=0.2, show_default=True, metavar="FRAC",
              help="Share of the draws that is accepted, the closest.")  # fmt: skip
@click.option("--tolerance", type=click.FloatRange(min=0, min_open=True), metavar="D",
              help="Accept draws within this distance instead: mean |log10 ratio| of the facts.")  # fmt: skip
@click.option("--output", "path", type=click.Path(path_type=Path), default=Path("calibrated.toml"), show_default=True,
              help="File of priors that holds the accepted draws.")  # fmt: skip
@click.option("--set", "changes", metavar="FIELD=VALUE", multiple=True, help="Any field of crashbook params.")
@click.option("--fresh", is_flag=True, help="Draw again what is stored.")
@click.option("--quiet", "-q", is_flag=True, help="No progress and no notes on stderr.")
def calibrate(
    events: tuple[str, ...], draws: int, draw_positions: int, priors: Path | None, accept: float,
    tolerance: float | None, path: Path, changes: tuple[str, ...], fresh: bool, quiet: bool,
) -> None:  # fmt: skip
    """Fit priors: keep the draws closest to the facts.

    EVENTS are calibrated together, by default 2025-10-10. At most ten numbers are fitted, each the same for all coins
    and events. The file of accepted draws is for --priors of replay and verify. Facts of a coin, or of an event, that
    a fit has not seen show how far to trust it.
    """
    from backtest.catalogue.priors import read_priors
    from backtest.cli.replay import overrides
    from backtest.cli.verify import Options
    from backtest.durable import write_file
    from backtest.studies import calibrate as study

    rows = read_priors(priors).rows
    options = Options(overrides(None, {}, changes), draws, draw_positions, priors, fresh, quiet)
    found = study.calibrate([_draws(name, options) for name in events or ("2025-10-10",)], accept, tolerance, rows)
    write_file(path, study.priors_toml(rows, found).encode())
    print_text(_text(found))
    if not quiet:
        print_line(f"note: crashbook verify {found.events[0].event} --priors {path} uses the accepted draws")


def _draws(name: str, options: Options) -> EventDraws:
    """Return the draws of an event, made or as they are stored."""
    from backtest.cli.verify import drawn
    from backtest.studies.calibrate import EventDraws

    run = drawn(name, options)
    draws, event = run.studies.draws, run.meta.event
    assert draws is not None
    return EventDraws(
        event=event.id,
        venue=run.meta.venue.id,
        facts=event.facts,
        compare=event.compare,
        compared=draws.compared,
        values=tuple(draw.values for draw in draws.draws),
    )


def _text(found: Calibration) -> str:
    most = found.distances[found.weights > 0].max()
    head = heading(
        [
            ("events", ", ".join(one.event for one in found.events)),
            ("accepted", f"{found.accepted} of {len(found.distances)} draws"),
            ("distance", f"{found.distances.min():.3f} to {most:.3f} of up to {found.distances.max():.3f}"),
        ]
    )
    parts = [head, section("what was fitted", _fitted(found))]
    parts.append(_left_out("each coin left out of the fit: users' liquidations and ADL of that coin", found.by_coin))
    if found.by_coin:
        parts.append(_two_sided(found.all_coins))
    parts.append(_left_out("each event left out of the fit", found.by_event))
    return "".join(parts)


def _fitted(found: Calibration) -> Table:
    """Return the range of each fitted number before and after."""
    from backtest.studies.scores import quantiles

    rows = []
    for name in found.names:
        one = next(one for one in found.events if name in one.values[0])
        values = [row[name] for row in one.values]
        if any(isinstance(value, str) for value in values):
            continue
        pairs = [(float(value), 1.0) for value in values]
        kept = [(float(row.values[name]), row.weight) for row in found.draws]
        before, after = (quantiles(column) for column in (pairs, kept))
        rows.append(
            {
                "number": name,
                "drawn, 5-95 %": f"{significant(before[0])} to {significant(before[2])}",
                "accepted, 5-95 %": f"{significant(after[0])} to {significant(after[2])}",
                "median": significant(after[1]),
            }
        )
    return table_of(rows, ("number", "drawn, 5-95 %", "accepted, 5-95 %", "median"))


def _left_out(title: str, rows: tuple[LeftOut, ...]) -> str:
    shown = [
        {
            "without": row.name,
            "accepted": row.accepted,
            **_cells(row.two_sided),
            "lower bounds": f"{row.lower_bounds.met} of {row.lower_bounds.facts}" if row.lower_bounds.facts else None,
        }
        for row in rows
    ]
    return section(title, table_of(shown, LEFT_OUT)) if shown else f"\n{title}: needs two at least\n"


def _cells(two_sided: TwoSided) -> dict[str, str | int | None]:
    factor, inside, width = two_sided.median_factor, two_sided.inside_frac, two_sided.median_band_width
    return {
        "facts": two_sided.facts,
        "median factor": None if factor is None else f"x{factor:.2f}",
        "inside": None if inside is None else percent(inside),
        "band width": None if width is None else f"x{width:.2f}",
    }


def _two_sided(two_sided: TwoSided) -> str:
    """Return the scores over all coins, each left out in turn."""
    cells = _cells(two_sided)
    return (
        f"all coins: median factor {cells['median factor']}, {cells['inside']} inside, "
        f"median band width {cells['band width']}\n"
    )
