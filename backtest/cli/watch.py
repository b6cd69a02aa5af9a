"""``crashbook watch``: what happens to positions of mine in the crowd, how surely, and at which leverage."""

from __future__ import annotations

import dataclasses
import datetime as dt
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
from backtest.formatting import clock, duration, percent, period, price, significant, usd, usd_band

if TYPE_CHECKING:
    from backtest.run.stored import Band
    from backtest.studies.watch import Watched
    from backtest.studies.watch_summary import Chance, WatchSummary

COLUMNS = ("leverage", "liquidated", "ADL", "first", "ahead_m", "taken_m", "mark_k", "trade_k", "hold_k")
MEANING = (
    "chances: share of the draws; in brackets how often, and 90 % bounds of the chance",
    "all other figures: median (5 to 95 %) of the draws in which there is one",
    "ahead_m: million USD of others ahead of it in the wave that came nearest to it",
    "ahead_m need not fall with leverage: each leverage has a nearest wave of its own",
    "taken_m: what that wave took; it is closed where more is taken than is ahead",
    "mark_k, trade_k: its closes by ADL against mark and traded price of the time",
    "hold_k: all that happened against holding to the end, margin aside",
    "first: its first ADL; _k: thousand USD, gains plus; =: at its own leverage, in full",
)


@command(
    'crashbook watch 2025-10-10 --position "short 20000 SOL @ 221.5, 12x" --hedged',
    'crashbook watch 2025-10-10 --position "long $2m BTC @ 121k, collateral 300k" --draws 100 --leverages 2,5,10',
    "crashbook watch 2025-10-10 --positions mine.csv --format json",
)
@click.argument("event", required=False)
@click.option("-c", "--scenario", "scenario", type=click.Path(path_type=Path),
              help="Scenario file: its [[watch]] tables are my positions too.")  # fmt: skip
@click.option("--position", "texts", metavar="TEXT", multiple=True,
              help='A position: "short 20000 SOL @ 221.5, 12x". Size in coins, or in USD with $; leverage or '
              '"collateral $300k". Give several with several --position.')  # fmt: skip
@click.option("--positions", "file", type=click.Path(path_type=Path), metavar="FILE",
              help="My positions as CSV or Parquet, in the columns of a book; they need not be balanced.")  # fmt: skip
@click.option("--hedged", is_flag=True, help="The other leg of each position is elsewhere and stays.")
@click.option("--draws", type=click.IntRange(2, 10_000), default=16, show_default=True, metavar="N",
              help="Draws of what is not known.")  # fmt: skip
@click.option("--leverages", metavar="1,2,5,...",
              help="Leverages of the table; by default a dozen from 1 to 50, as far as the coin allows.")  # fmt: skip
@click.option("--apart", is_flag=True, help="Run each leverage apart and in full, instead of small copies together.")
@click.option("--venue", help="Venue whose rules run; by default the event's first.")
@click.option("--set", "changes", metavar="FIELD=VALUE", multiple=True, help="Any field of crashbook params.")
@click.option("--draw-positions", type=click.IntRange(2, 20_000_000), default=10_000, show_default=True, metavar="N",
              help="Size of the crowd of a draw.")  # fmt: skip
