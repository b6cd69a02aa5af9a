"""``crashbook data --compare-sample``: the committed sample against what the venue publishes, cell by cell."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from backtest.cli.fetch import Order, archive_places, public_archives, run_order
from backtest.cli.output import Output, emit, note
from backtest.cli.table import table_of
from backtest.errors import DataError, DataGapError
from backtest.times import days_between

if TYPE_CHECKING:
    from backtest.catalogue.facts import Sample
    from backtest.fetch.plan import Target


def compare(archives: Sequence[str], config: Path | None, output: Output) -> None:
    """Fetch the days of the sample that the lake lacks, then print the cells that differ.

    Raises
    ------
    DataGapError
        Some days could not be had; what could is compared and printed first.
    DataError
        Some cells differ.
    """
    from backtest.catalogue.events import load_events
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
