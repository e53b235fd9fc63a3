"""The page in a real browser, with its fake microphone playing a spoken question."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from aqaa_eval.core.audio import Audio, encode_audio
from aqaa_eval.core.errors import ModelError
from aqaa_eval.core.weights import is_present, locate
from aqaa_eval.metrics.voice_activity import speech_s
from aqaa_eval.serving.server import LocalServer
from tests.chromium import CHROMIUM, FLAGS, needs_chromium, sync_api
from tests.serving.builders import Pupil, serve

MICROPHONE = ("--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream")
QUESTION = "What is the capital of France?"

hibari = pytest.importorskip("hibari", reason="the question is spoken by hibari: pip install 'aqaa-eval[offline]'")
pytestmark = needs_chromium


@pytest.fixture(scope="module")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("microphone") / "question.wav"
    audio = Audio(samples=hibari.Hibari()(QUESTION, seed=1), sample_rate_hz=24_000)
    path.write_bytes(encode_audio(audio.resampled(48_000), container="WAV"))
    return path


@pytest.fixture(scope="module")
def browser(spoken: Path) -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        flags = [*FLAGS, *MICROPHONE, f"--use-file-for-fake-audio-capture={spoken}"]
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield browser
        browser.close()


class Visit:
    """The page of a server, with all that it said and asked for."""

    def __init__(self, browser: Any, server: LocalServer, *, size: tuple[int, int] = (1280, 900)) -> None:
        self.context = browser.new_context(viewport={"width": size[0], "height": size[1]})
        self.page = self.context.new_page()
        self.page.set_default_timeout(15_000)
        self.said: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(server.url + "/")

    def record(self, *, duration_s: float = 3.0) -> None:
        self.page.get_by_role("button", name="Record", exact=True).click()
        self.page.get_by_role("button", name="Stop and send").wait_for()
        self.page.wait_for_timeout(duration_s * 1000)
        self.page.get_by_role("button", name="Stop and send").click()

    def wait_for_answers(self, n: int) -> None:
        self.page.locator("li.assistant").nth(n - 1).wait_for()

    def wait_until(self, expression: str, *, limit_s: float = 10.0) -> None:
        end_s = time.monotonic() + limit_s
        while not self.page.evaluate(expression):
            assert time.monotonic() < end_s, f"not within {limit_s} s: {expression}"
            self.page.wait_for_timeout(50)


def test_a_question_into_the_microphone_arrives_as_speech_and_the_answer_plays(browser: Any) -> None:
    pupil = Pupil(text="It is <b>Paris</b>.")
    with serve(pupil) as server:
        visit = Visit(browser, server)
        visit.record()
        visit.wait_for_answers(1)
        assert visit.page.locator("li.assistant .text").inner_text() == "It is <b>Paris</b>."
        visit.wait_until("document.querySelector('li.assistant audio').currentTime > 0.3")
        assert all(url.startswith((server.url, "blob:", "data:")) for url in visit.requests)
        assert visit.said == []
    [query] = pupil.seen
    audio = query.question.audio
    assert audio is not None
    assert audio.duration_s > 2
    assert speech_s(audio) > 1
    _assert_heard(audio)


def _assert_heard(audio: Audio) -> None:
    if not is_present("whisper:base"):
        return
    pytest.importorskip("whisper")
    from aqaa_eval.adapters.cascade_parts import Ear

    assert "capital" in Ear(locate("whisper:base"), device="cpu").hear(audio).lower()


def test_a_conversation_goes_on_and_starts_anew(browser: Any, spoken: Path) -> None:
    pupil = Pupil()
    with serve(pupil) as server:
        visit = Visit(browser, server)
        for number in (1, 2):
            visit.page.set_input_files("#file", spoken)
            visit.wait_for_answers(number)
        visit.page.get_by_role("button", name="New conversation").click()
        assert visit.page.locator("#turns li").count() == 0
        visit.page.set_input_files("#file", spoken)
        visit.wait_for_answers(1)
        assert visit.said == []
    assert [len(query.messages) for query in pupil.seen] == [1, 3, 1]
    assert pupil.seen[1].messages[1].audio is not None  # by its id, with its sound


def test_an_error_is_told_in_words_and_the_page_goes_on(browser: Any, spoken: Path) -> None:
    pupil = Pupil(error=ModelError("the talker broke"))
    with serve(pupil) as server:
        visit = Visit(browser, server)
        visit.page.set_input_files("#file", spoken)
        visit.page.get_by_role("alert").filter(has_text="the talker broke").wait_for()
        pupil.error = None
        visit.page.set_input_files("#file", spoken)
        visit.wait_for_answers(1)
        assert not visit.page.get_by_role("alert").is_visible()


def test_an_answer_without_sound_says_so(browser: Any, spoken: Path) -> None:
    class Writer(Pupil):
        def answer(self, query):
            said = super().answer(query)
            return type(said)(audio=None, text="Only words.", timing=said.timing)

    with serve(Writer()) as server:
        visit = Visit(browser, server)
        visit.page.set_input_files("#file", spoken)
        visit.wait_for_answers(1)
        assert "without sound" in visit.page.locator("li.assistant .who").inner_text()
        assert visit.page.locator("li.assistant audio").count() == 0


def test_the_token_is_typed_in_and_kept_nowhere(browser: Any, spoken: Path) -> None:
    with serve(token="a-long-enough-token") as server:
        visit = Visit(browser, server)
        visit.page.set_input_files("#file", spoken)
        visit.page.get_by_role("alert").filter(has_text="token").wait_for()
        visit.page.get_by_label("Token").fill("a-long-enough-token")
        visit.page.set_input_files("#file", spoken)
        visit.wait_for_answers(1)
        assert visit.page.evaluate("localStorage.length + sessionStorage.length") == 0
        assert visit.page.evaluate("document.cookie") == ""


@pytest.mark.parametrize("size", [(1280, 900), (390, 844)])
def test_nothing_sticks_out_of_the_screen_and_the_keyboard_reaches_everything(
    browser: Any, spoken: Path, size: tuple[int, int]
) -> None:
    with serve(Pupil(text="word " * 80 + "w" * 300)) as server:
        visit = Visit(browser, server, size=size)
        visit.page.set_input_files("#file", spoken)
        visit.wait_for_answers(1)
        assert visit.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        visit.page.evaluate("document.querySelectorAll('audio').forEach((player) => player.remove())")
        visit.page.evaluate("document.body.focus()")
        reached = []
        for _ in range(3):
            visit.page.keyboard.press("Tab")
            reached.append(visit.page.evaluate("document.activeElement.id"))
    assert reached == ["record", "file", "again"]