@click.option("--priors", type=click.Path(path_type=Path), metavar="FILE", help="Priors other than those of data.")
@click.option("--report", is_flag=True, help="Write one HTML page with the figures to the reports folder too.")
@output_options
def watch(
    event: str | None, scenario: Path | None, texts: tuple[str, ...], file: Path | None, hedged: bool, draws: int,
    leverages: str | None, apart: bool, venue: str | None, changes: tuple[str, ...], draw_positions: int,
    priors: Path | None, report: bool, output: Output,
) -> None:  # fmt: skip
    """Ask what happens to positions of mine in the crowd.

    EVENT is an id, a date or an alias. The positions come on top of a crowd that stays as it is. Over draws: how often
    each is liquidated or closed by ADL, when, what stood ahead of it in the queue against what the waves took, the
    close price against mark and trade, dollars against holding on, and the same at other leverages.
    """
    from backtest.catalogue.priors import read_priors
    from backtest.cli.replay import event_name, overrides
    from backtest.run.resolve import resolve
    from backtest.scenario.position_text import read_position
    from backtest.studies.watch import WatchRequest
    from backtest.studies.watch import watch as watched

    positions = tuple(read_position(text, hedged=hedged) for text in texts)
    wanted = None if leverages is None else leverages_of(leverages)
    given = overrides(scenario, {"venue": venue} if venue else {}, changes)
    resolved = resolve(event_name(event, given.get("event")), given)
    request = WatchRequest(
        positions=positions, file=file, hedged=hedged, priors=read_priors(priors), size=draws, leverages=wanted,
        apart=apart, book_size=draw_positions,
    )  # fmt: skip
    with stages(output.quiet) as stage:
        found = watched(resolved, given, request, stage(f"{draws} draws"))
    if output.format == "json":
        page(as_json(plain(found)).decode() + "\n", output)
    elif output.for_reader:
        page(text_of(found, notes=not output.quiet), output)
    else:
        emit(found.summary, output)
    if not output.for_reader:
        for each in found.notes:
            note(each, output)
    if report:
        from backtest.cli.report import relative
        from backtest.report.index import beside
        from backtest.report.watch import write

        print_line(f"report  {relative(beside(write(found)))}")


def leverages_of(text: str) -> tuple[float, ...]:
    """Return the numbers of ``--leverages``.

    Examples
    --------
    >>> leverages_of("5x, 1,2.5")
    (1.0, 2.5, 5.0)
    """
    from backtest.studies.watch_copies import check_leverages

    try:
        return check_leverages([float(part.strip().removesuffix("x")) for part in text.split(",") if part.strip()])
    except ValueError:
        raise UsageError(f"--leverages {text!a}: write numbers with commas between, such as 1,2,5,10,20") from None


def plain(found: Watched) -> dict[str, Any]:
    """Return the whole answer for other programs."""
    return {
        "event": found.event,
        "venue": found.venue,
        "start_ts": found.start.isoformat(),
        "end_ts": found.end.isoformat(),
        "draws": found.draws,
        "draw_positions": found.book_size,
        "positions": [{**each.plain(), "open_interest_frac": found.shares[each.name]} for each in found.positions],
        "summary": [row.plain() for row in found.rows],
        "by_draw": list(map(dataclasses.asdict, found.outcomes)),
        "waves": list(map(dataclasses.asdict, found.places)),
        "notes": list(found.notes),
    }


def text_of(found: Watched, *, notes: bool = True) -> str:
    """Return the answer for a reader, ``notes`` with what its columns mean and what to know of the draws."""
    window = period(found.start, found.end)
    priors = f"{found.drawn} priors and the seed" if found.drawn else "the seed alone"
    head = [
        ("event", f"{found.event} at {found.venue}, {window} UTC"),
        ("draws", f"{found.draws} of {priors}, crowds of {found.book_size:,} positions"),
    ]
    parts = [heading(head)]
    for name in dict.fromkeys(row.position for row in found.rows):
        rows = [row for row in found.rows if row.position == name]
        parts.append(_position(found, rows[0]))
        if len({row.leverage for row in rows}) > 1:
            parts.append(section("by leverage", _by_leverage(found, rows)))
    if notes:
        parts += [bullets("columns", MEANING), bullets("notes", found.notes)]
    return "".join(parts)


