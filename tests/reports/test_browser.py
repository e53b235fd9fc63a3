"""The page opened from disk: playing, filtering, permalinks, themes, and nothing from a run is ever executed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from aqaa_eval.reports.html import write_report
from tests.chromium import browser, needs_chromium
from tests.reports.browsing import Visit
from tests.reports.builders import nine_suites, run_log
from tests.reports.payloads import PAYLOADS, hostile_log

__all__ = ["browser"]
pytestmark = needs_chromium


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
    assert visit.shown() > 0
    assert visit.page.locator("details.item .tally.all").count() == 0
    visit.page.get_by_role("button", name="Clear").click()
    assert visit.shown() == 27


def test_the_worst_come_first_when_asked_and_those_without_a_score_before_them(browser: Any, report: Path) -> None:
    visit = Visit(browser, report)
    visit.page.locator("select[name=order]").select_option("low")
    missing, *marks = [
        text.removeprefix("MOS").strip() for text in visit.page.locator(".item .mos").all_text_contents()
    ]
    assert missing == "–"
    assert [float(mark) for mark in marks] == sorted(float(mark) for mark in marks)
    visit.page.locator("select[name=order]").select_option("high")
    assert visit.page.locator(".item .mos").last.text_content().endswith("–")


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


def test_without_a_script_the_figures_are_there_and_the_page_says_what_is_missing(browser: Any, report: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(report.as_uri())
    overlay = page.locator(".radar-published-0").first
    assert not overlay.is_visible()
    page.get_by_label("Overlay published figures").check()
    assert overlay.is_visible()
    assert page.get_by_text("laid out by this page's own script").is_visible()
    assert not page.locator("#filters").is_visible()


@pytest.mark.parametrize(
    ("size", "scheme", "language"),
    [("desktop", "light", "en"), ("desktop", "dark", "zh"), ("phone", "light", "zh"), ("phone", "dark", "en")],
)
def test_nothing_sticks_out_of_the_screen(
    browser: Any, report: Path, tmp_path: Path, size: str, scheme: str, language: str
) -> None:
    visit = Visit(browser, report, size=size, scheme=scheme, locale={"en": "en-GB", "zh": "zh-CN"}[language])
    visit.open_item()
    picture = visit.page.screenshot(path=tmp_path / f"{size}-{scheme}-{language}.png", full_page=True)
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
        visit.open_item(1)
        assert visit.page.evaluate(measure) == []


@pytest.mark.parametrize("language", ["en", "zh"])
def test_nothing_from_a_run_is_ever_executed(browser: Any, tmp_path: Path, language: str) -> None:
    logs = [hostile_log(tmp_path, payload) for payload in PAYLOADS]
    attempts = [attempt for log in logs for attempt in log.attempts]
    visit = Visit(browser, write_report(run_log(tmp_path, attempts)))
    if language == "zh":
        visit.page.locator("#language").click()
    visit.page.locator("#expand").click()
    visit.page.mouse.move(600, 400)
    for key in ("j", "p", "j", "o", "e"):
        visit.page.keyboard.press(key)
    visit.page.locator("input[name=search]").fill("window.hit")
    visit.wait_until(f"document.querySelectorAll('details.item').length < {len(PAYLOADS)}")
    visit.page.wait_for_timeout(300)
    assert visit.page.evaluate("window.hit === undefined && ({}).hit === undefined")
    assert visit.page.locator("script:not([type])").count() == 1
    assert visit.page.locator("#items :is(img, iframe, script, style, link, base, form, object, svg svg)").count() == 0
    assert (visit.said, visit.asked_for) == ([], [])


def test_every_payload_is_shown_as_the_text_that_it_is(browser: Any, tmp_path: Path) -> None:
    logs = [hostile_log(tmp_path, payload) for payload in PAYLOADS]
    visit = Visit(browser, write_report(run_log(tmp_path, [attempt for log in logs for attempt in log.attempts])))
    visit.page.locator("#expand").click()
    # An item is filled when the browser tells it that it was opened, which is after the click.
    visit.wait_until(f"document.querySelectorAll('.question .words').length >= {len(PAYLOADS)}")
    shown = visit.page.evaluate("[...document.querySelectorAll('.question .words')].map((node) => node.textContent)")
    assert shown == list(PAYLOADS)


def test_a_recording_beside_the_page_plays_too(browser: Any, tmp_path: Path) -> None:
    visit = Visit(browser, write_report(nine_suites(tmp_path, n_samples=1), max_embedded_bytes=10))
    visit.page.locator("details.item summary").first.click()
    visit.page.get_by_role("button", name="Play answer 1").click()
    visit.wait_until("document.querySelector('.answer audio').currentTime > 0.1")
    assert visit.said == []
