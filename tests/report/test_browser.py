"""The page in a real browser, by mouse, keyboard and touch: one page, one browser, one page without script."""

from __future__ import annotations

import csv
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.report.conftest import Reports

pytestmark = pytest.mark.browser
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync"]  # fmt: skip
# Words that stand outside their drawing, or upon each other, as the browser lays them out with its own font.
CLIPPED = """() => [...document.querySelectorAll('.drawing:not(.whole) svg')]
  .filter(svg => svg.clientWidth).flatMap(svg => {
  const frame = svg.getBoundingClientRect();
  return [...svg.querySelectorAll('text')].filter(text => {
    const box = text.getBoundingClientRect();
    return Math.max(frame.left - box.left, box.right - frame.right, frame.top - box.top, box.bottom - frame.bottom) > 1;
  }).map(text => text.textContent);
})"""
OVERLAPPING = """() => [...document.querySelectorAll('.drawing:not(.whole) svg')]
  .filter(svg => svg.clientWidth).flatMap(svg => {
  const boxes = [...svg.querySelectorAll('text')].map(text => [text.textContent, text.getBoundingClientRect()]);
  const shared = (p, q, low, high) => Math.min(p[high], q[high]) - Math.max(p[low], q[low]);
  return boxes.flatMap(([a, p], i) => boxes.slice(i + 1).filter(([b, q]) =>
    shared(p, q, 'left', 'right') > 2 && shared(p, q, 'top', 'bottom') > 6
  ).map(([b]) => a + ' / ' + b));
})"""
SIZES = """() => [...document.querySelectorAll('.drawing:not(.whole) svg')]
  .filter(svg => svg.clientWidth).flatMap(svg =>
  [...svg.querySelectorAll('text')].map(text =>
    parseFloat(getComputedStyle(text).fontSize) * svg.clientWidth / svg.viewBox.baseVal.width))"""


def browser_path() -> str | None:
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    path = browser_path()
    if path is None:
        message = "no browser is installed; apt-get install chromium"
        if os.environ.get("CRASHBOOK_REQUIRE_BROWSER") == "1":
            pytest.fail(message)
        pytest.skip(message)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield running
        running.close()


@pytest.fixture(scope="module")
def path(reports: Reports, tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("pages") / "full.html"
    made.write_text(reports.page("evil names"), encoding="utf-8")
    return made


class Visit:
    """A page opened once, with everything it logged and asked for."""

    def __init__(self, browser: Any, path: Path) -> None:
        self.context = browser.new_context(
            viewport={"width": 1280, "height": 900}, color_scheme="light", has_touch=True, accept_downloads=True
        )
        self.page = self.context.new_page()
        self.logged: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", lambda message: self.logged.append(message.text))
        self.page.on("pageerror", lambda error: self.logged.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.logged.append("dialog"), dialog.dismiss()))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(path.as_uri())


@pytest.fixture(scope="module")
def visit(browser: Any, path: Path) -> Visit:
    return Visit(browser, path)


@pytest.fixture
def page(visit: Visit) -> Iterator[Any]:
    """Return the page as it was when it was opened."""
    visit.page.set_viewport_size({"width": 1280, "height": 900})
    yield visit.page
    visit.page.mouse.move(1, 1)
    visit.page.evaluate("() => { zoom(null, false); point(null, null); scrollTo(0, 0); }")
    visit.page.emulate_media(media="screen", color_scheme="light")


TICKS = """id => [...document.querySelectorAll(`#${id} .wide svg .zoomed text, #${id} .wide svg [class^=k] text`)]
  .filter(text => text.getBoundingClientRect().width && getComputedStyle(text.closest('g')).display !== 'none')
  .map(text => text.textContent).filter(text => /^[0-9:]+$/.test(text))"""
READS = """() => [...document.querySelectorAll('.drawings output:not([hidden])')]
  .filter(one => one.checkVisibility()).map(one => one.innerText.split('\\n'))"""


def drawing(page: Any, section: str) -> dict[str, float]:
    """Return where the drawing of a section stands, scrolled into view."""
    svg = page.locator(f"#{section} .drawing.wide svg").first
    svg.scroll_into_view_if_needed()
    box: dict[str, float] = svg.bounding_box()
    return box


def minutes(label: str) -> float:
    hour, minute, *second = map(int, label.split(":"))
    return hour * 60 + minute + (second[0] / 60 if second else 0)


