"""The page as text: order, sentences, escaping, what it loads, and that it can be trusted to be whole."""

from __future__ import annotations

import base64
import hashlib
import re
import subprocess
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from backtest import formatting
from backtest.errors import CrashbookError
from backtest.report import page as pages
from backtest.report import render
from backtest.report.figures.style import COLOURS
from backtest.report.findings import Findings
from backtest.report.page import draft, html
from backtest.report.sections.registry import SECTIONS, in_short
from backtest.report.sections.title import title_of
from backtest.run.run import StoredRun
from backtest.run.stored import Studies
from backtest.run.stored import plain as plain_row
from backtest.sql.files import get_query
from tests.report.conftest import EVIL, NO_ADDRESS, PAGES, Draft, Reports, plain, section_of

ORDER = [section.id for section in SECTIONS]


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


def usd(value: Any) -> str:
    return formatting.usd(value).replace("\xa0", " ")


def section(page: str, name: str) -> str:
    return re.search(rf'<section id="{name}">.*?</section>', page, re.DOTALL)[0]


def answer(page: str, name: str) -> str:
    return plain(re.search(r'<div class="answer">.*?</div>', section(page, name), re.DOTALL)[0])


@pytest.mark.parametrize("case", PAGES)
def test_a_page_is_ordered_answered_self_contained_and_every_anchor_exists(case: str, reports: Reports) -> None:
    page = reports.page(case)
    reader = Reader(page)
    found = [attrs["id"] for tag, attrs in reader.elements if tag == "section"]
    run = reports.run(case)
    sections = {"mine": run.meta.watch, "cross": run.meta.cross, "accounts": run.meta.tables["actual_positions"].rows}
    left_out = {name for name, shown in sections.items() if not shown}
    assert found == [name for name in ORDER if name not in left_out]
    for name in found:
        body = section(page, name)
        assert plain(re.search(r"<h2>.*?</h2>", body, re.DOTALL)[0]).endswith("?")
        assert answer(page, name).strip().endswith(".")
        assert not re.search(r"\bNone\b(?! of )|\bnan\b", answer(page, name)), answer(page, name)
        assert "<svg" not in body or '<details class="code" id="sql-' in body
    assert not reader.values("src")
    assert not [tag for tag, _ in reader.elements if tag in {"link", "img", "iframe", "image", "object"}]
    assert all(attrs["xlink:href"].startswith("#") for tag, attrs in reader.elements if tag == "use")
    assert "@import" not in page
    assert not re.search(r"url\((?!#)", page)
    ids = reader.values("id")
    assert len(ids) == len(set(ids))
    anchors = {value[1:] for name in ("href", "xlink:href") for value in reader.values(name) if value.startswith("#")}
    assert anchors <= set(ids)
    assert len(page.encode()) < 3_000_000


@pytest.mark.parametrize("case", PAGES)
def test_the_paragraph_at_the_top_links_to_sections_and_repeats_none_of_their_sentences(
    case: str, reports: Reports
) -> None:
    f = reports.findings(case)
    top = in_short(f)
    assert set(re.findall(r'href="#(\w+)"', top)) <= set(ORDER)
    sentences = re.split(r"(?<=\.) (?=[A-Z])", plain(top))
    assert 3 <= len(sentences) <= 6
    for one in SECTIONS[1:]:
        if one.shown(f):
            assert not [each for each in sentences if each in reports.answer(case, one.id)]


def test_every_figure_names_the_queries_it_shows(reports: Reports) -> None:
    for each in SECTIONS:
        for part in each.parts:
            assert [get_query(name).name for name in part.queries] == list(part.queries)
    page = reports.page("evil names")
    for figure in re.findall(r'<figure class="part">.*?</figure>', page, re.DOTALL):
        assert "<svg" not in figure or 'class="from"' in figure


