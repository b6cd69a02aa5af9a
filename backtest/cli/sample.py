"""``crashbook data compare-sample``: the committed sample against what the venue publishes, cell by cell."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from backtest.cli.command import command
from backtest.cli.output import Output, emit, note, output_options
from backtest.cli.table import table_of
from backtest.errors import DataError, DataGapError

if TYPE_CHECKING:
    from backtest.catalogue.facts import Sample
    from backtest.fetch.plan import Target


@command(
    "crashbook data compare-sample",
    "crashbook data compare-sample --archive binance=FOLDER --format csv",
)
@click.option("--archive", "archives", metavar="NAME=PLACE", multiple=True,
              help="Folder or address of an archive, as in fetch.")  # fmt: skip
@click.option("--exchange-config", "config", type=click.Path(path_type=Path), metavar="FILE",
              help="How the venues are reached, as in fetch.")  # fmt: skip
@output_options
def data_compare_sample(archives: tuple[str, ...], config: Path | None, output: Output) -> None:
    """Compare the sample with the venue's own files.

    The days of the committed sample are fetched from the venue or its archive, as far as the lake lacks them, and
    every cell that differs is listed. The exit code is 3 if some days could not be had; what could is compared first.
    """
    from backtest.catalogue.events import load_events
    from backtest.cli.fetch import Order, archive_places, public_archives, run_order
    from backtest.fetch.settings import read_settings
    from backtest.market.sample_check import HEADER, check_sample

    samples = list(dict.fromkeys(sample for event in load_events() for sample in event.sample))
    settings = read_settings(config)
    given = archive_places(archives)
    wanted = _targets(samples, {**public_archives(), **settings.archives, **given}, archives_first=bool(given))
    outcome = run_order(Order(wanted, settings, refetch=False, named=True), output)
    for target in wanted:
        for hole in outcome.holes(target):
            note(f"{hole.coin}: {hole.reason}", output)
    checks = check_sample(samples)
    for each in checks:
        note(f"{each.file}: {each.compared} of {each.bars} bars compared, {len(each.rows)} differences", output)
    rows = [row for each in checks for row in each.rows]
    emit(table_of(rows, HEADER), output)
    lacking = [each.file for each in checks if each.compared < each.bars]
    if lacking:
        fix = "run this where the venue or its archive can be reached, or give --archive binance=FOLDER"
        raise DataGapError(f"{len(lacking)} of {len(checks)} files of the sample are not compared in full; {fix}")
    if rows:
        raise DataError(f"{len(rows)} differences between the sample and the venue's files: the table lists them")


def _targets(samples: Sequence[Sample], roots: dict[str, str], *, archives_first: bool) -> list[Target]:
    """Return the days of the sample by venue and coin."""
    from backtest.fetch.plan import targets
    from backtest.times import days_between

    days: dict[tuple[str, str], set[dt.date]] = {}
    for sample in samples:
        days.setdefault((sample.venue, sample.coin), set()).update(days_between(sample.start, sample.end))
    now = dt.datetime.now(dt.UTC).replace(tzinfo=None)
    return [
        target
        for (venue, coin), mine in days.items()
        for target in targets(
            coins=(coin,), series=("ohlcv",), days=tuple(sorted(mine)), venues=(venue,), now=now, timeframe="1m",
            roots=roots, archives_first=archives_first,
        )
    ]  # fmt: skip