def test_nothing_overflows_nothing_is_logged_nothing_is_requested(page: Any, visit: Visit, path: Path) -> None:
    for width in (1280, 390, 1920):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate(CLIPPED) == []
        assert page.evaluate(OVERLAPPING) == []
        assert min(page.evaluate(SIZES)) > 8
    page.evaluate("() => document.querySelectorAll('details').forEach(one => { one.open = true; })")
    for width in (390, 1280):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.evaluate("() => document.querySelectorAll('details').forEach(one => { one.open = false; })")
    assert visit.logged == []
    assert visit.asked == [path.as_uri()]


def test_dark_is_dark_and_print_is_light_and_opens_what_matters(page: Any) -> None:
    paper = "() => getComputedStyle(document.body).backgroundColor"
    page.emulate_media(color_scheme="dark")
    assert page.evaluate(paper) == "rgb(19, 23, 27)"
    line = "() => getComputedStyle(document.querySelector('#price .wide path[style*=\"--mark\"]')).stroke"
    assert page.evaluate(line) == "rgb(240, 176, 58)"
    page.emulate_media(media="print")
    assert page.evaluate(paper) == "rgb(255, 255, 255)"
    assert page.evaluate(line) == "rgb(230, 159, 0)"
    assert page.evaluate("() => [...document.querySelectorAll('.queries, #toc, .tools')].every(e => !e.offsetHeight)")
    page.locator("details[data-print]:not([open])").first.wait_for(state="detached")
    assert page.evaluate("() => document.querySelector('#liquidated .fold table').offsetHeight") > 0
    page.emulate_media(media="screen")
    page.locator("details[data-print][open]").first.wait_for(state="detached")


def test_every_table_sorts_filters_and_downloads(page: Any) -> None:
    tables = page.evaluate("() => document.querySelectorAll('main table').length")
    assert page.locator(".tools button").count() == page.locator(".tools input").count() == tables
    part = page.locator("#queue figure", has=page.locator("table.queue"))
    part.locator("details.rest > summary").click()
    table, tools = part.locator("table.queue").last, part.locator(".tools").last
    sizes = "rows => rows.map(row => Number(row.cells[4].dataset.v))"
    rows = table.locator("tbody tr:not(.more)")
    unsorted = rows.evaluate_all(sizes)
    head = table.get_by_role("button", name="size, USD")
    head.focus()
    for wanted in (sorted(unsorted, reverse=True), sorted(unsorted), unsorted):
        page.keyboard.press("Enter")
        assert rows.evaluate_all(sizes) == wanted
    wanted = sum("partial" in row for row in table.locator("tbody tr").all_inner_texts())
    tools.locator("input").fill("partial")
    assert table.locator("tbody tr:visible").count() == wanted > 0
    assert tools.locator(".matches").inner_text().startswith(f"{wanted} of ")
    with page.expect_download() as started:
        tools.get_by_role("button", name="CSV").click()
    tools.locator("input").fill("")
    lines = list(csv.DictReader(Path(started.value.path()).read_text("utf-8").splitlines()))
    assert started.value.suggested_filename.endswith(".csv")
    assert [row["status"] for row in lines] == ["partial"] * wanted
    shown = table.locator("tr.partial td").nth(4).get_attribute("title")
    assert lines[0]["size, USD"] == shown.removesuffix(" USD").replace(",", "")


def test_a_query_opens_from_its_figure_and_can_be_copied(page: Any) -> None:
    page.locator('#price figcaption a[href="#sql-price-price_path"]').click()
    text = page.locator("#sql-price-price_path pre")
    text.wait_for(state="visible", timeout=5000)  # opened by a script after the click
    assert "-- title:" in text.inner_text()
    page.locator("#sql-price-price_path button").click()
    page.locator("#sql-price-price_path button", has_text=re.compile("copied|selected")).wait_for()
    assert page.locator("details.code pre").count() == page.locator("details.code button").count()