def test_the_top_names_fall_liquidations_pool_and_adl(reports: Reports) -> None:
    run = reports.run("vault")
    s, top = run.summary(), reports.answer("vault", "summary")
    for words in (
        "On 10 October 2025, between 20:40 and 22:21 UTC, BTC fell 13.1 %",
        f"{s['liquidations']} liquidations took {usd(s['liquidated_usd'])} out of the book",
        f"The equity of the vault fell from 50.0 M USD to {usd(s['pool_low_usd'])} at {s['pool_low_ts']:%H:%M:%S}",
        f"closed {s['adl_positions']} winning positions with {usd(s['adl_usd'])}",
    ):
        assert words in top


@pytest.mark.parametrize(
    ("case", "place", "words"),
    [
        ("vault", "paid", "of losses had no payer: no collateral, fund, vault or winner was left for them"),
        ("vault", "paid", "The vault stood below the maintenance margin of its own inventory at "),
        ("several vaults", "summary", "The equity of the vaults fell from "),
        ("several vaults", "paid", "Each vault alone had at least: that of BTC "),
        ("several vaults", "paid", " and that of DOGE "),
        ("vault", "queue", "ranked by the hyperliquid rule and closed at the mark of three seconds before"),
        ("fund", "summary", "The equity of the insurance fund fell from 1,000 M USD to "),
        ("fund", "queue", "It began although the fund was not empty: "),
        ("fund", "queue", " would have filled below bankruptcy"),
        ("no ADL", "summary", "the order book and the insurance fund took every liquidated position."),
        ("no liquidation", "summary", "None of the 400 positions reached its maintenance margin, so nothing was"),
        ("no liquidation", "summary", "Nobody was auto-deleveraged: no position was liquidated."),
        ("one symbol", "summary", "BTC fell 13.1 % to 101,517 at 21:20:20."),
        ("watched", "summary", "Of 2 watched positions 1 was closed by auto-deleveraging."),
        ("watched", "mine", "desk A (short BTC) was closed from "),
        ("watched", "mine", "; its result was "),
        ("watched", "mine", " of delta unhedged to the end of the window, "),
        ("watched", "mine", "small long (long SOL) was not closed and ended open."),
        ("no ADL", "summary", "Of 1 watched position none was closed by auto-deleveraging."),
        ("several seeds", "numbers", "under a number its 5 to 95 % range over 2 seeds"),
        ("cross accounts", "cross", "cross positions was liquidated although the price of its own coin"),
        ("no liquidation", "cross", "0 accounts lost several coins in one step."),
        ("inverse", "sure", "no published figure of binancecoinm can be compared with this run"),
    ],
)
def test_sentences_tell_each_case(case: str, place: str, words: str, reports: Reports) -> None:
    assert words in reports.answer(case, place)


def test_a_section_without_rows_says_why(reports: Reports) -> None:
    text = plain(reports.page("no liquidation"))
    for words in (
        "There is no queue to draw: no position was liquidated.",
        "No liquidation order met the book, so there is no ratio to show.",
        "There was no loss to share.",
        "One seed was run, so there is no band over seeds.",
    ):
        assert words in text
    assert "No account lost positions in several coins" in plain(reports.page("no liquidation"))


def test_my_positions_have_their_waves_their_result_and_the_crowd_by_leverage(reports: Reports) -> None:
    run, body = reports.run("watched"), reports.answer("watched", "mine") + reports.body("watched", "mine")
    for words in ("What each wave took, and what stood ahead of me", "Result with and without ADL", "by leverage"):
        assert words in plain(section(reports.page("evil names"), "mine"))
    [mine] = run.query("watch_results").filter(name="desk A").to_dicts()
    assert mine["with_usd"] - mine["without_usd"] == mine["difference_usd"]
    assert (
        f"its result was {usd(mine['with_usd'])}, and would have been {usd(mine['without_usd'])} without ADL"
        in plain(body)
    )
    here = re.search(r'<tr class="here">.*?</tr>', body, re.DOTALL)[0]
    low, high = map(int, re.match(r"BTCshort(\d+)x to (\d+)x", plain(here)).groups())
    assert low <= mine["leverage"] < high


