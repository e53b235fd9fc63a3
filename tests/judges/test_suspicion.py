"""What betrays an invented transcript, rule by rule."""

from __future__ import annotations

import pytest

from aqaa_eval.core.failure import Failure
from aqaa_eval.judges.transcribers.suspicion import Hypothesis, find_suspicion, longest_loop


def _hypothesis(text: str, **changes: object) -> Hypothesis:
    values: dict[str, object] = {
        "text": text,
        "language": "en",
        "speech_s": 3.0,
        "confidence": 0.9,
        "log_probability": -0.3,
        "no_speech": 0.1,
    }
    return Hypothesis(**(values | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "hypothesis",
    [
        _hypothesis("I would take the early train because it is cheaper."),
        _hypothesis("Row, row, row your boat, gently down the stream.", speech_s=4.0),
        _hypothesis("Yes.", speech_s=0.2, confidence=0.5, log_probability=-0.7),
        _hypothesis("Yes.", speech_s=0.4, confidence=0.6, no_speech=0.7),
        _hypothesis("今日は天気がいいです", language="ja"),
        _hypothesis("very very unsure words", confidence=0.35, log_probability=-0.8),
        _hypothesis(""),
    ],
)
def test_plausible_words_are_believed(hypothesis: Hypothesis) -> None:
    assert find_suspicion(hypothesis) is None


@pytest.mark.parametrize(
    ("hypothesis", "failure", "note"),
    [
        (_hypothesis("go " * 75), Failure.ASR_HALLUCINATED, "75 words in 3.0 s of speech, which has room for 27"),
        (_hypothesis("字幕" * 50, language="zh"), Failure.ASR_HALLUCINATED, "100 words"),
        (_hypothesis("ha ha ha ha ha ha ha"), Failure.LOOPED, "7 of 7 words"),
        (_hypothesis("well i do i do i do i do i do", speech_s=9), Failure.LOOPED, "10 of 11 words"),
        (_hypothesis("I do not know it, so. " * 12, speech_s=20), Failure.LOOPED, "72 of 72"),
        (_hypothesis("guessed", confidence=0.3, log_probability=-1.2), Failure.ASR_HALLUCINATED, "0.30"),
        (_hypothesis("guessed", confidence=0.3, log_probability=None), Failure.ASR_HALLUCINATED, "a guess"),
        (_hypothesis("you", confidence=0.4, no_speech=0.8), Failure.ASR_HALLUCINATED, "no-speech 0.80"),
    ],
)
def test_invented_words_are_found_with_the_reason(hypothesis: Hypothesis, failure: Failure, note: str) -> None:
    suspicion = find_suspicion(hypothesis)
    assert suspicion is not None
    assert suspicion.failure is failure
    assert note in suspicion.note


def test_a_phrase_must_come_five_times_in_a_row() -> None:
    assert longest_loop(["a", "b", "a", "b", "a", "b", "a", "b"]) == 0
    assert longest_loop(["a", "b", "a", "b", "a", "b", "a", "b", "a", "b"]) == 10
    assert longest_loop([str(i) for i in range(50)]) == 0
    assert longest_loop([]) == 0
