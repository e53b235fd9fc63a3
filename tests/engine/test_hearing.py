"""The transcribing stage: all turns at once, one bad recording alone, the wrong language found and counted."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from aqaa_eval.core.attempt import Response, Timing, Transcript, TurnAttempt
from aqaa_eval.core.audio import Audio
from aqaa_eval.core.failure import Failure
from aqaa_eval.core.protocols import Clip
from aqaa_eval.core.sample import AudioFile, Sample, Turn
from aqaa_eval.engine.hearing import Listener, Spoken


class Ear:
    """Hears the same in all clips; breaks on recordings of a given length."""

    identity = "ear"

    def __init__(self, heard: Transcript, *, breaks_at_s: float | None = None) -> None:
        self._heard = heard
        self._breaks_at_s = breaks_at_s
        self.batches: list[list[Clip]] = []

    def transcribe(self, clips: Sequence[Clip]) -> list[Transcript]:
        self.batches.append(list(clips))
        if any(clip.audio.duration_s == self._breaks_at_s for clip in clips):
            raise RuntimeError("out of memory")
        return [self._heard for _ in clips]


def _heard(text: str = "Twelve people came.", language: str = "en", **changes: object) -> Transcript:
    return Transcript(text=text, language=language, confidence=0.9, asr="ear", **changes)  # type: ignore[arg-type]


def _sample(*languages: str) -> Sample:
    turns = tuple(
        Turn(audio=AudioFile(path=Path("q.ogg")), text="Who?", language="en", answer_language=language)
        for language in languages
    )
    return Sample(suite="gaming", id="g01", turns=turns)


def _spoken(sample: Sample, *durations_s: float) -> list[Spoken]:
    def attempt(index: int, duration_s: float) -> TurnAttempt:
        audio = Audio(samples=np.full(round(16_000 * duration_s), 0.1, np.float32), sample_rate_hz=16_000)
        response = Response(audio=audio, text=None, timing=Timing(first_audio_s=None, total_s=1.0))
        return TurnAttempt(index=index, response=response)

    return [Spoken(sample=sample, attempt=attempt(index, duration_s)) for index, duration_s in enumerate(durations_s)]


def _listener(ear: Ear) -> Listener:
    return Listener(transcriber=ear, languages={"gaming": ("en", "ja")})


def test_all_turns_are_heard_at_once_with_the_likely_languages() -> None:
    ear = Ear(_heard())
    heard = _listener(ear).hear(_spoken(_sample("fr", "en"), 1.0, 2.0))
    assert len(heard) == 2
    [batch] = ear.batches
    assert [clip.languages for clip in batch] == [("fr", "en", "ja"), ("en", "ja")]
    assert [clip.language for clip in batch] == [None, None]  # never forced: that would hide a wrong language


def test_a_recording_that_breaks_the_ear_costs_only_itself() -> None:
    ear = Ear(_heard(), breaks_at_s=2.0)
    heard = _listener(ear).hear(_spoken(_sample("en", "en", "en"), 1.0, 2.0, 3.0))
    assert [heard[turn].failure for turn in range(3)] == [None, Failure.ASR_FAILED, None]
    assert heard[1].transcript is None
    assert heard[1].detail == "RuntimeError: out of memory"
    assert [len(batch) for batch in ear.batches] == [3, 1, 1, 1]


def test_an_ear_that_loses_a_recording_has_failed() -> None:
    class Forgetful(Ear):
        def transcribe(self, clips: Sequence[Clip]) -> list[Transcript]:
            return []

    [heard] = _listener(Forgetful(_heard())).hear(_spoken(_sample("en"), 1.0))
    assert heard.failure is Failure.ASR_FAILED
    assert "0 transcripts for 1 recordings" in heard.detail


@pytest.mark.parametrize(
    ("transcript", "asked", "failure"),
    [
        (_heard("今天天气很好", "zh", language_probability=0.95), "en", Failure.WRONG_LANGUAGE),
        (_heard("Es ist sehr kalt heute", "de"), "en", Failure.WRONG_LANGUAGE),
        (_heard("It is very cold today", "en"), "ja", Failure.WRONG_LANGUAGE),
        (_heard("今天天气很好", "zh", language_probability=0.4), "en", None),  # not sure
        (_heard("Roma.", "it", language_probability=0.99), "en", None),  # one word tells nothing
        (_heard("Hello my friend", "ja", language_probability=0.9), "en", None),  # Latin letters are no Japanese
        (_heard("今天天气很好", "yue"), "zh", None),
        (_heard("It is very cold today", ""), "ja", None),
        (_heard("今天天气很好", "zh", failure=Failure.LOOPED), "en", Failure.LOOPED),
    ],
)
def test_the_wrong_language_is_found_where_there_is_enough_to_tell(
    transcript: Transcript, asked: str, failure: Failure | None
) -> None:
    [heard] = _listener(Ear(transcript)).hear(_spoken(_sample(asked), 1.0))
    assert heard.failure is failure
    assert heard.transcript is transcript  # a flag on an answer; its words stay
    if failure is Failure.WRONG_LANGUAGE:
        assert "was asked for" in heard.detail
