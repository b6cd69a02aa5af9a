"""Names that are unknown, hostile or reach for more than a run: one line, and nothing outside the workspace."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import polars as pl
import pytest

from backtest.run.run import StoredRun, open_folder, open_run
from tests.support.hostile import EVENT, accepted, files, refusal, refused, refused_by, replay_words


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a workspace with one run."""
    home = tmp_path_factory.mktemp("finished")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CRASHBOOK_HOME", str(home))
        accepted(*replay_words())
    return home


@pytest.fixture
def reader(finished: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Point a test that only reads at the workspace with one run."""
    monkeypatch.setenv("CRASHBOOK_HOME", str(finished))
    return finished


@pytest.fixture(scope="module")
def opened(finished: Path) -> StoredRun:
    """Return that run; its one connection meets every statement of the tests below."""
    (folder,) = (finished / "runs").iterdir()
    return open_folder(folder)


# unknown names


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["replay", "2021-12-05"], "unknown event '2021-12-05'; did you mean 2021-12-04"),
        (["replay", "../../etc/passwd"], "unknown event '../../etc/passwd'; Known: "),
        (["events", "2021-12-O4"], "unknown event '2021-12-O4'; did you mean 2021-12-04"),
        (["params", "nosuch"], "unknown event 'nosuch'"),
        (["replay", EVENT, "--venue", "binance"], "unknown venue 'binance'; did you mean binanceusdm or"),
        (["replay", EVENT, "--venue", "../venues/okx"], "unknown venue '../venues/okx'"),
        (["venues", "hyperliqid"], "unknown venue 'hyperliqid'; did you mean hyperliquid?"),
        (["replay", EVENT, "--coins", "BTCC"], "unknown coin at binanceusdm 'BTCC'; did you mean BTC?"),
        (["replay", EVENT, "--coins", "../../x"], "unknown coin at binanceusdm '../../X'"),
        (["query", "fund_balanc"], "unknown query 'fund_balanc'; did you mean fund_balance"),
        (["query", "../views/cascades"], "unknown query '../views/cascades'; did you mean cascades?"),
        (["query", "fund_balance", "nosuch"], "unknown run 'nosuch'; Known: "),
        (["audit", "x" * 400], "unknown run 'xxx"),
        (["audit", "nosuch"], "unknown run 'nosuch'"),
        (["diff", "latest", "nosuch"], "unknown run 'nosuch'"),
        (["report", "nosuch"], "unknown run 'nosuch'"),
        (["schema", "liquidation"], "unknown table 'liquidation'; did you mean liquidations"),
        (["replai"], "unknown command 'replai'; did you mean replay?"),
        (["query", "price_path", "--param", "symbol"], "write --param NAME=VALUE"),
    ],
)
def test_an_unknown_name_lists_the_near_matches(reader: Path, words: list[str], said: str) -> None:
    assert said in refused(2, *words)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["window_metrics"], "parameter start is missing; give TIMESTAMP, a UTC time such as 2025-10-10T21:15, with"),
        (["window_metrics", "--param", "start=2021-12-04T05:20"], "parameter end is missing"),
        (["price_path", "--param", "coin=BTC"], "query price_path: parameter 'coin' is now called 'symbol'"),
        (["largest_liquidations", "--param", "limit=many"], "limit takes INTEGER, a whole number, not 'many'"),
        (["largest_liquidations", "--param", "limit=nan"], "parameter limit takes INTEGER"),
        (["largest_liquidations", "--param", f"limit={2**63}"], "parameter limit takes INTEGER"),
    ],
)
def test_a_query_says_which_parameter_it_wants(opened: StoredRun, words: list[str], said: str) -> None:
    name, *given = words
    values = dict(pair.split("=") for pair in given if pair != "--param")
    line = refused_by(2, lambda: opened.query(name, **values))
    assert line.startswith(f"query {name}: ")
    assert said in line


# SQL


@pytest.mark.parametrize(
    "statement",
    [
        "copy steps to '{folder}/steps.csv'",
        "copy (select 1) to '{folder}/one.parquet' (format parquet)",
        "explain analyze copy steps to '{folder}/steps.csv'",
        "export database '{folder}/export'",
        "attach '{folder}/other.db'",
        "attach ':memory:' as other",
        "install httpfs",
        "load httpfs",
        "set enable_external_access = true",
        "reset lock_configuration",
        "pragma enable_external_access = true",
        "create table mine as select 1",
        "create or replace temp view run_summary as select 1",
        "create macro twice(x) as 2 * x",
        "delete from steps",
        "update steps set step = 1",
        "insert into steps select * from steps",
        "drop view run_summary",
        "begin",
        "prepare p as select 1",
    ],
)
def test_sql_that_does_more_than_read_is_refused(opened: StoredRun, tmp_path: Path, statement: str) -> None:
    line = refused_by(1, lambda: opened.sql(statement.format(folder=tmp_path)))
    assert "sql: only reading statements are allowed: SELECT, WITH," in line
    assert not files(tmp_path)


def test_the_command_refuses_a_write_a_file_and_two_statements_in_one_line(reader: Path, tmp_path: Path) -> None:
    assert "only reading statements" in refused(1, "sql", f"copy steps to '{tmp_path}/steps.csv'", "-q")
    assert "Permission Error" in refused(1, "sql", "select * from read_text('/etc/hostname')", "-q")
    assert "give one statement, not 2" in refused(1, "sql", "select 1; select 2", "-q")
    assert not files(tmp_path)


@pytest.mark.parametrize(
    "source",
    ["read_csv('{}')", "read_text('{}')", "read_blob('{}')", "read_json('{}')", "read_parquet('{}')", "'{}'",
     "glob('{}')", "read_parquet('{}/../*/*.parquet')", "parquet_metadata('{}')"],
)  # fmt: skip
def test_sql_reads_no_file_but_the_tables_of_the_run(opened: StoredRun, tmp_path: Path, source: str) -> None:
    outside = tmp_path / "outside.parquet"
    pl.DataFrame({"secret": [1]}).write_parquet(outside)
    line = refused_by(1, lambda: opened.sql(f"select * from {source.format(outside)}"))
    assert "Permission Error: Cannot access file" in line


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("select 1; select 2", "give one statement, not 2"),
        ("select 1; drop view run_summary", "give one statement, not 2"),
        ("", "give one statement, not 0"),
        ("selec 1", "Parser Error: syntax error"),
        ("select nosuch from steps", 'Referenced column "nosuch" not found'),
        ("select * from nosuch", "unknown table 'nosuch'"),
        ("select * from frame", "unknown table 'frame'"),
        ("select $limit", "Values were not provided for the following parameters: limit"),
        ("with x as (insert into steps select * from steps returning *) select * from x", "Cannot write to database"),
    ],
)
def test_sql_errors_are_one_line(opened: StoredRun, statement: str, said: str) -> None:
    assert said in refused_by(1, lambda: opened.sql(statement))


def test_reading_sql_works_after_all_that(reader: Path, opened: StoredRun) -> None:
    assert opened.sql("select count(*) as bars from steps").item() == 60
    assert accepted("sql", "select count(*) as bars from steps", "-q", "--format", "csv") == "bars\n60\n"


# names of people's own


WATCH = '[[watch]]\nname = {}\ncoin = "BTC"\nside = "short"\nsize_base = 25\nentry_px = 50000\nleverage = 4\n'
HOSTILE = (
    "<script>alert(1)</script>",
    "\"' onload=alert(1) x='",
    "'; drop table watch; --",
    "../../../outside",
    "{{ 7 * 7 }} ${HOME}",
    "ünï 漢 👩‍🚀 \u202eabc",
    "x" * 2000,
)


def _quoted(name: str) -> str:
    return json.dumps(name, ensure_ascii=False)


class _Tags(HTMLParser):
    """Collects what a page would run."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.scripts: list[str] = []
        self.handlers: list[str] = []
        self.inside = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.inside = tag == "script"
        self.handlers += [name for name, _ in attrs if name.startswith("on")]

    def handle_endtag(self, tag: str) -> None:
        self.inside = False

    def handle_data(self, data: str) -> None:
        if self.inside:
            self.scripts.append(data)


def _report_is_harmless(home: Path) -> str:
    """Check the one report of a workspace and return its text."""
    (path,) = (page for page in (home / "reports").iterdir() if page.name != "index.html")
    assert re.fullmatch(r"[\w-]+\.html", path.name)
    text = path.read_text("utf-8")
    tags = _Tags(text)
    assert not any("alert" in script for script in tags.scripts)
    assert tags.handlers == []
    assert "<script>alert" not in text
    return text


def _outside(home: Path) -> set[Path]:
    """Return what lies beside a workspace."""
    return set(home.parent.iterdir())


def test_hostile_names_of_positions_and_accounts_stay_names(workspace: Path, tmp_path: Path) -> None:
    scenario, book = tmp_path / "watch.toml", tmp_path / "book.csv"
    scenario.write_text("\n".join(WATCH.format(_quoted(name)) for name in HOSTILE), "utf-8")
    accounts = {f"account {number}": name for number, name in enumerate((*HOSTILE, "two\nlines", "\x1b[31mred\x00"))}
    pl.DataFrame(
        {
            "account": [*accounts, "../../etc"],
            "symbol": "BTC",
            "side": ["long"] * len(accounts) + ["short"],
            "quantity_base": [1] * len(accounts) + [len(accounts)],
            "entry_px": 49_500,  # above the first mark: the longs are bankrupt, the watched shorts pay
            "collateral_usd": 500,
            "cohort": ["<b>cohort", *["../c"] * len(accounts)],
            "name": [*accounts.values(), "<img src=x onerror=alert(1)>"],
        }
    ).write_csv(book)
    before = _outside(workspace)
    accepted(*replay_words("fund_start_usd=0", positions=str(book)), "-c", str(scenario), "--report", "--draws", "0")
    run = open_run()
    watched = run.accounts["cohort"] == "watch"
    assert set(run.accounts.filter(watched)["name"]) == set(HOSTILE)
    assert set(run.accounts.filter(~watched)["name"]) >= {*accounts.values(), "<img src=x onerror=alert(1)>"}
    assert set(run.query("hedges")["name"]) == set(HOSTILE)
    assert run.query("watch_ranks", name=HOSTILE[2]).height == run.query("adl_waves").height > 0
    text = _report_is_harmless(workspace)
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert "{{ 7 * 7 }}" in text
    assert {name.partition("/")[0] for name in files()} == {"runs", "reports"}
    assert _outside(workspace) == before
    shown = accepted("sql", "select name from accounts", "-q")
    assert "\x1b" not in shown
    assert len(shown.splitlines()) == 2 + len(HOSTILE) + len(accounts) + 1
    scenario.write_text(run.meta.scenario_toml, "utf-8")  # the run writes its scenario out to be read back
    assert accepted("replay", "-c", str(scenario), "--positions", str(book), "-q").startswith(f"run {run.run_id}\n")


@pytest.mark.parametrize("name", ["a\nb", "\x1b[31mred", "\u2028", "", "   "])
def test_watch_names_that_would_garble_a_terminal_are_refused(tmp_path: Path, name: str) -> None:
    scenario = tmp_path / "watch.toml"
    scenario.write_text(WATCH.format(_quoted(name)), "utf-8")
    line = refusal(2, file=scenario)
    assert f"[[watch]] 1: name = {name!r}; write one line without control characters" in line


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("size_base = 0", "size_base = 0; allowed: above 0"),
        ("size_base = nan", "key 'size_base' is nan; it must be a finite number"),
        ("size_base = 0.0001", "size_base 0.0001 is below one lot of 0.001 BTC; raise it"),
        ("size_base = 1e9", "worth over 1.1e12 USD, too large for int64; lower size_base"),
        ("entry_px = -1", "entry_px = -1; allowed: above 0"),
        ("leverage = 126", "its tier allows at most 20; lower leverage or size_base"),
        ('side = "up"', "side = 'up'; allowed: long, short"),
        ('coin = "../x"', "../X is not simulated; allowed: BTC; add it to coins or correct it"),
    ],
)
def test_a_watch_that_cannot_be_held_is_refused(tmp_path: Path, change: str, said: str) -> None:
    key = change.partition(" =")[0]
    scenario = tmp_path / "watch.toml"
    scenario.write_text(re.sub(rf"(?m)^{key} = .*$", change, WATCH.format('"mine"')), "utf-8")
    assert said in refusal(2, file=scenario)
