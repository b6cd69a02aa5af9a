"""The page in a real browser: nothing overflows, nothing is requested, nothing is logged, the table sorts."""

from __future__ import annotations

import os
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
CLIPPED = """() => [...document.querySelectorAll('.drawing svg')].filter(svg => svg.clientWidth).flatMap(svg => {
  const frame = svg.getBoundingClientRect();
  return [...svg.querySelectorAll('text')].filter(text => {
    const box = text.getBoundingClientRect();
    return Math.max(frame.left - box.left, box.right - frame.right, frame.top - box.top, box.bottom - frame.bottom) > 1;
  }).map(text => text.textContent);
})"""
OVERLAPPING = """() => [...document.querySelectorAll('.drawing svg')].filter(svg => svg.clientWidth).flatMap(svg => {
  const boxes = [...svg.querySelectorAll('text')].map(text => [text.textContent, text.getBoundingClientRect()]);
  const shared = (p, q, low, high) => Math.min(p[high], q[high]) - Math.max(p[low], q[low]);
  return boxes.flatMap(([a, p], i) => boxes.slice(i + 1).filter(([b, q]) =>
    shared(p, q, 'left', 'right') > 2 && shared(p, q, 'top', 'bottom') > 6
  ).map(([b]) => a + ' / ' + b));
})"""
SIZES = """() => [...document.querySelectorAll('.drawing svg')].filter(svg => svg.clientWidth).flatMap(svg =>
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
def pages(reports: Reports, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder, cases = (
        tmp_path_factory.mktemp("pages"),
        {"full": "watched", "draws": "draws", "empty": "no liquidation", "evil": "evil names"},
    )
    for name, case in cases.items():
        (folder / f"{name}.html").write_text(reports.page(case), encoding="utf-8")
    return {name: folder / f"{name}.html" for name in cases}


class Visit:
    """A page opened at some width, with everything it logged and asked for."""

    def __init__(self, browser: Any, path: Path, width: int) -> None:
        self.page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme="light")
        self.logged: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", lambda message: self.logged.append(message.text))
        self.page.on("pageerror", lambda error: self.logged.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.logged.append("dialog"), dialog.dismiss()))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(path.as_uri())

    def __enter__(self) -> Visit:
        return self

    def __exit__(self, *_: object) -> None:
        self.page.close()


@pytest.fixture(scope="module")
def full(browser: Any, pages: dict[str, Path]) -> Iterator[Visit]:
    """Return the full page, opened once; what a test changes in it, no other test reads."""
    with Visit(browser, pages["full"], 1280) as visit:
        yield visit


@pytest.mark.parametrize("name", ["full", "draws", "empty", "evil"])
def test_nothing_overflows_nothing_is_logged_nothing_is_requested(
    browser: Any, pages: dict[str, Path], name: str
) -> None:
    with Visit(browser, pages[name], 1280) as visit:
        for width in (1280, 390, 768, 1920):
            visit.page.set_viewport_size({"width": width, "height": 900})
            assert visit.page.evaluate("document.documentElement.scrollWidth") <= width
            if name == "full" and width in {390, 1280}:
                assert visit.page.evaluate(CLIPPED) == []
                assert visit.page.evaluate(OVERLAPPING) == []
                assert min(visit.page.evaluate(SIZES)) > 8
        assert visit.logged == []
        assert visit.asked == [pages[name].as_uri()]


def test_dark_is_dark_and_print_is_light(full: Visit) -> None:
    page, paper = full.page, "() => getComputedStyle(document.body).backgroundColor"
    page.emulate_media(color_scheme="dark")
    assert page.evaluate(paper) == "rgb(19, 23, 27)"
    line = "() => getComputedStyle(document.querySelector('#price .wide path[style*=\"--mark\"]')).stroke"
    assert page.evaluate(line) == "rgb(240, 176, 58)"
    page.emulate_media(media="print")
    assert page.evaluate(paper) == "rgb(255, 255, 255)"
    assert page.evaluate(line) == "rgb(230, 159, 0)"
    assert page.evaluate("() => [...document.querySelectorAll('.queries, #toc')].every(e => !e.offsetHeight)")
    page.emulate_media(media="screen", color_scheme="light")


def test_the_queue_sorts_and_filters(full: Visit) -> None:
    page = full.page
    rows = "[...document.querySelectorAll('table.queue tbody tr:not(.more)')]"
    sizes = f"() => {rows}.map(r => Number(r.cells[4].dataset.v))"
    unsorted = page.evaluate(sizes)
    page.get_by_role("button", name="size, USD").click()
    assert page.evaluate(sizes) == sorted(unsorted, reverse=True)
    page.get_by_role("button", name="size, USD").click()
    assert page.evaluate(sizes) == sorted(unsorted)
    words = "() => [...document.querySelectorAll('table.queue tbody tr')].map(r => r.textContent.toLowerCase())"
    wanted = sum("partial" in row for row in page.evaluate(words))
    page.get_by_placeholder("account, bucket, status").fill("partial")
    shown = "() => [...document.querySelectorAll('table.queue tbody tr')].filter(r => r.offsetHeight).length"
    assert page.evaluate(shown) == wanted > 0
    assert page.locator(".matches").inner_text().startswith(f"{wanted} of ")


def test_a_query_opens_from_its_figure_and_can_be_copied(full: Visit) -> None:
    page = full.page
    page.locator('#price figcaption a[href="#sql-price-price_path"]').click()
    text = page.locator("#sql-price-price_path pre")
    text.wait_for(state="visible", timeout=5000)  # opened by a script after the click
    assert text.is_visible()
    assert "-- title:" in text.inner_text()
    page.locator("#sql-price-price_path button").click()
    page.wait_for_function("document.querySelector('#sql-price-price_path button').textContent !== 'copy'")


def test_everything_can_be_read_without_script(browser: Any, pages: dict[str, Path]) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(pages["full"].as_uri())
    assert page.locator("#queue table.queue").is_visible()
    assert not page.locator("#queue .tools").is_visible()
    page.locator("#sql-price-price_path summary").click()
    assert page.locator("#sql-price-price_path pre").is_visible()
    context.close()
