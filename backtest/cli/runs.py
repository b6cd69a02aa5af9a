"""``crashbook runs``: the run folders of the workspace."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

from backtest.cli.command import command
from backtest.cli.output import Output, emit, note, output_options
from backtest.cli.table import table_of
from backtest.errors import RunError

COLUMNS = ("run_id", "event", "venue", "seed", "positions", "liquidated_usd", "adl_usd", "written_utc")
SUMMARY = """
select event_id as event, venue, seed, positions,
    (select coalesce(sum(closed_usd), 0) from liquidations) as liquidated_usd,
    (select coalesce(sum(notional_usd), 0) from adl_events) as adl_usd
from runs
"""


@command("crashbook runs --format csv")
@output_options
def runs(output: Output) -> None:
    """List the run folders, the newest last."""
    from backtest.assets import runs_folder
    from backtest.run.folder import run_folders

    rows = []
    for folder in run_folders():
        try:
            rows.append(_summary(folder))
        except RunError as error:
            note(str(error), output)
    if not rows:
        note(f"no runs in {runs_folder()}; make one with crashbook replay 2025-10-10", output)
    emit(table_of(rows, COLUMNS), output)


def _summary(folder: Path) -> dict[str, Any]:
    """Return the row of a run from its metadata and three of its tables, without checking the others."""
    import duckdb

    from backtest.run.reading import read_meta
    from backtest.sql.tables import open_tables

    meta = read_meta(folder)
    rows = {name: meta.tables[name].rows for name in ("runs", "liquidations", "adl_events")}
    try:
        with open_tables(folder, rows) as con:
            found = con.execute(SUMMARY)
            row = dict(zip((column[0] for column in found.description), found.fetchall()[0], strict=True))
    except (duckdb.Error, IndexError) as error:
        raise RunError(f"{folder}: a table cannot be read ({type(error).__name__}); run it again") from None
    written = dt.datetime.fromtimestamp(folder.stat().st_mtime, dt.UTC).replace(tzinfo=None, microsecond=0)
    return {"run_id": meta.run_id, **row, "written_utc": written}