def test_an_inverse_run_names_its_unit(reports: Reports) -> None:
    assert "USD are BTC x" in title_of(reports.findings("inverse")).facts["unit"]


def test_names_of_any_origin_are_shown_and_never_run(reports: Reports) -> None:
    page = reports.page("evil names")
    reader = Reader(page)
    assert [tag for tag, _ in reader.elements].count("script") == 1
    assert not [name for _, attrs in reader.elements for name in attrs if name.startswith("on")]
    shown = reader.text + " ".join(reader.values("aria-label"))
    meta = reports.run("evil names").meta
    places = (meta.event.title, meta.venue.name, meta.labels.book.text, meta.assumptions[0])
    for words in (*places, f"desk A{EVIL}", f"Place of desk A{EVIL}", f"# {EVIL}"):
        assert " ".join(words.split()) in shown, words
    assert "<script>alert" not in page


def test_an_address_that_is_not_of_the_web_is_no_link(reports: Reports) -> None:
    reader = Reader(reports.page("evil names"))
    assert NO_ADDRESS in reader.text
    assert {value.split(":")[0] for value in reader.values("href") if not value.startswith("#")} <= {"https"}


def test_the_policy_allows_only_the_script_of_the_template(reports: Reports) -> None:
    page = reports.page("evil names")
    policy = next(attrs["content"] for _, attrs in Reader(page).elements if "http-equiv" in attrs)
    script = re.search(r"<script>(.*?)</script>", page, re.DOTALL)[1]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert policy.startswith("default-src 'none';")
    assert f"script-src 'sha256-{digest}';" in policy


def test_every_colour_of_a_figure_is_a_variable_with_a_light_and_a_dark_value(reports: Reports) -> None:
    page = reports.page("evil names")
    drawings = "".join(re.findall(r"<svg .*?</svg>", page, re.DOTALL))
    assert not re.findall(r"#[0-9a-f]{6}\b", drawings)
    style = re.search(r"<style>(.*?)</style>", page, re.DOTALL)[1]
    light, dark = style.split("prefers-color-scheme: dark", 1)
    roles = set(re.findall(r"var\(--([\w-]+)\)", drawings))
    assert {"price", "mark", "long", "short", "adl", "pool"} <= roles <= set(COLOURS)
    for role in roles:
        assert f"--{role}:" in light
        assert f"--{role}:" in dark.split("}", 1)[0]


def test_bands_are_shown_with_several_seeds_only(reports: Reports) -> None:
    assert '<span class="band">' in reports.body("several seeds", "numbers")
    assert '<span class="band">' in reports.page("draws")
    assert '<span class="band">' not in reports.body("one symbol", "numbers")
    assert '<span class="band">' not in reports.page("fund")


def test_a_failed_audit_is_not_overlooked(reports: Reports, monkeypatch: pytest.MonkeyPatch) -> None:
    run = reports.draft("one symbol").run()
    first, *rest = run.audits()
    failed = type(first)(**{**vars_of(first), "rows": 3, "passed": False})
    monkeypatch.setattr(run, "audits", lambda: [failed, *rest])
    text = drawn(run, "checks")[0]
    assert f"No: 1 of {len(rest) + 1} audits fail ({first.name})" in text


def vars_of(row: Any) -> dict[str, Any]:
    return {name: getattr(row, name) for name in type(row).__dataclass_fields__}


# published figures


def drawn(run: StoredRun, name: str) -> tuple[str, str]:
    """Return the answer of one section as text and its parts as HTML, without the rest of the page."""
    f, one = Findings(run), section_of(name)
    return plain(one.answer(f)), "".join(str(part.make(f)) for part in one.parts)


