"""``crashbook replay``: layers of settings, what is printed where, and what is left on disk."""

from __future__ import annotations

import json
import os
import re
import sys
import threading
from contextlib import suppress
from decimal import Decimal
from pathlib import Path

import pytest

from backtest.catalogue.events import get_event
from backtest.cli.program import crashbook
from backtest.cli.replay import event_name, overrides
from backtest.run.folder import run_ids
from backtest.run.resolve import resolve
from backtest.run.run import open_run
from backtest.studies.grid import settings
from tests.cli.conftest import SMALL
from tests.support.command import call

WINDOW = ("--set", "start=2025-10-10T21:15:00", "--set", "end=2025-10-10T21:20:00", "--set", "step_s=10")
BOOK = """account,symbol,side,quantity_base,entry_px,leverage
a,BTC,long,10,52000,20
b,BTC,short,10,52000,5
"""


def scenario_of(run: str = "latest") -> dict[str, object]:
    """Return the resolved scenario of a run."""
    return open_run(run).meta.scenario.plain()


def test_summary_on_stdout_and_notes_on_stderr(workspace: Path) -> None:
    result = call("replay", *SMALL, "--report", "--draws", "0", "--label", "base")
    assert result.exit_code == 0, result.stderr
    run = open_run()
    assert result.stdout.startswith(f"run {run.run_id}\n")
    assert "22 of 22 passed, residual 0 USD\n" in result.stdout
    page = workspace / "reports" / f"2021-12-04-binanceusdm-{run.run_id}.html"
    assert result.stdout.endswith(f"report  {page}\n")
    assert page.read_text("utf-8").startswith("<!doctype html>")
    assert ">base<" in (page.parent / "index.html").read_text("utf-8")
    notes = result.stderr.splitlines()
    assert [line.split()[1] for line in notes[:4]] == ["prices:", "mark:", "book:", "funding:"]
    assert notes[0] == "note: prices: measured, minute bars of binanceusdm"
    assert notes[4] == f"note: {len(run.meta.notes)} more; --notes prints them"
    assert len(notes) == 5
    again = call("replay", *SMALL, "--notes")
    first, *more = again.stderr.splitlines()
    assert first == "note: this run was on disk already; --fresh simulates it again"
    assert more == [*notes[:4], *(f"note: {text}" for text in run.meta.notes)]
    assert "report" not in again.stdout


def test_the_same_inputs_are_simulated_again_only_if_asked(copied: Path) -> None:
    assert scenario_of()["seed"] == 1
    written = {run: (copied / "runs" / run / "run.json").stat().st_mtime_ns for run in run_ids()}
    assert call("replay", *SMALL, "--seed", "2", "--format", "json").exit_code == 0
    shown = open_run()
    assert shown.meta.scenario.seed == 2, "a run shown again becomes the latest"
    assert (shown.path / "run.json").stat().st_mtime_ns == written[shown.run_id]
    assert call("replay", *SMALL, "--fresh", "--format", "json").exit_code == 0
    fresh = open_run()
    assert (fresh.meta.scenario.seed, {*run_ids()}) == (1, {*written})
    assert (fresh.path / "run.json").stat().st_mtime_ns > written[fresh.run_id]


def test_seeds_add_bands_and_a_fresh_run_keeps_them_and_its_label(workspace: Path) -> None:
    args = ("replay", *SMALL, "--set", "positions=100", "--set", "step_s=60", "-q")
    result = call(*args, "--seeds", "2", "--label", "base")
    assert result.exit_code == 0, result.stderr
    assert "of 2 runs" in result.stdout
    run = open_run()
    assert result.stdout.startswith(f"run {run.run_id}\n")
    seeds = run.studies.seeds
    assert seeds is not None
    assert len(seeds.summaries) == 2
    assert call(*args, "--fresh", "--format", "json").exit_code == 0
    assert open_run("base").studies.seeds == seeds
    assert len(run_ids()) == 1, "the folder of the other seed is gone"
    (row,) = json.loads(call("runs", "--format", "json").stdout)
    assert (row["label"], row["beside"], row["differs"]) == ("base", "2 seeds", "step_s=60")
    assert row["size_mb"] < 1
    assert "removed 0 runs" in call("runs", "prune", "--keep", "0").stderr, "a label protects"
    assert call("runs", "rm", "base", "-q").exit_code == 0
    assert run_ids() == []
    assert call("runs", "prune").exit_code == 2
    assert call("runs", "rm").exit_code == 2