def _position(found: Watched, row: WatchSummary) -> str:
    """Return the lines on a position at its own leverage."""
    bands, mine = row.bands, [each for each in found.positions if each.name == row.position]
    rows = "; ".join(f"{each.side} {each.size_base:,.12g} {each.coin} @ {each.entry_px:,.12g}" for each in mine)
    hedged = ", hedged elsewhere" if mine[0].hedged else ""
    share = percent(round(found.shares[row.position], 6))
    lines = [
        ("position", f"{rows}, {significant(row.leverage)}x{hedged}; {share} of the open interest"),
        ("liquidated", _chance(row.liquidated)),
        *_when(found, "  first", bands["first_liquidation_s"]),
        ("ADL", _chance(row.adl)),
        *_when(found, "  first", bands["first_adl_s"]),
        *_closed(bands["adl_frac"]),
        *_usd_line("  ahead", bands["ahead_usd"], _median(", the wave took {}", usd, bands["taken_usd"])),
        *_line("  close price", price, bands["close_px"]),
        *_usd_line("  against mark", bands["against_mark_usd"], _median(", mark {}", price, bands["mark_px"])),
        *_usd_line("  against trade", bands["against_trade_usd"], _median(", traded {}", price, bands["trade_px"])),
        *_line(f"held to {found.end:%H:%M}", _saved, bands["against_holding_usd"]),
        *_line("unhedged for", duration, bands["unhedged_s"]),
        *_usd_line("  its result", bands["unhedged_pnl_usd"], _median(", delta {}", usd, bands["unhedged_usd"])),
    ]
    return "\n" + heading(lines)


def _chance(chance: Chance) -> str:
    bounds = f"{_whole(chance.low)} to {_whole(chance.high)} %"
    return f"{_whole(chance.frac)} % ({chance.count} of {chance.draws}; {bounds})"


def _whole(frac: float) -> str:
    return f"{100 * frac:.0f}"


def _saved(value: float) -> str:
    """Return what was forgone or saved against holding.

    Examples
    --------
    >>> _saved(-0.0), _saved(-20.0).split(), _saved(20.0).split()
    ('the same', ['20.0', 'USD', 'forgone'], ['20.0', 'USD', 'saved'])
    """
    return f"{usd(abs(value))} {'forgone' if value < 0 else 'saved'}" if value else "the same"


def _line(label: str, show: Any, band: Band | None) -> list[tuple[str, str]]:
    if band is None:
        return []
    low, median, high = (show(value) for value in (band.low, band.median, band.high))
    return [(label, f"{median} ({low} to {high})" if low != high else median)]


def _closed(band: Band | None) -> list[tuple[str, str]]:
    """Return the share that was closed where it was not the whole position in each draw."""
    return [] if band is None or band.low == 1 else _line("  closed", percent, band)


def _usd_line(label: str, band: Band | None, beside: str) -> list[tuple[str, str]]:
    if band is None:
        return []
    text = usd_band(band.low, band.median, band.high) if band.low != band.high else usd(band.median)
    return [(label, text + beside)]


def _median(words: str, show: Any, band: Band | None) -> str:
    return "" if band is None else words.format(show(band.median))


def _when(found: Watched, label: str, band: Band | None) -> list[tuple[str, str]]:
    def at(seconds: float) -> str:
        return clock(found.start + dt.timedelta(seconds=round(seconds)))

    shown = _line(label, at, band)
    return [(name, text.replace(" (", " UTC (") if "(" in text else f"{text} UTC") for name, text in shown]


def _by_leverage(found: Watched, rows: list[WatchSummary]) -> Table:
    """Return a row for each leverage, rising; a mark at that of the position itself."""
    shown = []
    for row in sorted(rows, key=lambda row: (row.leverage, not row.own)):
        bands, first = row.bands, row.bands["first_adl_s"]
        at = None if first is None else clock(found.start + dt.timedelta(seconds=round(first.median)))
        figures = {
            "ahead_m": _figure(bands["ahead_usd"], 1e6),
            "taken_m": _figure(bands["taken_usd"], 1e6),
            "mark_k": _figure(bands["against_mark_usd"], 1e3),
            "trade_k": _figure(bands["against_trade_usd"], 1e3),
            "hold_k": _figure(bands["against_holding_usd"], 1e3),
        }
        shown.append(
            {
                "leverage": f"{'= ' if row.own else '  '}{significant(row.leverage)}x",
                "liquidated": f"{_whole(row.liquidated.frac)} %",
                "ADL": f"{_whole(row.adl.frac)} %",
                "first": at or "none",
                **figures,
            }
        )
    return table_of(shown, COLUMNS)


def _figure(band: Band | None, unit: float) -> float | None:
    return None if band is None else round(band.median / unit, 1)