def facts_rows(run: Draft) -> tuple[str, list[str]]:
    """Return the sentence of the section and the rows of the comparison as text."""
    sentence, body = drawn(run.run(), "sure")
    tables = "".join(re.findall(r'<table class="facts">.*?</table>', body, re.DOTALL))
    rows = re.findall(r"<tr.*?</tr>", tables, re.DOTALL)
    return sentence, [plain(row) for row in rows]


def compare(run: Draft, *kept: Callable[[dict[str, Any]], bool], **change: Any) -> None:
    """Keep the comparisons of BTC that ``kept`` names, in this order, and change their facts."""
    wanted = [entry for keep in kept for entry in run.meta["event"]["compare"] if keep(entry)][: len(kept)]
    run.meta["event"]["compare"] = wanted
    for fact in run.meta["event"]["facts"]:
        if fact["id"] in {entry["fact"] for entry in wanted}:
            fact.update(change)


def of(metric: str) -> Callable[[dict[str, Any]], bool]:
    return lambda entry: entry["metric"] == metric and entry["coin"] == "BTC" and entry["how"] == "ratio"


LIQUIDATED, ADL = of("liquidated_notional_usd"), of("adl_notional_usd")


def test_a_figure_of_another_venue_is_shown_without_a_ratio_and_not_counted(reports: Reports) -> None:
    run = reports.draft("one symbol")
    compare(run, LIQUIDATED, venue="okx")
    sentence, rows = facts_rows(run)
    assert "no published figure of hyperliquid can be compared with this run" in sentence
    foreign = next(row for row in rows if row.startswith("BTC liquidated"))
    assert "a figure of okx; this run has the rules of hyperliquid" in foreign
    assert "other venue" in foreign


def test_derived_figures_are_counted_apart(reports: Reports) -> None:
    run = reports.draft("one symbol")
    compare(run, LIQUIDATED, ADL, mark="S")
    adl = next(entry["fact"] for entry in run.meta["event"]["compare"] if ADL(entry))
    next(fact for fact in run.meta["event"]["facts"] if fact["id"] == adl)["mark"] = "D"
    sentence = facts_rows(run)[0]
    assert "of 2 figures (1 published, 1 derived from published ones) " in sentence
    found = re.search(r"which gives (0\.\d+)× to ([\d.]+)× of the published value", sentence)
    assert found is not None
    assert float(found[1]) < float(found[2]), "of the one figure and the other"


def test_with_seeds_the_median_is_compared(reports: Reports) -> None:
    run = reports.draft("one symbol")
    compare(run, ADL, value=100, mark="S")
    compared = {run.meta["event"]["compare"][0]["fact"]: [float(value) for value in range(100, 121)]}
    run.studies["seeds"] = {
        "run_ids": [run.meta["run_id"]],
        "summaries": [plain_row(run.run().summary())],
        "bands": {},
        "compared": compared,
    }
    sentence, rows = facts_rows(run)
    assert "1 of 1 published figure lies within a factor of two of the replay (median of 21 seeds)" in sentence
    row = next(row for row in rows if row.startswith("BTC closed by ADL"))
    assert "110 USDof 21 seeds, 5–95 %:101 USD to 119 USD" in row
    assert "1.10" in row


def test_conflicting_facts_are_both_shown_and_a_censored_one_gets_no_verdict(reports: Reports) -> None:
    run = reports.draft("one symbol")
    compare(run, ADL)
    first, other = run.meta["event"]["facts"][:2]
    fact = next(fact for fact in run.meta["event"]["facts"] if fact["id"] == run.meta["event"]["compare"][0]["fact"])
    other = next(one for one in (first, other) if one is not fact)
    fact["conflicts_with"] = [other["id"]]
    rows = facts_rows(run)[1]
    assert rows[1].startswith("BTC closed by ADL")
    assert rows[2].startswith("conflicts with")
    run.meta["event"]["compare"][0]["how"] = "bar"
    body = drawn(run.run(), "sure")[1]
    assert "no verdict" in plain(body)
    assert "track onset" in body