def test_a_date_runs_the_window_that_holds_it(workspace: Path) -> None:
    words = ("--venue", "binanceusdm", "--explain", "-q")
    assert "2020-03-12 23:30 to 2020-03-13 03:30 UTC" in call("replay", "2020-03-13", *words).stdout
    assert "2020-03-12 10:00 to 14:00 UTC" in call("replay", "2020-03-12", *words).stdout


def test_headlines_for_other_programs(shared: Path) -> None:
    result = call("replay", *SMALL, "--format", "json", "-q")
    assert result.stderr == ""
    (row,) = json.loads(result.stdout, parse_float=Decimal)
    run = open_run()
    assert (row["run_id"], row["adl_usd"], row["folder"]) == (run.run_id, run.summary()["adl_usd"], str(run.path))
    assert row["report"] is None


def test_the_report_goes_where_it_is_asked_to(shared: Path, desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backtest.report.render", lambda run, path, made: path)
    result = call("replay", *SMALL, "--output", "out/mine.html", "--draws", "0")
    assert result.stdout.splitlines()[-1] == "report  out/mine.html"
    refused = call("replay", *SMALL, "--output", "mine.html", "--no-report")
    assert refused.exit_code == 2
    other = call("replay", *SMALL, "--output", "mine.pdf")
    assert other.exit_code == 2
    assert "a report is a page, name it .html" in other.stderr


def test_layers_file_under_options_under_set(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('event = "2021-12-04"\npositions = 300\nseed = 3\nintrabar = "close"\nimpact = "none"\n')
    options = {"seed": 4, "positions": 200}
    given = overrides(file, options, ["impact=linear"])
    assert event_name(None, given["event"]) == "2021-12-04"
    assert [given[name] for name in ("positions", "seed", "intrabar", "impact")] == [200, 4, "close", "linear"]
    assert overrides(file, options, ["seed=5", "open_interest_usd.BTC=1e9"])["seed"] == 5


def test_set_changes_one_coin(workspace: Path) -> None:
    result = call("replay", *SMALL, "--set", "open_interest_usd.BTC=1e9", "--explain", "-q")
    assert re.search(r"open_interest_usd +BTC 1,000,000,000 ", result.stdout), result.stderr


def test_the_scenario_of_a_run_gives_the_same_run(shared: Path, tmp_path: Path) -> None:
    run = open_run()
    file = tmp_path / "again.toml"
    file.write_text(run.meta.scenario_toml, "utf-8")
    result = call("replay", "-c", str(file))
    assert result.stdout.startswith(f"run {run.run_id}\n")
    assert "on disk already" in result.stderr


def test_a_book_from_a_file(workspace: Path, tmp_path: Path) -> None:
    book = tmp_path / "book.csv"
    book.write_text(BOOK)
    result = call("replay", "2021-12-04", "--positions", str(book), "-q")
    assert result.exit_code == 0, result.stderr
    assert "  2 (imported book" in result.stdout
    book.write_text(BOOK.replace("b,BTC,short,10", "b,BTC,shrt,-10"))
    bad = call("replay", "2021-12-04", "--positions", str(book), "-q")
    assert bad.exit_code == 1
    assert "row 3, side:" in bad.stderr
    assert "row 3, quantity_base:" in bad.stderr
    assert len(run_ids()) == 1


def test_grid_prints_what_each_change_does(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    resolved = resolve("2025-10-10", {"coins": ("BTC", "SOL")})
    whole = settings(resolved)
    assert [*whole] == [entry.label for entry in get_event("2025-10-10").sensitivity]
    some = dict([*whole.items()][::7])  # each is a run of its own
    monkeypatch.setattr("backtest.studies.grid.settings", lambda resolved: some)
    result = call("replay", "2025-10-10", "--positions", "100", "--coins", "BTC,SOL", *WINDOW, "--grid", "-q")
    assert result.exit_code == 0, result.stderr
    rows = open_run().studies.grid
    labels = [row.label for row in rows]
    assert labels == ["nothing: this run", *some]
    assert len({row.run_id for row in rows}) == len(rows)
    assert all(label in result.stdout for label in labels)


def test_the_grid_of_some_coins_has_their_share_of_the_one_vault() -> None:
    resolved = resolve("2025-10-10", {"coins": ("BTC", "SOL"), "vaults": ()})
    scaled = {label: fields for label, fields in settings(resolved).items() if label.endswith(", 92.6% of it")}
    assert [label.split(",")[0] for label in scaled] == ["vaults 5M", "vaults 30M"]
    assert [fields["vault_capital_usd"] for fields in scaled.values()] == [
        round(size * resolved.vault_frac, 2) for size in (5e6, 30e6)
    ]


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (("2021-12-04", "--grid"), 2, "no sensitivity grid"),
        (("2021-12-04", "--positions", "book.csv", "--seeds", "2"), 2, "--seeds draws synthetic books"),
        ((), 2, "missing EVENT"),
        (("2021-12-04", "--set", "event=tariff-october"), 2, "two events"),
        (("2021-12-04", "--set", "sead=1"), 2, "did you mean seed"),
        (("2021-12-04", "--set", "seed"), 2, "--set field=value"),
        (("2021-12-04", "--set", "positions=1"), 2, "allowed: 2 to 20"),
        (("2021-12-04", "--venue", "bybitt"), 2, "did you mean bybit"),
        (("2021-12-04", "--coins", "BTC,BTC"), 2, "twice"),
        (("2021-12-04", "--coins", "FOO"), 2, "unknown coin"),
        (("2021-12-04", "--seed", "-1"), 2, "'--seed'"),
        (("2021-12-04", "--seed", "x"), 2, "'--seed'"),
        (("2021-12-04", "--seeds", "1"), 2, "'--seeds'"),
        (("2021-12-04", "-c", "absent.toml"), 2, "absent.toml: no such file"),
        (("2021-12-04", "--positions", "absent.csv"), 1, "absent.csv: cannot be read"),
        (("2021-05-19",), 3, "no bars of BTC"),
        (("2021-12-04", "--set", "start=2021-12-04T05:00:00", "--set", "end=2021-12-04T05:00:00"), 3, "empty window"),
        (("december",), 2, "did you mean 2024-12-09 (Altcoin flush, 9 December 2024) or 2021-12-04 ("),
        (("2022-05-20",), 2, "did you mean 2022-05-07 (LUNA and UST, 7-14 May 2022) or 2022-06-12 ("),
        (("2021-12-04", "--set", "insurance_fund=5"), 2, "unknown key 'insurance_fund'; did you mean fund_start_usd"),
        (("2021-12-04", "BTC"), 2, "coins are given with --coins BTC"),
        (("2021-12-04", "bybit"), 2, "a venue is given with --venue bybit"),
        (("2021-12-04", "step_s=5"), 2, "a field is set with --set step_s=5"),
        (("2021-12-04", "--seed", "1.5"), 2, "'1.5' is not a whole number"),
        (("2021-12-04", "--shock", "2"), 2, "a field is set with --set shock=VALUE"),
        (
            ("2021-12-04", "--policy", "queue"),
            2,
            "crashbook compare EVENT --policy A,B sets policies beside each other",
        ),
        (("2021-12-04", "--positions", "100.000"), 2, "100.000 may be 100 or 100000"),
        (("2021-12-04", "--draws", "-1"), 2, "allowed are 0 for none, or 2 to 10,000"),
        (("2021-12-04", "--format", "excel"), 2, "crashbook export RUN x.xlsx"),
    ],
)
def test_refusals_are_one_line_and_leave_nothing(
    args: tuple[str, ...], code: int, words: str, workspace: Path, desk: Path
) -> None:
    result = call("replay", *args)
    assert result.exit_code == code, result.stderr
    assert result.stderr.startswith("crashbook: ")
    assert words in result.stderr
    assert result.stderr.count("\n") == 1
    assert "Traceback" not in result.stderr
    assert result.stdout == ""
    assert not [*workspace.iterdir(), *desk.iterdir()]


def test_unknown_key_in_a_scenario_file(workspace: Path, tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text("sede = 1\n")
    result = call("replay", "2021-12-04", "-c", str(file))
    assert result.exit_code == 2
    assert result.stderr.startswith("crashbook: mine.toml: unknown key 'sede'; did you mean seed")
    assert result.stderr.count("\n") == 1


def test_explain_shows_the_plan_and_writes_nothing(
    workspace: Path, shelf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = call("replay", *SMALL, "--explain", "--seed", "1")
    assert result.exit_code == 0, result.stderr
    assert not list(workspace.iterdir())
    text = result.stdout
    for words in ("not on disk yet", "venue profile", "given", "data/sample/binanceusdm_BTCUSDT_1m_2021-12-04.csv",
                  "EMA of the trade price", "simplified", "not simulated", "about 0.3 GB of memory"):  # fmt: skip
        assert words in text
    run_id = next(line.split()[2].rstrip(",") for line in text.splitlines() if line.startswith("run id"))
    monkeypatch.setenv("CRASHBOOK_HOME", str(shelf))
    assert open_run().run_id == run_id
    assert f"{run_id}, on disk already" in call("replay", *SMALL, "--explain").stdout


def test_an_interrupt_is_one_line_and_130(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*args: object, **kwargs: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("backtest.run.folder.write_parquet", interrupted)
    result = call("replay", *SMALL, "-q")
    assert result.exit_code == 130
    assert result.stderr == "crashbook: interrupted; finished runs and reports are kept, nothing is left half-written\n"
    assert not list((workspace / "runs").iterdir())


def test_an_unwritable_workspace_is_one_line(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wall = workspace / "file"
    wall.touch()
    monkeypatch.setenv("CRASHBOOK_HOME", str(wall / "below"))
    result = call("replay", *SMALL, "-q")
    assert result.exit_code == 1
    assert "cannot write" in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_defect_is_one_line_until_debug_is_given(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: object, **kwargs: object) -> None:
        raise KeyError("lots")

    monkeypatch.setattr("backtest.run.prepare.prepare", broken)
    result = call("replay", *SMALL)
    assert result.exit_code == 1
    assert result.stderr == "crashbook: a defect of the program: KeyError: 'lots'; crashbook --debug shows where\n"
    shown = call("--debug", "replay", *SMALL)
    assert shown.exit_code == 1
    assert "Traceback (most recent call last)" in shown.stderr
    assert shown.stderr.splitlines()[-1].startswith("crashbook: a defect")


def test_debug_shows_the_traceback_of_a_known_error() -> None:
    shown = call("--debug", "events", "nonsense")
    assert shown.exit_code == 2
    assert "Traceback" in shown.stderr
    assert shown.stderr.splitlines()[-1].startswith("crashbook: unknown event 'nonsense'")


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="needs a pseudo-terminal")
def test_progress_is_for_a_terminal_and_leaves_nothing(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    leader, follower = os.openpty()
    shown: list[bytes] = []

    def read() -> None:
        with suppress(OSError):  # the other end is closed
            while piece := os.read(leader, 65536):
                shown.append(piece)

    reader = threading.Thread(target=read)
    reader.start()
    with os.fdopen(follower, "w") as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        words = ["replay", *SMALL, "--set", "positions=100", "--set", "step_s=60"]
        with pytest.raises(SystemExit) as ended:
            crashbook.main(words)
    reader.join()
    os.close(leader)
    out, errors = capsys.readouterr()
    assert (ended.value.code, errors) == (0, "")
    assert b"replaying" in b"".join(shown)
    assert b"\x1b[2Knote: " in b"".join(shown), "the bar is wiped before the notes"
    assert out.startswith("run ")
    assert "\x1b" not in out
