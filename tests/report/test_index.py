"""The page of all runs and pages: links that lead to files beside it, and every name escaped."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from backtest.assets import inside
from backtest.durable import make_folder, write_file
from backtest.report.index import beside, page, write
from backtest.report.page import save
from tests.report.conftest import EVIL, Reports


@pytest.fixture
def folder(reports: Reports, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the reports folder of a workspace with two runs, a report of one and a page of a comparison."""
    monkeypatch.setenv("CRASHBOOK_HOME", str(reports.home))
    first, _ = reports.run("one symbol"), reports.run("no ADL")
    made = inside(reports.home, "reports")
    make_folder(made)
    save("<h1>a run</h1>", inside(made, f"2025-10-10-hyperliquid-{first.run_id}.html"))
    band = "<h1>Crash</h1><dl><div><dt>base</dt><dd>queue &lt;b&gt;</dd></div></dl>"
    save(band, inside(made, "compare-2025-10-10-hyperliquid-0123abcd.html"))
    return made


def test_runs_have_their_headline_what_differs_and_the_link_to_their_report(folder: Path, reports: Reports) -> None:
    text = page()
    first, second = reports.run("one symbol"), reports.run("no ADL")
    assert f'<a href="2025-10-10-hyperliquid-{first.run_id}.html">{first.run_id}</a>' in text
    assert second.run_id in text
    assert f"-{second.run_id}.html" not in text, "it has no report"
    assert "fund_start_usd=" in text
    assert text.count("<script") == 1


def test_pages_have_their_title_and_what_was_asked(folder: Path) -> None:
    text = page()
    assert re.findall(r'<section id="([^"]+)">', text) == ["runs", "compare"]
    assert '<a href="compare-2025-10-10-hyperliquid-0123abcd.html">' in text
    assert "base queue &lt;b&gt;" in text
    write_file(folder / "fund-mine.html", f"<h1>{EVIL.replace('<', '&lt;')}</h1>".encode())
    assert EVIL not in page()
    (folder / "fund-mine.html").unlink()


def test_it_is_written_with_every_page_beside_it_and_with_no_other(folder: Path, tmp_path: Path) -> None:
    assert write() == folder / "index.html"
    (folder / "index.html").unlink()
    beside(tmp_path / "elsewhere.html")
    assert not (folder / "index.html").exists()
    beside(folder / "fund-a.html")
    assert (folder / "index.html").is_file()