def test_an_adl_before_the_window_has_no_onset_in_it(reports: Reports) -> None:
    run = reports.draft("one symbol")
    began = run.run().summary()["first_adl_ts"]
    entry = next(entry for entry in run.meta["event"]["compare"] if entry["metric"] == "adl_onset_s")
    entry["start"] = "2025-10-10T21:25:00"
    run.meta["event"]["compare"] = [entry]
    assert any(f"before the window, {began:%H:%M:%S}" in row for row in facts_rows(run)[1])


def test_facts_of_coins_that_did_not_run_are_left_out(reports: Reports) -> None:
    rows = facts_rows(reports.draft("one symbol"))[1]
    assert any(row.startswith("BTC liquidated") for row in rows)
    assert not any(row.startswith("SOL") for row in rows)


# draws


def test_draws_come_first_then_this_run_then_what_was_published(reports: Reports) -> None:
    run, page = reports.run("draws"), reports.page("draws")
    spread = {row["metric"]: row for row in run.query("draw_spread").to_dicts()}
    adl = spread["adl_usd"]
    drawn, here = re.findall(r"<p>(.*?)</p>", re.search(r'<div class="answer">.*?</div>', page, re.DOTALL)[0])
    start = "Median of 4 draws of what is not known, in BTC and SOL from 21:15 to 21:27 UTC: closed by ADL "
    assert plain(drawn).startswith(start)
    of_each = (
        r".* in nine of ten; this run [^;]*\), published 897 M USD; liquidated .*; this run .* published 755 M USD\."
    )
    assert re.match(of_each, plain(drawn))
    assert plain(here).startswith("This run, seed 1. On 10 October 2025, between 20:40 and 22:21 UTC, BTC fell 13.1 %")
    assert f"with {usd(run.summary()['adl_usd'])}" in plain(here)
    tile = plain(next(each for each in section(page, "numbers").split("<li") if "Closed by ADL" in each))
    assert f"Closed by ADL{usd(adl['median'])}median of 4 draws; 5–95 %: {usd(adl['p05'])} to {usd(adl['p95'])}" in tile
    assert f"this run {usd(run.summary()['adl_usd'])}" in tile
    beside = plain(re.search(r"<tr><th scope=.row.>closed by ADL.*?</tr>", section(page, "numbers"), re.DOTALL)[0])
    assert beside.startswith("closed by ADLBTC, SOL, 21:15–21:27 UTC897 M USD")


def test_cliffs_and_what_the_headlines_follow(reports: Reports) -> None:
    run, page = reports.run("draws"), reports.page("draws")
    cliffs = run.query("draw_cliffs").row(0, named=True)
    words = answer(page, "unknown")
    assert f"In 4 draws of 12 priors and the seed, ADL arose in {cliffs['adl_frac']:.0%}".replace("%", " %") in words
    assert "Fewer than 20 draws do not tell what published figures pin down." in words
    body = section(page, "unknown")
    assert body.count("<svg") == 4  # two figures, each for a page and for a phone
    assert "vault_capital" in plain(body)
    assert "of 4 draws, 5–95 %:" in plain(section(page, "sure"))


def test_a_page_begun_before_the_draws_ended_has_the_same_bytes(reports: Reports) -> None:
    run = reports.run("draws")
    begun = StoredRun(run.path, run.meta, Studies())  # opens the tables anew, too: equal runs give equal bytes
    made = draft(begun)
    assert begun.query("draw_spread").is_empty()
    begun.read_studies()
    assert html(begun, made) == reports.page("draws")


def test_without_draws_the_report_says_so(reports: Reports) -> None:
    words = "Nothing was drawn, so no number here has a band for what is not known."
    assert words in reports.answer("one symbol", "unknown")
    assert "one seed and no draws, so no band is shown" in reports.answer("one symbol", "numbers")


