"""What mypy finds wrong in a user's script: ``mypy`` fails where one of these typos is no error any more."""

from __future__ import annotations

import backtest


def main(run: backtest.Run) -> None:
    """Ask a run for a table, a venue and a scenario under names they do not have."""
    print(run.adl_fils)  # type: ignore[attr-defined]
    print(run.meta.venue.nme)  # type: ignore[attr-defined]
    print(run.meta.scenario.rankng)  # type: ignore[attr-defined]
