"""Tables of ``crashbook fetch``: the plan, and the days fetched from each source."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

from backtest.cli.table import Table, table_of

if TYPE_CHECKING:
    from backtest.fetch.outcome import Outcome, Served
    from backtest.fetch.plan import Source, Target

DAYS_SHOWN = 3
NEXT_SHOWN = 3
OUTCOME_COLUMNS = ("series", "coins", "source", "days", "rows", "missing", "outcome")


def plan_table(targets: Sequence[Target]) -> Table:
    """Return the plan: days in the lake, the source asked for the others, and the sources passed over with reason."""
    from backtest.fetch.plan import requests_for
    from backtest.lake.states import read_standing

    rows = []
    for target in targets:
        left = list(target.days)
        backups: list[str] = []
        for source in target.sources:
            missing = target.missing(source, left)
            lacking = set(missing)
            held = [day for day in left if day not in lacking]
            part = [day for day in held if read_standing(target.place(source).file(day)).state == "partial"]
            whole = [day for day in held if day not in set(part)]
            if whole:
                rows.append(_row(target, source, whole, requests=0, note="in the lake"))
            if part:
                rows.append(_row(target, source, part, requests=0, note="in the lake, partial: asked again"))
            left = [day for day in left if day not in set(whole)]
            if not left:
                break
            if backups:
                backups += [] if source.skip else [source.name]
            elif source.skip:
                rows.append(_row(target, source, left, requests=0, note=f"passed over: {source.skip}"))
            else:
                rows.append(_row(target, source, left, requests=requests_for(target, source, left), note=""))
                backups = [source.name]
        if backups[1:]:
            planned = next(row for row in reversed(rows) if not row["note"])
            planned["note"] = _next(list(dict.fromkeys(backups[1:])))
        elif left and not backups:
            rows.append(
                {"series": target.series, "coins": target.coin, "source": "nobody", "days": tuple(left),
                 "requests": 0, "note": "no source has it"}
            )  # fmt: skip
    return table_of(_grouped(rows, ("requests",)), ("series", "coins", "source", "days", "requests", "note"))


def _next(names: Sequence[str]) -> str:
    """Return the sources asked next, the first few by name.

    Examples
    --------
    >>> _next(["bybit", "okx", "gate", "bitget", "bitmex"])
    'else bybit, okx, gate and 2 more'
    """
    more = len(names) - NEXT_SHOWN
    return f"else {', '.join(names[:NEXT_SHOWN])}" + (f" and {more} more" if more > 0 else "")


def outcome_table(outcome: Outcome, targets: Sequence[Target]) -> Table:
    """Return the days each source gave, and why the others gave none, in the order of asking."""
    series = {target.series: row for row, target in reversed(list(enumerate(targets)))}
    places = {name: place for target in targets for place, name in enumerate(each.name for each in target.sources)}
    rows: list[dict[str, Any]] = [
        {
            "series": day.series, "coins": day.coin, "source": day.source, "days": (day.day,), "rows": day.rows,
            "missing": day.missing, "outcome": _outcome(day),
        }
        for day in outcome.served
    ]  # fmt: skip
    rows += [
        {
            "series": denial.series, "coins": denial.coin, "source": denial.source, "days": denial.days, "rows": 0,
            "missing": 0, "outcome": denial.reason,
        }
        for denial in outcome.denied
    ]  # fmt: skip
    rows.sort(key=lambda row: (series[row["series"]], places.get(row["source"], 0)))
    return table_of(_grouped(rows, ("rows", "missing"), note="outcome"), OUTCOME_COLUMNS)


def _outcome(day: Served) -> str:
    """Return what became of a day, and its state unless it is whole."""
    state = "" if day.state == "whole" else f", {day.state}"
    lost = f", {day.dropped} unreadable rows left out" if day.dropped else ""
    told = f"; {day.note}" if day.note else ""
    return f"{'fetched' if day.fresh else 'was in the lake'}{state}{lost}{told}"


def _row(target: Target, source: Source, days: Sequence[dt.date], **more: Any) -> dict[str, Any]:
    return {"series": target.series, "coins": target.coin, "source": source.name, "days": tuple(days), **more}


def _grouped(rows: Sequence[dict[str, Any]], sums: Sequence[str], note: str = "note") -> list[dict[str, Any]]:
    """Merge rows that differ in coins and days only, in the order of their series."""
    order = {name: place for place, name in enumerate(dict.fromkeys(row["series"] for row in rows))}

    def key(row: Mapping[str, Any]) -> tuple[int, str, str]:
        return order[row["series"]], row["source"], row[note]

    out = []
    for _, same in groupby(sorted(rows, key=lambda row: key(row)[:1]), key=lambda row: key(row)[0]):
        by_key: dict[tuple[int, str, str], list[dict[str, Any]]] = {}
        for row in same:
            by_key.setdefault(key(row), []).append(row)
        for group in by_key.values():
            days = sorted({day for row in group for day in row["days"]})
            coins = ", ".join(dict.fromkeys(row["coins"] for row in group))
            total = {name: sum(row[name] for row in group) for name in sums}
            out.append({**group[0], "coins": coins, "days": days_text(days), **total})
    return out


def days_text(days: Sequence[dt.date]) -> str:
    """Return days as text: one by one if they are few, else first, last and number.

    Examples
    --------
    >>> days_text([dt.date(2025, 10, 10), dt.date(2025, 10, 11)])
    '2025-10-10, 2025-10-11'
    """
    if len(days) <= DAYS_SHOWN:
        return ", ".join(day.isoformat() for day in days)
    return f"{days[0].isoformat()} to {days[-1].isoformat()} ({len(days)})"
