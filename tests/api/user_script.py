"""A script as a user writes it: checked by mypy and run by ``tests/test_typing.py``."""

from __future__ import annotations

import polars as pl

import backtest


def closed_by_adl(run: backtest.Run) -> pl.DataFrame:
    """Return the winners closed by ADL, the largest first."""
    return run.adl_fills.group_by("account_id").agg(pl.col("notional_usd").sum()).sort("notional_usd", descending=True)


def main() -> None:
    """Replay a crash, read tables, queries, SQL, audits and metadata, compare with another rule."""
    run = backtest.replay("2021-12-04", positions=500, seed=2)
    again = backtest.open_run(run.run_id)
    winners = closed_by_adl(again)
    largest = run.query("largest_liquidations", limit=3)
    counted = run.sql("select count(*) as n from liquidations")["n"].item()
    failed = [audit.name for audit in run.audits() if not audit.passed]
    venue, badge, ranking = run.meta.venue.name, run.meta.labels.book.badge, run.meta.scenario.ranking
    facts = [fact.value for fact in run.meta.event.facts if fact.unit == "usd"]
    grid = [row.metrics for row in run.studies.grid]
    print(venue, badge, ranking, winners.height, largest.height, counted, failed, len(facts), grid)
    print(run.to_pandas("steps").shape, run.hedges.height, run)


if __name__ == "__main__":
    main()
