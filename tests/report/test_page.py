"""The page as text: order, story, escaping, what it loads, and that it can be trusted to be whole."""

from __future__ import annotations

import base64
import hashlib
import re
import subprocess
import sys
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from backtest.errors import CrashbookError
from backtest.report import render, render_html
from backtest.report.figures.canvas import COLOURS
from backtest.report.findings import Findings
from backtest.report.story import sentences
from tests.report.fake_run import EVIL, FakeRun

ORDER = [
    "story",
    "numbers",
    "price",
    "liquidated",
    "map",
    "cascade",
    "cross",
    "paid",
    "queue",
    "mine",
    "sure",
    "checks",
]
CASES: dict[str, dict[str, Any]] = {
    "vault and ADL": {},
    "fund and ADL": {"pool": "fund"},
    "no ADL": {"adl": False},
    "no ADL, fund": {"adl": False, "pool": "fund"},
    "no liquidation": {"liquidated": False},
    "one symbol": {"coins": ("BTC",)},
    "watched": {"watch": True},
    "watched, no ADL": {"watch": True, "adl": False},
    "several seeds": {"seeds": 5},
    "evil names": {"tag": EVIL, "watch": True, "seeds": 3, "cross": True},
    "cross accounts": {"cross": True},
    "cross accounts of one coin": {"cross": True, "coins": ("BTC",)},
}


