"""A venue whose truth is known, made once, and the book rolled forward from its archive."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pytest

from backtest.api.run import Run
from backtest.book.actual.write import book_path, origin_path
from backtest.run.actual_book import fields_of
from tests.fetch.reservoir import by_engine
from tests.support.command import call


@dataclass(frozen=True, slots=True)
class Known:
    """The venue, the book that was rolled forward, what is known of its positions, and the run of it."""

    venue: by_engine.Venue
    book: pl.DataFrame
    origin: pl.DataFrame
    run: Run
    rolled: str


@pytest.fixture(scope="session")
def known(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Known]:
    from backtest.api.replay import replay

    with pytest.MonkeyPatch.context() as setting:
        setting.setenv("CRASHBOOK_HOME", str(tmp_path_factory.mktemp("truth")))
        venue = by_engine.make(tmp_path_factory.mktemp("archive"))
        home = tmp_path_factory.mktemp("home")
        setting.setenv("CRASHBOOK_HOME", str(home))
        fetched = call("fetch", "2025-10-10", "--archive", f"reservoir={venue.archive}")
        assert fetched.exit_code == 0, fetched.stderr
        rolled = call("book", "roll", "--from", "2025-10-10", "--format", "json")
        assert rolled.exit_code == 0, rolled.stderr
        path: Path = book_path("2025-10-10")
        fields = fields_of("2025-10-10", "reservoir") | {
            name: by_engine.FIELDS[name] for name in ("vaults", "vault_capital_usd")
        }
        fields.pop("positions_file")
        run = replay("2025-10-10", positions_file=str(path), **fields)
        yield Known(venue, pl.read_parquet(path), pl.read_parquet(origin_path(path)), run, rolled.stdout)
