"""A voice for the tests: real synthesised speech whose rate, level and pitch can be set, and which can sing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache

import numpy as np
import pytest

from aqaa_eval.core.audio import Audio, from_samples
from aqaa_eval.core.checking import Heard
from aqaa_eval.core.performance import Phrase
from aqaa_eval.tasks.speaking.performer import perform

RATE_HZ = 24_000
Speak = Callable[..., Heard]


@cache
def performed(*phrases: Phrase, language: str = "en") -> Audio:
    pytest.importorskip("hibari", reason="the test voice is hibari-tts, in the offline extra")
    return perform(phrases, language=language)


@pytest.fixture
def speak() -> Speak:
    def speaker(
        text: str, *, heard_as: str | None = None, language: str = "en", previous: Heard | None = None, **manner: object
    ) -> Heard:
        """Speak a text in a manner, see `Phrase`."""
        audio = performed(Phrase.model_validate({"say": text, **manner}), language=language)
        return Heard(text=heard_as or text, language=language, audio=audio, previous=previous)

    return speaker


@pytest.fixture
def sing() -> Callable[..., Heard]:
    def singer(midi: Sequence[int], note_s: float = 0.6) -> Heard:
        words = " ".join(["la"] * len(midi))
        audio = performed(Phrase(say=words, notes=tuple(midi), note_s=note_s))
        return Heard(text=words, language="en", audio=audio)

    return singer


@pytest.fixture
def join() -> Callable[..., Heard]:
    def joiner(parts: Sequence[Heard | float], text: str) -> Heard:
        """Answers and silences (in seconds) one after the other."""
        pieces = [
            part.audio.samples if isinstance(part, Heard) else np.zeros(round(part * RATE_HZ), np.float32)
            for part in parts
        ]
        return Heard(text=text, language="en", audio=from_samples(np.concatenate(pieces), sample_rate_hz=RATE_HZ))

    return joiner
