"""The page in a real browser, opened from disk: Debian's Chromium, driven by playwright."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from aqaa_eval.reports.html import write_report
from tests.reports.builders import nine_suites, run_log
from tests.reports.payloads import PAYLOADS, hostile_log

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
]
SIZES = {"desktop": {"width": 1280, "height": 900}, "phone": {"width": 390, "height": 844}}

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install playwright")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: apt-get install chromium")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


class Visit:
    """One page opened from disk, with all that it said and asked for."""

    def __init__(self, browser: Any, file: Path, *, size: str = "desktop", scheme: str = "light") -> None:
        self.context = browser.new_context(viewport=SIZES[size], color_scheme=scheme)
        self.page = self.context.new_page()
        self.page.set_default_timeout(10_000)
        self.said: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("dialog", lambda dialog: self.said.append(f"dialog {dialog.message}"))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(file.as_uri())
        self.file = file

    @property
    def asked_for(self) -> list[str]:
        """Requests besides the page itself and what it carries."""
        return [url for url in self.requests if url != self.file.as_uri() and not url.startswith("data:")]

    def wait_until(self, expression: str, *, limit_s: float = 10.0) -> None:
        """Poll; playwright's own way evaluates strings in the page, which our policy rightly refuses."""
        end_s = time.monotonic() + limit_s
        while not self.page.evaluate(expression):
            assert time.monotonic() < end_s, f"not within {limit_s} s: {expression}"
            self.page.wait_for_timeout(50)

    def shown(self) -> int:
        return int(self.page.locator("details.item:visible").count())


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_report(nine_suites(tmp_path_factory.mktemp("run")))


def test_an_answer_plays_and_the_page_asks_for_nothing(browser: Any, report: Path) -> None:
    visit = Visit(browser, report)
    item = visit.page.locator("details.item").first
    item.locator("summary").click()
    item.get_by_role("button", name="Play answer 1").click()
    visit.wait_until("document.querySelector('.answer audio').currentTime > 0.2")
    item.get_by_role("button", name="Play question 1").click()
    visit.wait_until("document.querySelector('.question audio').currentTime > 0.1")
    assert visit.page.evaluate("document.querySelector('.answer audio').paused")
    assert (visit.said, visit.asked_for) == ([], [])


def test_the_filter_shows_what_it_names(browser: Any, report: Path) -> None:
    visit = Visit(browser, report)
    assert visit.shown() == 27
    visit.page.locator("select[name=suite]").select_option("singing")
    assert (visit.shown(), visit.page.locator("#shown").inner_text()) == (3, "3 of 27 shown")
    visit.page.locator("select[name=outcome]").select_option("kind:model_error")
    assert visit.shown() == 1
    visit.page.locator("select[name=suite]").select_option("gaming")
    assert visit.page.locator("#nothing").is_visible()
    visit.page.locator("select[name=suite]").select_option("")
    visit.page.locator("select[name=outcome]").select_option("checks")
    n_unpassed = visit.page.evaluate("document.querySelectorAll('details.item:not([data-unpassed=\"0\"])').length")
    assert visit.shown() == n_unpassed > 0


def test_the_worst_come_first_when_asked_and_those_without_a_score_before_them(browser: Any, report: Path) -> None:
    visit = Visit(browser, report)
    visit.page.locator("select[name=order]").select_option("low")
    ranks = visit.page.evaluate("[...document.querySelectorAll('details.item')].map(item => item.dataset.rank)")
    assert ranks[0] == ""
    assert [float(rank) for rank in ranks[1:]] == sorted(float(rank) for rank in ranks[1:])


def test_a_permalink_opens_its_conversation_even_if_a_filter_hides_it(browser: Any, report: Path) -> None:
    visit = Visit(browser, report)
    visit.page.locator("select[name=suite]").select_option("gaming")
    visit.page.evaluate("location.hash = 'item-singing-s02'")
    opened = visit.page.locator("#item-singing-s02[open]")
    opened.wait_for()
    assert opened.is_visible()
    visit.page.goto(report.as_uri() + "#item-creativity-c01")
    visit.page.locator("#item-creativity-c01[open]").wait_for()


