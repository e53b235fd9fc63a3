"""The comparison and the leaderboard in a real browser, opened from disk: Debian's Chromium, driven by playwright."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from aqaa_eval.reports.compare import compare
from aqaa_eval.reports.compare_page import CompareSettings, write_comparison
from aqaa_eval.reports.leaderboard import Entry
from aqaa_eval.reports.leaderboard_site import build_site
from tests.chromium import browser, needs_chromium
from tests.reports.axe import serious_violations
from tests.reports.boards import made, three
from tests.reports.builders import run_log
from tests.reports.payloads import PAYLOADS, hostile_log
from tests.reports.test_compare_page import renamed, runs

pytestmark = needs_chromium

__all__ = ["browser", "runs"]


class Opened:
    """One page opened from disk, with all that it said and asked for."""

    def __init__(self, browser: Any, file: Path, *, width: int = 1280, scheme: str = "light") -> None:
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        self.page = context.new_page()
        self.page.set_default_timeout(60_000)
        self.said: list[str] = []
        self.asked_for: list[str] = []
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("request", lambda request: self.asked_for.append(request.url))
        self.page.goto(file.as_uri())
        self.file = file

    @property
    def loaded(self) -> list[str]:
        """Requests besides the page itself and what it carries."""
        return [url for url in self.asked_for if url != self.file.as_uri() and not url.startswith("data:")]

    @property
    def text(self) -> str:
        """What a reader sees."""
        return str(self.page.locator("body").inner_text())

    def wait_until(self, expression: str, *, limit_s: float = 60.0) -> None:
        """Poll; playwright's own way evaluates strings in the page, which our policy rightly refuses."""
        end_s = time.monotonic() + limit_s
        while not self.page.evaluate(expression):
            assert time.monotonic() < end_s, f"not within {limit_s} s: {expression}"
            self.page.wait_for_timeout(50)