class Reader(HTMLParser):
    """Collects elements, attributes and the text a reader sees."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def values(self, attribute: str) -> list[str]:
        return [attrs[attribute] or "" for _, attrs in self.elements if attribute in attrs]


@cache
def page(case: str) -> str:
    return render_html(FakeRun(**CASES[case]))


def read(case: str) -> Reader:
    return Reader(page(case))


def plain(markup: object) -> str:
    return re.sub(r"<[^>]*>", "", str(markup)).replace("\xa0", " ")


@pytest.mark.parametrize("case", CASES)
def test_sections_come_in_order(case: str) -> None:
    found = [attrs["id"] for tag, attrs in read(case).elements if tag == "section"]
    left_out = {name for name, shown in (("mine", "watch"), ("cross", "cross")) if not CASES[case].get(shown)}
    assert found == [name for name in ORDER if name not in left_out]


@pytest.mark.parametrize("case", CASES)
def test_every_section_has_question_answer_and_sql(case: str) -> None:
    for body in re.findall(r"<section id=.*?</section>", page(case), re.DOTALL):
        question = plain(re.search(r"<h2>.*?</h2>", body, re.DOTALL)[0])
        answer = plain(re.search(r'<div class="answer">.*?</div>', body, re.DOTALL)[0])
        assert question.endswith("?")
        assert answer.endswith(".")
        assert not re.search(r"\bNone\b(?! of )", answer)
        assert "nan" not in answer.split()
        if "<svg" in body:
            assert '<details class="code" id="sql-' in body


@pytest.mark.parametrize("case", CASES)
def test_the_story_has_five_to_eight_sentences_and_each_links_to_its_section(case: str) -> None:
    told = sentences(Findings(FakeRun(**CASES[case])))
    assert 5 <= len(told) <= 8
    for sentence in told:
        links = re.findall(r'href="#(\w+)"', sentence)
        assert links or "Nobody was auto-deleveraged" in sentence
        assert set(links) <= set(ORDER)
        assert plain(sentence).endswith(".")


@pytest.mark.parametrize(
    ("case", "words"),
    [
        (
            "vault and ADL",
            "The vault went under water: it began with 50.0 M USD, its equity was lowest at 21:19:40, −38.4 M USD",
        ),
        (
            "vault and ADL",
            "Auto-deleveraging began at 21:16:04, 24 min 52 s after the first liquidation: 4,211 winning positions",
        ),
        ("vault and ADL", "prices are a proxy; open interest, book, mark and liquidity are modelled"),
        ("fund and ADL", "The insurance fund gave way: it began with 1,200 M USD"),
        (
            "fund and ADL",
            "It began although the fund was not empty: 6,444 orders of 812 M USD would have filled below bankruptcy.",
        ),
        ("vault and ADL", "−1.20 M USD stayed uncovered, losses that nobody bore."),
        (
            "no ADL",
            "Nobody was auto-deleveraged: the order book and the vault, whose lowest equity was 50.0 M USD, took every",
        ),
        ("no liquidation", "None of the 100,000 positions in the book reached its maintenance margin"),
        ("no liquidation", "Nobody was auto-deleveraged: no position was liquidated."),
        ("one symbol", "BTC fell 13.1 % from 116,820 to 101,517, its low at 21:20:20."),
        ("watched", "lost its leg from 21:19:04 on: 1.68 M USD of delta stood unhedged for 60 min 56 s."),
        ("watched, no ADL", "None of the 2 watched positions was closed by auto-deleveraging."),
    ],
)
def test_the_story_tells_each_case(case: str, words: str) -> None:
    story = re.search(r'<section id="story">.*?</section>', page(case), re.DOTALL)[0]
    assert words in plain(story)


def test_the_section_on_cross_margin_tells_both_effects_and_the_accounts() -> None:
    text = " ".join(plain(page("cross accounts")).split())
    assert "12.5 M USD in 35 cross positions was liquidated although the price of its own coin" in text
    assert "17.5 M USD in 45, whose own collateral would not have been enough, stood on that of other coins." in text
    assert "20 accounts lost several coins in one step." in text
    assert "No account lost positions in several coins within one step." in read("cross accounts of one coin").text


def test_empty_sections_say_why() -> None:
    text = read("no liquidation").text
    assert "There is no queue to draw: no position was liquidated." in text
    assert "No liquidation order met the book, so there is no ratio to show." in text
    assert "Nothing was liquidated, so no loss had to be shared." in text
    assert "One seed was run, so there is no band." in text


def test_names_of_any_origin_are_shown_and_never_run() -> None:
    reader = read("evil names")
    assert [tag for tag, _ in reader.elements].count("script") == 1
    assert not [name for _, attrs in reader.elements for name in attrs if name.startswith("on")]
    for place in (
        "Tariff crash, 10 October 2025",
        "Hyperliquid",
        "above 7x",
        "desk A short BTC",
        "synthetic, seed 1",
        "liquidity halved",
        "# ",
        "2025-10-10.csv",
        "Place of desk A short BTC",
    ):
        shown = reader.text + " ".join(reader.values("aria-label"))
        assert place + EVIL in shown, place
    assert "<script>alert" not in page("evil names")


def test_an_address_that_is_not_of_the_web_is_no_link() -> None:
    reader = read("vault and ADL")
    assert "javascript:alert(1)" in reader.text
    assert {value.split(":")[0] for value in reader.values("href") if not value.startswith("#")} == {"https"}


@pytest.mark.parametrize("case", CASES)
def test_the_page_loads_nothing(case: str) -> None:
    reader = read(case)
    assert not reader.values("src")
    assert not [tag for tag, _ in reader.elements if tag in {"link", "img", "iframe", "image", "use", "object"}]
    assert "@import" not in page(case)
    assert not re.search(r"url\((?!#)", page(case))


def test_the_policy_allows_only_the_script_of_the_template() -> None:
    policy = next(attrs["content"] for _, attrs in read("watched").elements if "http-equiv" in attrs)
    script = re.search(r"<script>(.*?)</script>", page("watched"), re.DOTALL)[1]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert policy.startswith("default-src 'none';")
    assert f"script-src 'sha256-{digest}';" in policy


@pytest.mark.parametrize("case", CASES)
def test_ids_are_unique_and_every_anchor_exists(case: str) -> None:
    reader = read(case)
    ids = reader.values("id")
    assert len(ids) == len(set(ids))
    assert {value[1:] for value in reader.values("href") if value.startswith("#")} <= set(ids)


def test_every_colour_of_a_figure_is_a_variable_with_a_light_and_a_dark_value() -> None:
    drawings = "".join(re.findall(r"<svg .*?</svg>", page("watched"), re.DOTALL))
    assert not re.findall(r"#[0-9a-f]{6}", drawings)
    style = re.search(r"<style>(.*?)</style>", page("watched"), re.DOTALL)[1]
    light, dark = style.split("prefers-color-scheme: dark", 1)
    for role in set(re.findall(r"var\(--([\w-]+)\)", drawings)):
        assert role in COLOURS
        assert f"--{role}:" in light
        assert f"--{role}:" in dark.split("}", 1)[0]


@pytest.mark.parametrize("case", ["watched", "several seeds"])
def test_the_page_is_small_and_equal_runs_give_equal_bytes(case: str) -> None:
    assert len(page(case).encode()) < 3_000_000
    assert render_html(FakeRun(**CASES[case])) == page(case)


def test_bands_are_shown_with_several_seeds_only() -> None:
    assert '<span class="band">' in page("several seeds")
    assert '<span class="band">' not in page("vault and ADL")
    assert "under a number its 5 to 95 % range over 5 seeds" in read("several seeds").text


def test_a_failed_audit_is_not_overlooked() -> None:
    text = Reader(render_html(FakeRun(coins=("BTC",), failing_audit=True))).text
    assert "No: 1 of 8 audits fail (open_interest_balanced)" in text
    assert "✗ FAIL" in text
    assert "7 of 8 audits pass" in text.replace("\xa0", " ")


def test_conflicting_facts_are_both_shown_and_a_censored_one_gets_no_verdict() -> None:
    body = re.search(r'<table class="facts">.*?</table>', page("vault and ADL"), re.DOTALL)[0]
    rows = [plain(row) for row in re.findall(r"<tr.*?</tr>", body, re.DOTALL)]
    clash = next(i for i, row in enumerate(rows) if row.startswith("conflicts with"))
    assert rows[clash - 1].startswith("BTC move to the low")
    assert "−17.0 % to −16.0 %" in rows[clash]
    onset = next(row for row in re.findall(r"<tr.*?</tr>", body, re.DOTALL) if "first ADL" in row)
    assert "no verdict" in plain(onset)
    assert "track onset" in onset


def facts_rows(run: FakeRun) -> tuple[str, list[str]]:
    """Return the sentence of the section and the rows of the comparison as text."""
    body = re.search(r'<section id="sure">.*?</section>', render_html(run), re.DOTALL)[0]
    rows = re.findall(r"<tr.*?</tr>", re.search(r'<table class="facts">.*?</table>', body, re.DOTALL)[0], re.DOTALL)
    return plain(re.search(r'<div class="answer">.*?</div>', body, re.DOTALL)[0]), [plain(row) for row in rows]


def set_facts(run: FakeRun, wanted: str, **change: Any) -> None:
    for fact in run.meta_table["event"]["facts"]:
        if fact["id"].startswith(wanted):
            fact.update(change)


def test_a_figure_of_another_venue_is_shown_without_a_ratio_and_not_counted() -> None:
    run = FakeRun(coins=("BTC",))
    set_facts(run, "liquidated_", venue="okx")
    sentence, rows = facts_rows(run)
    assert "1 of 1 published figure lies within" in sentence or "0 of 1 published figure lie within" in sentence
    foreign = next(row for row in rows if row.startswith("BTC liquidated"))
    assert "a figure of okx; this run has the rules of hyperliquid" in foreign
    assert "other venue" in foreign
    set_facts(run, "adl_", venue="hyperliquid")
    assert facts_rows(run)[0] == sentence
    set_facts(run, "adl_", venue="okx")
    assert "no published figure of hyperliquid can be compared with this run" in facts_rows(run)[0]


def test_derived_figures_are_counted_apart() -> None:
    run = FakeRun(coins=("BTC",))
    set_facts(run, "liquidated_", mark="D")
    assert "of 2 figures (1 published, 1 derived from published ones) " in facts_rows(run)[0]


def test_with_seeds_the_median_is_compared() -> None:
    run = FakeRun(coins=("BTC",))
    set_facts(run, "adl_BTC", value=100)
    set_facts(run, "liquidated_BTC", venue="okx")
    compared = {"adl_BTC": [float(value) for value in range(100, 121)]}
    run.study_table["seeds"] = {"run_ids": [], "summaries": [], "bands": {}, "compared": compared}
    sentence, rows = facts_rows(run)
    assert "1 of 1 published figure lies within a factor of two of the replay (median of 21 seeds)" in sentence
    row = next(row for row in rows if row.startswith("BTC closed by ADL"))
    assert "110 USDmedian of 21 seeds, 5–95 %:101 USD to 119 USD" in row
    assert "1.10" in row


def test_an_adl_before_the_window_has_no_onset_in_it() -> None:
    run = FakeRun(coins=("BTC",))
    for entry in run.meta_table["event"]["compare"]:
        entry["start"] = "2025-10-10T21:18:00"
    assert any("before the window, 21:16:04" in row for row in facts_rows(run)[1])


def test_facts_of_coins_that_did_not_run_are_left_out() -> None:
    body = re.search(r'<table class="facts">.*?</table>', page("one symbol"), re.DOTALL)[0]
    assert "BTC liquidated" in plain(body)
    assert "SOL" not in plain(body)


def test_the_waterfall_shows_every_unit_and_sums_to_zero() -> None:
    body = re.search(r'<ol class="waterfall">.*?</ol>', page("vault and ADL"), re.DOTALL)[0]
    amounts = [plain(cell) for cell in re.findall(r'<span class="amount num">.*?</span>', body)]
    assert amounts == [
        "431,000,000.000000",
        "−412,345,678.123456",
        "−1,250,000.250000",
        "−61,000,000.500000",
        "0.000000",
        "31,000,000.000000",
        "11,392,222.084456",
        "1,203,456.789000",
        "0.000000",
    ]


def test_the_queue_names_what_lies_between() -> None:
    run = FakeRun(coins=("BTC",))
    run.queue = run.queue.filter(~run.queue["rank"].is_between(31, 50))
    assert "20 more between" in Reader(render_html(run)).text


def test_a_report_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    run = FakeRun(coins=("BTC",))
    target = tmp_path / "new" / "folder" / "report.html"
    assert render(run, target) == target
    assert target.read_text(encoding="utf-8").endswith("</html>\n")
    before = target.read_bytes()
    run.meta_table["event"].pop("title")
    with pytest.raises(Exception, match="title"):
        render(run, target)
    assert target.read_bytes() == before
    assert [path.name for path in target.parent.iterdir()] == ["report.html"]


def test_a_place_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CrashbookError, match=r"cannot write the report .*; choose another path") as error:
        render(FakeRun(coins=("BTC",)), tmp_path / "file" / "report.html")
    assert "\n" not in str(error.value)


def test_the_default_place_is_the_workspace(workspace: Path) -> None:
    assert render(FakeRun(coins=("BTC",))) == workspace / "reports" / "2025-10-10-3f9c1ab27d04.html"


def test_importing_the_report_imports_neither_matplotlib_nor_templates() -> None:
    code = "import sys, backtest.report; print([m for m in ('matplotlib', 'jinja2', 'polars') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
