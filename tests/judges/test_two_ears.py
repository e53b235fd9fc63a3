"""Where two recognisers disagree is marked, and nowhere else."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from aqaa_eval.core.attempt import Doubt, Transcript
from aqaa_eval.core.audio import Audio
from aqaa_eval.core.failure import Failure
from aqaa_eval.core.protocols import Clip
from aqaa_eval.judges.transcribers.two_ears import TwoEars, find_doubts


class Ear:
    """Hears what it is told to, and remembers what it was asked."""

    def __init__(self, *heard: str, language: str = "en", knows: tuple[str, ...] = ()) -> None:
        self._heard = list(heard)
        self._language = language
        self.languages = knows
        self.asked: list[Clip] = []

    identity = "ear"

    def transcribe(self, clips: Sequence[Clip]) -> list[Transcript]:
        self.asked += clips
        given, self._heard = self._heard[: len(clips)], self._heard[len(clips) :]
        return [
            Transcript(
                text=text,
                language=self._language,
                confidence=0.9,
                asr=self.identity,
                failure=None if text else Failure.ASR_EMPTY,
            )
            for text in given
        ]


def _clip(language: str | None = None) -> Clip:
    noise = np.random.default_rng(0).standard_normal(1600).astype(np.float32)
    return Clip(audio=Audio(samples=noise, sample_rate_hz=16_000), language=language)


@pytest.mark.parametrize(
    ("text", "other", "language"),
    [
        ("The colour is grey.", "the color is gray", "en"),
        ("I have twenty one of them.", "I have 21 of them!", "en"),
        ("It's five dollars.", "it is $5", "en"),
        ("Mr. Smith doesn't know.", "mister Smith does not know", "en"),
        ("妳好，世界", "你好世界。", "zh"),
        ("ﾃｽﾄです", "テストです", "ja"),
        ("", "", "en"),
    ],
)
def test_spelling_and_number_words_are_no_doubts(text: str, other: str, language: str) -> None:
    assert find_doubts(text, other, language=language) == ()


@pytest.mark.parametrize(
    ("text", "other", "language", "marked"),
    [
        ("I took the train.", "I took the plane.", "en", [("train", "plane")]),
        ("Row row the boat", "Row the boat", "en", [("Row", "")]),
        ("Say it", "Say it again, please.", "en", [("", "again, please")]),
        ("in Paris, or Rome", "in parish or roam", "en", [("Paris", "parish"), ("Rome", "roam")]),
        ("好的，再見", "好的再建", "zh", [("見", "建")]),
        ("All of it", "", "en", [("All of it", "")]),
    ],
)
def test_other_words_are_marked_by_their_place(
    text: str, other: str, language: str, marked: list[tuple[str, str]]
) -> None:
    doubts = find_doubts(text, other, language=language)
    assert [(text[d.start : d.end], d.instead) for d in doubts] == marked


def test_the_first_ear_keeps_its_words_and_gains_doubts() -> None:
    first, second = Ear("I took the train."), Ear("I took the plane.")
    [transcript] = TwoEars(first, second).transcribe([_clip()])
    assert transcript.text == "I took the train."
    assert transcript.second is not None
    assert transcript.second.text == "I took the plane."
    assert transcript.second.doubts == (Doubt(start=11, end=16, instead="plane"),)
    assert transcript.uncertain_words == ("train",)
    assert second.asked[0].language == "en"  # it is told what the first found, and does not guess anew


def test_the_second_ear_is_not_asked_where_nothing_was_heard_or_the_language_is_not_its_own() -> None:
    second = Ear("never")
    [empty] = TwoEars(Ear(""), second).transcribe([_clip()])
    assert (empty.second, second.asked) == (None, [])
    english = Ear("never", knows=("en",))
    [japanese] = TwoEars(Ear("猫です", language="ja"), english).transcribe([_clip()])
    assert (japanese.second, english.asked, japanese.uncertain_words) == (None, [], ())


def test_two_ears_have_an_identity_of_both() -> None:
    assert TwoEars(Ear(), Ear()).identity == "ear & ear"