# tables


def test_the_waterfall_shows_every_unit_and_sums_to_zero(reports: Reports) -> None:
    body = re.search(r'<ol class="waterfall">.*?</ol>', reports.body("vault", "paid"), re.DOTALL)[0]
    exact, shown = zip(*re.findall(r'<span class="amount num" title="(.*?) USD">(.*?)</span>', body), strict=True)
    amounts = reports.run("vault").query("loss_waterfall")["amount_usd"]
    assert exact == (*(formatting.micros(value) for value in amounts), "0.000000")
    assert shown == (*(formatting.fixed(value, 2) for value in amounts), "0.00")


@pytest.mark.parametrize("case", ["cross accounts", "one symbol"])
def test_the_map_leads_to_what_was_liquidated(case: str, reports: Reports) -> None:
    run, text = reports.run(case), reports.answer(case, "map")
    rows = run.query("map_against_liquidations")
    total = {name: sum(rows[name]) for name in rows.columns if name.endswith("_usd")}
    assert total["map_usd"] - total["kept_usd"] + total["beyond_usd"] == total["left_usd"]
    assert total["liquidated_usd"] == run.summary()["liquidated_usd"]
    assert f"of {usd(total['map_usd'])}, {usd(total['kept_usd'])} was never in breach, and " in text
    assert f"as in the queue's table, {usd(total['liquidated_usd'])}." in text
    assert ("other coins of its account" in text) == (case == "cross accounts")


def test_the_queue_names_what_lies_between(reports: Reports) -> None:
    run = reports.run("vault")
    queue = run.query("adl_selection_order", limit=30)
    ranks, reached = queue["rank"].to_list(), queue.filter(queue["closed_lots"] > 0)["rank"].max()
    front = [rank for rank in ranks if rank <= 5 or reached - 1 <= rank <= reached + 5]
    jumps = [b - a - 1 for some in (front, ranks) for a, b in pairwise(some) if b > a + 1]
    shown = re.findall(r'<tr class="more"><td colspan="\d+">([\d,]+) more between', reports.body("vault", "queue"))
    assert [int(words.replace(",", "")) for words in shown] == jumps
    assert jumps


# the file


def test_a_report_is_written_whole_or_not_at_all(
    tmp_path: Path, reports: Reports, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = reports.run("no liquidation")
    target = tmp_path / "new" / "folder" / "report.html"
    assert render(run, target, pages.Draft(reports.findings("no liquidation"), {})) == target
    assert target.read_text(encoding="utf-8") == reports.page("no liquidation")
    assert reports.page("no liquidation").endswith("</html>\n")
    before = target.read_bytes()
    monkeypatch.setattr(run, "query", lambda name, **params: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        render(run, target)
    assert target.read_bytes() == before
    assert [path.name for path in target.parent.iterdir()] == ["report.html"]


@pytest.fixture
def drawn_before(reports: Reports, monkeypatch: pytest.MonkeyPatch) -> StoredRun:
    """Return a run whose page is not drawn again to be written."""
    page = reports.page("no liquidation")
    monkeypatch.setattr("backtest.report.page.html", lambda run, made: page)
    return reports.run("no liquidation")


def test_a_place_that_cannot_be_written_is_one_line(tmp_path: Path, drawn_before: StoredRun) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CrashbookError, match=r"cannot write the report .*; choose another path") as error:
        render(drawn_before, tmp_path / "file" / "report.html")
    assert "\n" not in str(error.value)


def test_the_default_place_is_the_workspace(workspace: Path, drawn_before: StoredRun) -> None:
    assert render(drawn_before) == workspace / "reports" / f"2025-10-10-{drawn_before.run_id}.html"


def test_importing_the_report_imports_neither_matplotlib_nor_templates() -> None:
    code = "import sys, backtest.report; print([m for m in ('matplotlib', 'jinja2', 'polars') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
