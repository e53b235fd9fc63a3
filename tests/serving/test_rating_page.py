"""The rating page in a real browser: by keyboard alone, resumed, and without a word too many."""

from __future__ import annotations

import csv
import time
from pathlib import Path
from typing import Any

import pytest

from aqaa_eval.serving.rating.server import RatingServer
from tests.chromium import browser, needs_chromium
from tests.serving.test_rating import session

pytestmark = needs_chromium

__all__ = ["browser"]


class Visit:
    """The page, with all that it said and asked for."""

    def __init__(self, browser: Any, server: RatingServer, *, width: int = 1280) -> None:
        self.page = browser.new_context(viewport={"width": width, "height": 900}).new_page()
        self.page.set_default_timeout(20_000)
        self.said: list[str] = []
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.goto(server.url + "/")

    def wait_for(self, text: str) -> None:
        self.page.locator("#state").filter(has_text=text).wait_for()

    def wait_until(self, expression: str, *, limit_s: float = 20.0) -> None:
        end_s = time.monotonic() + limit_s
        while not self.page.evaluate(expression):
            assert time.monotonic() < end_s, f"not within {limit_s} s: {expression}"
            self.page.wait_for_timeout(50)


def ratings(tmp_path: Path) -> list[str]:
    with (tmp_path / "human.csv").open(encoding="utf-8", newline="") as file:
        return [row["rating"] for row in csv.DictReader(file)]


def test_the_keyboard_alone_plays_and_rates_and_goes_back(browser: Any, tmp_path: Path) -> None:
    with RatingServer(session(tmp_path), port=0) as server:
        visit = Visit(browser, server)
        visit.wait_for("0 of 4 rated")
        assert visit.page.locator("#turns p").inner_text().startswith("Question <b>")  # shown, not interpreted
        for label in ("Question 1", "Answer 1"):
            visit.page.keyboard.press("Space")
            played = visit.page.get_by_role("button", name=label, exact=True)
            played.wait_for()
            done = f"[...document.querySelectorAll('button')].find(b => b.textContent === '{label}').dataset.heard"
            visit.wait_until(f"{done} === 'yes'")
        for place, key in enumerate(("4", "2"), 1):
            visit.page.keyboard.press(key)
            visit.wait_for(f"{place} of 4 rated")
        visit.page.keyboard.press("Backspace")
        visit.page.get_by_role("button", name="Back").wait_for()
        visit.page.wait_for_timeout(300)
        visit.page.keyboard.press("5")
        visit.wait_until("document.querySelectorAll('#turns li').length === 1")
        visit.page.wait_for_timeout(300)
        assert visit.said == []
    assert ratings(tmp_path) == ["4", "2", "5"]
    with RatingServer(session(tmp_path), port=0) as server:  # another day
        visit = Visit(browser, server)
        for place in (3, 4):
            visit.wait_for(f"{place - 1} of 4 rated")
            visit.page.get_by_role("button", name="3 fair").click()
        visit.wait_for("All 4 are rated")
        assert visit.page.locator("#turns li").count() == 0
        assert visit.said == []
    assert ratings(tmp_path)[3:] == ["3", "3"]


def test_two_runs_are_heard_side_by_side_and_may_be_equal(browser: Any, tmp_path: Path) -> None:
    with RatingServer(session(tmp_path, pair=True), port=0) as server:
        visit = Visit(browser, server)
        visit.wait_for("0 of 3 rated")
        labels = visit.page.locator(".sounds button").all_inner_texts()
        assert labels == ["Question 1", "Answer 1 first", "Answer 1 second"]
        visit.page.keyboard.press("r")
        visit.wait_until("document.querySelectorAll('button[data-heard]').length === 3")
        visit.page.keyboard.press("2")
        visit.wait_for("1 of 3 rated")
        assert visit.said == []
    assert ratings(tmp_path) == ["3"]


def test_a_rating_that_is_not_kept_is_said(browser: Any, tmp_path: Path) -> None:
    one = session(tmp_path)
    with RatingServer(one, port=0) as server:
        visit = Visit(browser, server)
        visit.wait_for("0 of 4 rated")
        (tmp_path / "human.csv").unlink()
        (tmp_path / "human.csv").mkdir()
        visit.page.keyboard.press("4")
        visit.page.get_by_role("alert").filter(has_text="not kept").wait_for()
        assert one.n_done == 0


@pytest.mark.parametrize("width", [1280, 390])
def test_nothing_sticks_out_of_the_screen(browser: Any, tmp_path: Path, width: int) -> None:
    with RatingServer(session(tmp_path, pair=True), port=0) as server:
        visit = Visit(browser, server, width=width)
        visit.wait_for("0 of 3 rated")
        assert visit.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
