"""Reading the page in a browser: words that follow the sound, two languages, the keyboard, pages, paper."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from aqaa_eval.core.attempt import Doubt, Score, SecondHearing
from aqaa_eval.core.runlog import AttemptLog
from aqaa_eval.reports.html import write_report
from tests.chromium import browser, needs_chromium
from tests.reports.axe import serious_violations
from tests.reports.browsing import Visit
from tests.reports.builders import answered, attempt, nine_suites, question, run_log, score, store, syllables

__all__ = ["browser"]
pytestmark = needs_chromium


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_report(nine_suites(tmp_path_factory.mktemp("run")))


@pytest.fixture(scope="module")
def long_report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """300 conversations of gaming, whose MOS rises with their number."""
    attempts = [attempt("gaming", f"g{n:03d}", [score("mos", 1 + 4 * n / 300)]) for n in range(300)]
    return write_report(run_log(tmp_path_factory.mktemp("long"), attempts))


def judged(sample: str, scores: list[Score], *, language: str = "en", text: str = "What is two and two?") -> AttemptLog:
    turns = [answered(asked=question(text, language=language))]
    return attempt("gaming", sample, scores, turns=turns)


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four conversations that differ in language, judges' disagreement and fidelity."""
    folder = tmp_path_factory.mktemp("mixed")
    sound = store(folder, "a.flac", syllables(duration_s=2.0))
    doubts = (Doubt(start=20, end=23, instead="four"),)
    second = SecondHearing(asr="b", text="Two and two is four.", doubts=doubts)
    turn = answered(audio=sound, asked=question(audio=sound))
    assert turn.transcript is not None
    turn = replace(turn, transcript=replace(turn.transcript, text="Two and two is, ah, for.", second=second))
    scores = [score("mos", 4.0), score("fidelity", 0.3, turn=0, weight=5)]
    attempts = [
        attempt("gaming", "agreed", [*scores, score("disagreement", 0.2)], turns=[turn]),
        judged("split", [score("mos", 3.0), score("content", 5.0), score("judge_content", 1.0)]),
        judged("gap", [score("mos", 2.0), score("fidelity", 0.9, turn=0, weight=5)], language="ja", text="二足す二は?"),
        judged("plain", [score("mos", 1.0)]),
    ]
    return write_report(run_log(folder, attempts))


def test_the_word_that_is_spoken_is_lit_and_a_click_on_a_word_plays_from_it(browser: Any, mixed: Path) -> None:
    visit = Visit(browser, mixed)
    item = visit.open_item()
    words = item.locator(".answer .words").first.locator("[data-word]")
    assert words.all_inner_texts() == ["Two", "and", "two", "is", "for", "."]  # the mark of a doubt ends before the dot
    words.nth(3).click()
    visit.wait_until("document.querySelector('.answer audio').currentTime > 1.25")
    # In one look: between two of them the word may be over.
    lit = visit.page.wait_for_function("document.querySelector('.answer .now')?.dataset.word").json_value()
    assert int(lit) >= 3
    visit.wait_until("document.querySelector('.answer audio').ended")
    visit.wait_until("document.querySelector('.now') === null")
    assert visit.said == []


def test_what_the_second_ear_heard_stands_beside_its_word(browser: Any, mixed: Path) -> None:
    item = Visit(browser, mixed).open_item()
    doubt = item.locator(".doubt")
    assert (doubt.inner_text(), doubt.get_attribute("title")) == ("for", "second ear: four")
    assert item.get_by_text("Two and two is four.", exact=True).first.is_visible()


def test_the_list_is_ordered_by_disagreement_and_by_the_fidelity_gap(browser: Any, mixed: Path) -> None:
    visit = Visit(browser, mixed)
    assert visit.keys() == ["gaming/agreed", "gaming/split", "gaming/gap", "gaming/plain"]
    visit.choose("order", "split")
    assert visit.keys()[:2] == ["gaming/split", "gaming/agreed"]
    visit.choose("order", "gap")
    assert visit.keys()[:2] == ["gaming/gap", "gaming/agreed"]
    visit.choose("order", "low")
    assert visit.keys()[0] == "gaming/plain"


def test_the_list_is_filtered_by_language_score_and_words(browser: Any, mixed: Path) -> None:
    visit = Visit(browser, mixed)
    visit.choose("language", "ja")
    assert visit.keys() == ["gaming/gap"]
    visit.choose("language", "")
    visit.choose("metric", "0")
    visit.page.locator("input[name=low]").fill("2.5")
    visit.page.locator("input[name=high]").fill("3.5")
    visit.wait_until("document.querySelectorAll('details.item').length === 1")
    assert visit.keys() == ["gaming/split"]
    visit.page.get_by_role("button", name="Clear").click()
    visit.page.locator("input[name=search]").fill("IS, AH")
    visit.wait_until("document.querySelectorAll('details.item').length === 1")
    assert visit.keys() == ["gaming/agreed"]


def test_the_page_turns_chinese_and_back_without_loading_and_leaves_the_run_as_it_is(
    browser: Any, report: Path
) -> None:
    visit = Visit(browser, report)
    item = visit.open_item()
    question_text = item.locator(".question .words").first.inner_text()
    visit.page.get_by_role("button", name="中文").click()
    page = visit.page
    assert page.evaluate("document.documentElement.lang") == "zh-Hans"
    assert page.locator("#suites-title").inner_text() == "套件"
    assert page.locator("#shown").inner_text() == "显示 27 / 27"
    assert item.locator(".verdict").first.inner_text() in {"通过", "未通过"}
    assert page.get_by_role("button", name="播放回答 1").first.is_visible()
    assert page.title() == "fake:echo · aqaa-eval 报告"
    assert item.locator(".question .words").first.inner_text() == question_text
    left = page.evaluate(
        "[...document.querySelectorAll('[data-t]')].filter((e) => /^[A-Za-z ,.]{12,}$/.test(e.textContent))"
    )
    assert left == []
    page.get_by_role("button", name="English").click()
    assert (page.evaluate("document.documentElement.lang"), page.locator("#suites-title").inner_text()) == (
        "en",
        "Suites",
    )
    assert len(visit.requests) == 1 + sum(url.startswith("data:") for url in visit.requests)