def test_the_mouse_reads_one_time_in_all_panels_and_zooms_them_together(page: Any) -> None:
    before = page.evaluate(TICKS, "liquidated")
    box = drawing(page, "price")
    lines: set[str] = set()
    for share in (0.2, 0.3, 0.4, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.5):
        page.mouse.move(box["x"] + box["width"] * share, box["y"] + 100)
        reads = page.evaluate(READS)
        assert len({read[0] for read in reads}) == 1
        assert len(reads) >= 3
        assert all(len(read) == len(set(read)) for read in reads)
        assert sum(line.startswith("BTC trade ") for read in reads for line in read) == 1
        lines |= {line for read in reads for line in read}
    for word in ("BTC trade ", "SOL trade ", " mark ", "longs ", "total ", "equity ", "cash ", "ratio "):
        assert any(word in line for line in lines), word
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.6, box["y"] + 120, steps=4)
    page.mouse.up()
    zoomed = page.evaluate(TICKS, "liquidated")
    assert minutes(before[0]) < minutes(zoomed[0]) <= minutes(zoomed[-1]) < minutes(before[-1])
    assert set(page.evaluate(TICKS, "price")) == set(zoomed) | set(page.evaluate(TICKS, "price"))
    inside = """() => [...document.querySelectorAll('#price .wide svg text')].every(text => {
      const [box, frame] = [text.getBoundingClientRect(), text.ownerSVGElement.getBoundingClientRect()];
      return !box.width || box.left >= frame.left - 1 && box.right <= frame.right + 1; })"""
    assert page.evaluate(inside)
    page.locator("#liquidated .reset").click()
    assert page.evaluate(TICKS, "liquidated") == before


def test_the_whole_window_is_one_click_away_and_back(page: Any) -> None:
    summary = page.locator("#price details.window > summary")
    summary.click()
    assert page.locator("#price .drawing.whole svg").is_visible()
    assert page.locator("#liquidated .drawing.whole svg").is_visible()
    assert not page.locator("#price .drawing.wide svg").is_visible()
    page.locator("#price details.window > summary").press("Enter")
    assert page.locator("#price .drawing.wide svg").is_visible()
    assert not page.locator("#price .drawing.whole svg").is_visible()


def test_the_keyboard_moves_selects_zooms_and_returns(page: Any) -> None:
    page.locator("#price .drawings").focus()
    before = page.evaluate(TICKS, "price")
    page.keyboard.press("ArrowRight")
    first = page.evaluate(READS)[0][0]
    page.keyboard.press("ArrowRight")
    assert page.evaluate(READS)[0][0] > first
    for _ in range(8):
        page.keyboard.press("Shift+ArrowRight")
    assert " to " in page.evaluate(READS)[0][0]
    page.keyboard.press("Enter")
    assert page.evaluate(TICKS, "price") != before
    page.keyboard.press("Escape")
    assert page.evaluate(TICKS, "price") == before
    assert page.evaluate(READS) == []


def test_touch_reads_and_zooms(page: Any, visit: Visit) -> None:
    before = page.evaluate(TICKS, "price")
    box = drawing(page, "price")
    at = {"x": box["x"] + box["width"] * 0.5, "y": box["y"] + 100}
    page.touchscreen.tap(at["x"], at["y"])
    assert len(page.evaluate(READS)) >= 3
    touch = visit.context.new_cdp_session(page)
    touch.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [at]})
    for step in (10, 40, 90, 150):
        touch.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [{**at, "x": at["x"] + step}]})
    touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    assert page.evaluate(TICKS, "price") != before


def test_a_term_is_explained_to_pointer_keyboard_and_touch(page: Any) -> None:
    term = page.locator("#queue .answer .term").first
    shown = "term => getComputedStyle(term, '::after').content"
    term.scroll_into_view_if_needed()
    assert term.evaluate(shown) == "none"
    term.focus()
    assert "closes at that moment" in term.evaluate(shown)
    page.keyboard.press("Escape")
    assert term.evaluate(shown) == "none"
    term.tap()
    assert "closes at that moment" in term.evaluate(shown)
    described = term.get_attribute("aria-describedby")
    assert "closes at that moment" in page.locator(f"#{described}").text_content()
    page.evaluate("() => document.activeElement.blur()")


def test_everything_can_be_read_without_script(browser: Any, path: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(path.as_uri())
    assert page.locator("#queue table.queue").first.is_visible()
    assert page.locator(".tools").count() == 0
    page.locator("#price details.window > summary").click()
    assert page.locator("#price .drawing.whole svg").is_visible()
    page.locator("#liquidated details.fold > summary").first.click()
    assert page.locator("#liquidated details.fold table").first.is_visible()
    page.locator("#sql-price-price_path summary").click()
    assert page.locator("#sql-price-price_path pre").is_visible()
    assert page.locator("#price .hits path title").count() > 50
    context.close()