@pytest.fixture(scope="module")
def comparison(runs: list, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_comparison(runs, compare(runs), tmp_path_factory.mktemp("page") / "compare.html")


def test_an_answer_of_each_run_plays_one_at_a_time(browser: Any, comparison: Path) -> None:
    opened = Opened(browser, comparison)
    item = opened.page.locator("details.item").nth(1)
    item.locator("summary").click()
    item.get_by_role("button", name="Play answer 1 of run A").click()
    opened.wait_until(
        "document.querySelectorAll('details.item')[1].querySelectorAll('.side audio')[0].currentTime > 0.1"
    )
    item.get_by_role("button", name="Play answer 1 of run B").click()
    opened.wait_until(
        "document.querySelectorAll('details.item')[1].querySelectorAll('.side audio')[1].currentTime > 0.1"
    )
    assert opened.page.evaluate("document.querySelectorAll('details.item')[1].querySelector('.side audio').paused")
    assert (opened.said, opened.loaded) == ([], [])


def test_the_filter_shows_what_got_worse(browser: Any, comparison: Path) -> None:
    opened = Opened(browser, comparison)
    opened.page.locator("select[name=kind]").select_option("worse")
    kinds = opened.page.evaluate(
        "[...document.querySelectorAll('details.item:not([hidden])')].map(i => i.dataset.kinds)"
    )
    assert kinds
    assert all("worse" in kind.split() for kind in kinds)


def test_blind_listening_tells_nothing_until_it_is_revealed_and_then_counts_the_votes(
    browser: Any, runs: list, tmp_path: Path
) -> None:
    settings = CompareSettings(blind=True, seed=2)
    opened = Opened(browser, write_comparison(runs, compare(runs), tmp_path / "blind.html", settings))
    page = opened.page
    for index in range(3):
        item = page.locator("details.item").nth(index)
        item.locator("summary").click()
        item.locator(f'[data-vote="{index % 2}"]').click()
    assert not any(name in opened.text for name in ("cascade", "reference:step7", "Difference", "MOS", "lost", "Heard"))
    labels = page.evaluate("[...document.querySelectorAll('details[open] .side .play')].map(b => b.ariaLabel)")
    assert labels[:2] == ["Play answer 1 to question 1", "Play answer 2 to question 1"]
    left = page.evaluate("[...document.querySelectorAll('.turn .sides')].map(s => s.children[0].dataset.place)")
    assert {"0", "1"} <= set(left)
    page.screenshot(path=tmp_path / "blind.png")
    page.get_by_role("button", name="Reveal names").click()
    assert "You preferred A 2, B 1; no difference 0; of 3 heard." in opened.text
    assert "cascade" in opened.text
    places = page.evaluate("[...document.querySelectorAll('details.item')].map(i => Number(i.dataset.place))")
    assert places == sorted(places)
    assert opened.said == []


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_the_comparison_fits_the_screen(
    browser: Any, comparison: Path, tmp_path: Path, width: int, scheme: str
) -> None:
    opened = Opened(browser, comparison, width=width, scheme=scheme)
    opened.page.locator("details.item summary").first.click()
    assert len(opened.page.screenshot(path=tmp_path / f"compare-{width}.png", full_page=True)) > 50_000
    assert opened.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_comparison_has_no_serious_violation_of_accessibility(browser: Any, comparison: Path, scheme: str) -> None:
    opened = Opened(browser, comparison, scheme=scheme)
    opened.page.locator("details.item summary").first.click()
    assert serious_violations(opened.page) == []


def test_nothing_from_the_runs_is_executed_in_a_comparison(browser: Any, tmp_path: Path) -> None:
    attempts = [item for payload in PAYLOADS for item in hostile_log(tmp_path, payload).attempts]
    log = renamed(run_log(tmp_path, attempts), "".join(PAYLOADS))
    logs = [log, replace(log, spec=log.spec.model_copy(update={"model": PAYLOADS[0]}))]
    opened = Opened(browser, write_comparison(logs, compare(logs), tmp_path / "compare.html"))
    opened.page.evaluate("document.querySelectorAll('details').forEach((item) => { item.open = true; })")
    opened.page.mouse.move(600, 400)
    opened.page.wait_for_timeout(300)
    assert opened.page.evaluate("window.hit === undefined")
    assert opened.page.locator("script").count() == 1
    assert (opened.said, opened.loaded) == ([], [])


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_the_leaderboard_fits_the_screen_says_nothing_and_loads_nothing(
    browser: Any, tmp_path: Path, width: int, scheme: str
) -> None:
    cut = replace(made("cut", 3.0), n_planned=99)
    build_site([Entry(log=log) for log in (*three(), cut)], tmp_path / "site")
    opened = Opened(browser, tmp_path / "site" / "index.html", width=width, scheme=scheme)
    assert len(opened.page.screenshot(path=tmp_path / f"board-{width}.png", full_page=True)) > 50_000
    assert opened.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    before = opened.page.evaluate("getComputedStyle(document.body).backgroundColor")
    opened.page.locator("#theme").click()
    assert opened.page.evaluate("getComputedStyle(document.body).backgroundColor") != before
    opened.page.locator("details summary").first.click()
    assert opened.page.locator("details[open] table").first.is_visible()
    assert (opened.said, opened.loaded) == ([], [])


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_leaderboard_has_no_serious_violation_of_accessibility(browser: Any, tmp_path: Path, scheme: str) -> None:
    cut = replace(made("cut", 3.0), n_planned=99)
    build_site([Entry(log=log) for log in (*three(), cut)], tmp_path / "site")
    opened = Opened(browser, tmp_path / "site" / "index.html", scheme=scheme)
    opened.page.evaluate("document.querySelectorAll('details').forEach((item) => { item.open = true; })")
    assert serious_violations(opened.page) == []


def test_nothing_from_the_runs_is_executed_on_a_leaderboard(browser: Any, tmp_path: Path) -> None:
    entries = [
        Entry(log=renamed(hostile_log(tmp_path, payload), payload), name=f"{place} {payload}")
        for place, payload in enumerate(PAYLOADS)
    ]
    build_site(entries, tmp_path / "site")
    opened = Opened(browser, tmp_path / "site" / "index.html")
    opened.page.mouse.move(600, 400)
    opened.page.wait_for_timeout(300)
    assert opened.page.evaluate("window.hit === undefined")
    assert opened.page.locator("script").count() == 1
    assert (opened.said, opened.loaded) == ([], [])