def test_a_reader_of_chinese_is_met_in_chinese(browser: Any, report: Path) -> None:
    assert Visit(browser, report, locale="zh-CN").page.locator("#suites-title").inner_text() == "套件"


def test_the_keyboard_walks_opens_plays_and_searches(browser: Any, report: Path) -> None:
    visit = Visit(browser, report)
    press, focused = visit.page.keyboard.press, "document.activeElement.closest('details')?.id"
    for key in ("j", "j", "k", "j"):
        press(key)
    assert visit.page.evaluate(focused) == visit.page.locator("details.item").nth(1).get_attribute("id")
    press("o")
    visit.page.locator("details.item[open] .body").wait_for()
    press("p")
    visit.wait_until("document.querySelector('.answer audio').currentTime > 0.1")
    press("/")
    assert visit.page.evaluate("document.activeElement.name") == "search"
    visit.page.keyboard.type("jjx")
    assert visit.page.locator("input[name=search]").input_value() == "jjx"
    press("Escape")
    press("x")
    assert visit.shown() == 27
    press("l")
    assert visit.page.evaluate("document.documentElement.lang") == "zh-Hans"


def test_the_shortcuts_are_listed_and_can_be_switched_off(browser: Any, report: Path) -> None:
    visit = Visit(browser, report)
    visit.page.keyboard.press("?")
    dialog = visit.page.get_by_role("dialog", name="Keyboard shortcuts")
    assert dialog.locator("kbd").all_inner_texts() == [
        "j",
        "k",
        "o",
        "p",
        "/",
        "[",
        "]",
        "e",
        "x",
        "t",
        "l",
        "?",
        "←",
        "→",
    ]
    dialog.get_by_label("Single-key shortcuts on").uncheck()
    dialog.get_by_role("button", name="Close").click()
    visit.page.keyboard.press("l")
    assert visit.page.evaluate("document.documentElement.lang") == "en"


def test_three_hundred_conversations_come_in_pages_of_fifty(browser: Any, long_report: Path) -> None:
    visit = Visit(browser, long_report)
    assert (visit.page.locator("details.item").count(), visit.page.locator("#page-at").inner_text()) == (
        50,
        "Page 1 of 6",
    )
    visit.page.locator("details.item summary").last.focus()
    visit.page.keyboard.press("j")
    assert visit.page.evaluate("document.activeElement.parentElement.id") == "item-gaming-g050"
    visit.page.get_by_role("button", name="Last").click()
    assert visit.keys()[-1] == "gaming/g299"
    assert visit.page.get_by_role("button", name="Next").is_disabled()
    visit.choose("order", "high")
    assert (visit.keys()[0], visit.page.locator("#page-at").inner_text()) == ("gaming/g299", "Page 1 of 6")
    visit.page.evaluate("location.hash = 'item-gaming-g017'")
    visit.page.locator("#item-gaming-g017[open] .body").wait_for()
    assert visit.page.locator("#page-at").inner_text() == "Page 6 of 6"


def test_a_conversation_stays_open_while_pages_are_turned(browser: Any, long_report: Path) -> None:
    visit = Visit(browser, long_report)
    visit.open_item(2)
    visit.page.keyboard.press("]")
    assert visit.page.locator("details.item[open]").count() == 0
    visit.page.keyboard.press("[")
    assert visit.page.locator("details.item[open]").get_attribute("id") == "item-gaming-g002"


def test_paper_gets_the_open_conversations_in_light_colours_and_no_buttons(
    browser: Any, report: Path, tmp_path: Path
) -> None:
    visit = Visit(browser, report, scheme="dark")
    visit.open_item()
    visit.page.emulate_media(media="print")
    assert visit.page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    for hidden in ("#filters", ".tools", ".player", ".permalink", "#pages"):
        assert not visit.page.locator(hidden).first.is_visible(), hidden
    assert visit.page.locator("details.item[open] .turn").first.is_visible()
    assert len(visit.page.screenshot(path=tmp_path / "print.png", full_page=True)) > 50_000
    closed = visit.page.pdf(path=tmp_path / "print.pdf")
    assert closed.startswith(b"%PDF")
    visit.page.locator("#expand").evaluate("(button) => button.click()")
    visit.wait_until("[...document.querySelectorAll('details.item')].every((item) => item.querySelector('.turn'))")
    n_pages = [len(re.findall(rb"/Type\s*/Page\b", found)) for found in (closed, visit.page.pdf())]
    assert 1 < n_pages[0] < n_pages[1]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("language", ["en", "zh"])
def test_axe_finds_no_serious_violation(browser: Any, report: Path, scheme: str, language: str) -> None:
    visit = Visit(browser, report, scheme=scheme, bypass_csp=True)  # axe is not a part of the page, so its policy waits
    if language == "zh":
        visit.page.keyboard.press("l")
    visit.open_item()
    visit.open_item(22)  # a model error
    assert serious_violations(visit.page) == []
    visit.page.keyboard.press("?")
    assert serious_violations(visit.page) == []
