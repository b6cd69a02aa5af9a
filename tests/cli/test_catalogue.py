"""Events, venues, scenario fields and tables: what there is to choose from."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb
import pytest

from backtest.catalogue.events import get_event, load_events
from backtest.run.resolve import resolve
from backtest.run.run import StoredRun
from backtest.scenario.fields import PARAMS
from backtest.scenario.reading import parse_set
from backtest.scenario.values import merge
from backtest.schema.tables import TABLES, VIEWS
from backtest.venue.reading import get_venue, venue_names
from tests.support.command import call


def rows(*args: str) -> list[dict[str, object]]:
    """Return the answer of a command that reads as JSON rows."""
    result = call(*args, "--format", "json", "-q")
    assert result.exit_code == 0, result.stderr
    answer: list[dict[str, object]] = json.loads(result.stdout)
    return answer


def test_events_lists_the_catalogue_with_the_default_venue_first() -> None:
    listed = rows("events")
    assert [row["id"] for row in listed] == [event.id for event in load_events()]
    october = next(row for row in listed if row["id"] == "2025-10-10")
    assert str(october["venues"]).startswith("hyperliquid, binanceusdm")
    assert october["data"] == (
        "sample binanceusdm BTC 2025-10-10 18:00 to 24:00; "
        "sample binanceusdm SOL XRP DOGE LINK 2025-10-10 20:40 to 22:21"
    )
    assert next(row for row in listed if row["id"] == "2021-05-19")["data"] == "none"


def test_events_counts_days_of_the_lake(workspace: Path) -> None:
    folder = workspace / "data" / "lake" / "ohlcv" / "venue=bybit" / "symbol=BTC%2FUSDT%3AUSDT" / "1m"
    folder.mkdir(parents=True)
    for day in ("2021-05-18", "2021-05-19", "2021-06-01"):
        (folder / f"{day}.parquet").touch()
    may = next(row for row in rows("events") if row["id"] == "2021-05-19")
    event = get_event("2021-05-19")
    days = ("2021-05-18", "2021-05-19")
    held = sum(event.start.date().isoformat() <= day <= event.end.date().isoformat() for day in days)
    assert may["data"] == f"lake bybit BTC {held} day{'s' * (held > 1)}"
    assert f"lake bybit BTC {held} day" in call("events", "2021-05-19").stdout


@pytest.mark.parametrize("name", ["2021-12-04", "december-2021"])
def test_one_event_shows_everything_known(name: str) -> None:
    text = call("events", name).stdout
    event = get_event(name)
    assert event.title in text
    for fact in event.facts:
        assert fact.id in text
        assert fact.source in text
    for venue, reasons in event.why.items():
        assert all(reason in text and venue in text for reason in reasons.values())
    assert all(row.metric in text for row in event.compare)
    assert "sample binanceusdm BTC 2021-12-04 04:51 to 05:40" in text


def test_one_event_in_other_formats_gives_the_facts() -> None:
    facts = get_event("2025-10-10").facts
    answer = rows("events", "2025-10-10")
    assert [row["id"] for row in answer] == [fact.id for fact in facts]
    assert {row["value"] for row in answer if row["id"] == "cascade_14h"} == {9_890_000_000}


def test_unknown_event_names_the_near_ones() -> None:
    result = call("events", "2025-10-1")
    assert result.exit_code == 2
    assert "did you mean 2025-10-1" in result.stderr
    assert result.stderr.count("\n") == 1


def test_venues_lists_all_profiles() -> None:
    assert [row["id"] for row in rows("venues")] == venue_names()


@pytest.mark.parametrize("name", venue_names())
def test_one_venue_shows_its_points_with_sources(name: str) -> None:
    venue = get_venue(name)
    points = rows("venues", name)
    assert {"margin", "liquidation", "fund", "ranking", "close_price", "residual", "fee"} <= {
        row["point"] for row in points
    }
    for row in points:
        assert str(row["url"]).startswith("http"), row
        assert row["mark"] in {"V", "S", "D", "U"}
    text = " ".join(call("venues", name).stdout.split())
    assert all(" ".join(line.split()) in text for line in venue.unverified)
    assert all(" ".join(row.venue_rule.split()) in text for row in venue.simplified)
    assert all(source.url in text for source in venue.sources.values())


def test_a_venue_that_has_closed_is_historic() -> None:
    closed = {row["id"]: row["closed"] for row in rows("venues")}
    assert {name: day for name, day in closed.items() if day} == {"bitmex": "2026-09-23"}
    page = call("venues", "bitmex").stdout
    assert "historic: closed on 2026-09-23 at 04:00 UTC (closure, S)" in page
    assert "https://www.bitmex.com/blog/bitmex-closure" in page
    assert "historic" not in call("venues", "okx").stdout


def test_bybit_s_page_tells_the_least_margin_of_its_ranking() -> None:
    assert "over max(1 USD, margin)" in " ".join(call("venues", "bybit").stdout.split())


def test_a_margin_tier_is_shown_as_percent_and_leverage() -> None:
    assert "0 1.25% 40x; 150,000,000 2.5% 20x" in call("venues", "hyperliquid").stdout


def test_params_lists_every_field_with_unit_and_default() -> None:
    listed = {str(row["field"]): row for row in rows("params")}
    assert listed["step_s"]["unit"] == "s"
    assert listed["step_s"]["default"] == "3.0"
    assert listed["positions"]["allowed"] == "2 to 20,000,000"
    assert "hyperliquid_literal" in str(listed["ranking"]["allowed"])


def test_params_of_an_event_say_where_each_value_comes_from() -> None:
    listed = {str(row["field"]): row for row in rows("params", "2025-10-10")}
    assert listed["participation_frac"]["value"] == "1.0"
    assert str(listed["participation_frac"]["source"]).startswith("event: ")
    assert listed["vault_capital_usd"]["value"] == "12000000.0"
    assert listed["ranking"]["source"] == "venue profile"
    bitmex = {str(row["field"]): row for row in rows("params", "2025-10-10", "--venue", "bitmex")}
    assert bitmex["ranking"]["value"] == "bitmex"


@pytest.mark.parametrize("event", ["2025-10-10", "2020-03-12"])
def test_values_can_be_set_as_they_are_spelled(event: str) -> None:
    skipped = {"event", "watch"}  # the event is an argument, watched positions are tables of a file
    listed = [row for row in rows("params", event) if row["value"] and row["field"] not in skipped]
    given = merge(*(parse_set(f"{row['field']}={row['value']}") for row in listed))
    assert resolve(event, given).scenario == resolve(event, {}).scenario
    assert "  12,000,000  " in call("params", "2025-10-10").stdout


def test_params_about_a_word_and_of_none() -> None:
    rows = json.loads(call("params", "vault", "--format", "json").stdout)
    assert {"vaults", "vault_margin", "vault_capital_usd"} <= {row["field"] for row in rows}
    assert len(rows) < len(PARAMS) / 2
    refused = call("params", "no such word")
    assert refused.exit_code == 2
    assert "unknown event 'no such word'" in refused.stderr
    assert "no field has the word" in refused.stderr


def test_params_of_a_venue_need_an_event() -> None:
    result = call("params", "--venue", "bybit")
    assert result.exit_code == 2
    assert "EVENT" in result.stderr


def test_schema_lists_tables_and_views() -> None:
    assert [row["name"] for row in rows("schema")] == [*TABLES, *VIEWS]


@pytest.mark.parametrize("name", TABLES)
def test_schema_of_a_table_has_unit_and_meaning(name: str) -> None:
    shown = [(row["column"], row["type"], row["unit"], row["meaning"]) for row in rows("schema", name)]
    assert shown == [(column.name, column.sql_type, column.unit, column.doc) for column in TABLES[name].columns]


@pytest.mark.parametrize("name", VIEWS)
def test_schema_of_a_view_is_what_a_run_has(name: str, latest: StoredRun) -> None:
    described = latest.sql(f"describe {name}").select("column_name", "column_type").rows()
    assert [(row["column"], row["type"]) for row in rows("schema", name)] == described


def test_ddl_makes_the_tables() -> None:
    with duckdb.connect() as con:
        con.execute(call("schema", "--ddl").stdout).fetchall()
        made = {row[0] for row in con.sql("show tables").fetchall()}
    assert made == set(TABLES)
    assert call("schema", "steps", "--ddl").stdout.startswith("CREATE TABLE steps (")
    assert call("schema", "run_summary", "--ddl").exit_code == 2


def test_unknown_table_names_the_near_ones() -> None:
    result = call("schema", "adl_fill")
    assert result.exit_code == 2
    assert "did you mean adl_fills" in result.stderr