def test_the_keyboard_alone_opens_a_conversation_and_plays_it(browser: Any, report: Path) -> None:
    visit = Visit(browser, report)
    visit.page.keyboard.press("Tab")
    assert visit.page.evaluate("document.activeElement.className") == "skip"
    visit.page.locator("details.item summary").first.focus()
    visit.page.keyboard.press("Enter")
    visit.page.locator("details.item[open] .play").first.wait_for()
    visit.page.keyboard.press("Tab")
    visit.page.keyboard.press("Space")
    visit.wait_until("document.querySelector('.question audio').currentTime > 0.1")


def test_the_theme_follows_the_system_until_it_is_chosen(browser: Any, report: Path) -> None:
    background = "getComputedStyle(document.body).backgroundColor"
    visit = Visit(browser, report, scheme="dark")
    dark = visit.page.evaluate(background)
    visit.page.get_by_role("button", name="Light theme").click()
    light = visit.page.evaluate(background)
    assert dark != light
    assert Visit(browser, report).page.evaluate(background) == light


def test_published_figures_appear_on_request_and_without_a_script(browser: Any, report: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(report.as_uri())
    overlay = page.locator(".radar-published-0").first
    assert not overlay.is_visible()
    page.get_by_label("Overlay published figures").check()
    assert overlay.is_visible()
    page.locator("details.item summary").first.click()
    assert page.locator("details.item audio").first.is_visible()  # the browser's own player


@pytest.mark.parametrize("size", ["desktop", "phone"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_sticks_out_of_the_screen(browser: Any, report: Path, tmp_path: Path, size: str, scheme: str) -> None:
    visit = Visit(browser, report, size=size, scheme=scheme)
    visit.page.locator("details.item summary").first.click()
    picture = visit.page.screenshot(path=tmp_path / f"{size}-{scheme}.png", full_page=True)
    assert len(picture) > 50_000
    assert visit.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_texts_are_readable_against_their_background(browser: Any, report: Path) -> None:
    measure = """() => {
      const parse = (text) => text.match(/[\\d.]+/g).map(Number);
      const light = (rgb) => {
        const [r, g, b] = rgb.slice(0, 3).map((v) => v / 255)
          .map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
      };
      const back = (node) => {
        for (; node; node = node.parentElement) {
          const colour = parse(getComputedStyle(node).backgroundColor);
          if (colour.length === 3 || colour[3] === 1) return colour;
        }
        return [255, 255, 255];
      };
      const low = [];
      for (const node of document.querySelectorAll("body *")) {
        const own = [...node.childNodes].some((child) => child.nodeType === 3 && child.data.trim());
        if (!own || node.closest("script, style, svg, option") || !node.getClientRects().length) continue;
        const [a, b] = [light(parse(getComputedStyle(node).color)), light(back(node))].sort((x, y) => y - x);
        if ((a + 0.05) / (b + 0.05) < 4.5) low.push(node.outerHTML.slice(0, 90));
      }
      return low;
    }"""
    for scheme in ("light", "dark"):
        visit = Visit(browser, report, scheme=scheme)
        visit.page.locator("details.item summary").nth(1).click()
        assert visit.page.evaluate(measure) == []


def test_nothing_from_a_run_is_ever_executed(browser: Any, tmp_path: Path) -> None:
    logs = [hostile_log(tmp_path, payload) for payload in PAYLOADS]
    attempts = [attempt for log in logs for attempt in log.attempts]
    visit = Visit(browser, write_report(run_log(tmp_path, attempts)))
    visit.page.get_by_role("button", name="Open all").click()
    visit.page.mouse.move(600, 400)
    visit.page.wait_for_timeout(300)
    assert visit.page.evaluate("window.hit === undefined")
    assert visit.page.locator("script").count() == 1
    assert (visit.said, visit.asked_for) == ([], [])


def test_a_recording_beside_the_page_plays_too(browser: Any, tmp_path: Path) -> None:
    visit = Visit(browser, write_report(nine_suites(tmp_path, n_samples=1), max_embedded_bytes=10))
    visit.page.locator("details.item summary").first.click()
    visit.page.evaluate("document.querySelector('.answer audio').play()")
    visit.wait_until("document.querySelector('.answer audio').currentTime > 0.1")
    assert visit.said == []
