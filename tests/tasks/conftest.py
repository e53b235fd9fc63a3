"""A voice for the tests: real synthesised speech whose rate, level and pitch can be set, and which can sing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np
import pytest

from aqaa_eval.core.audio import Audio, from_samples
from aqaa_eval.core.checking import Heard

RATE_HZ = 24_000
Speak = Callable[..., Heard]


@cache
def voice() -> Any:
    return pytest.importorskip("hibari", reason="the test voice is hibari-tts, in the offline extra").Hibari()


@cache
def speech(text: str, speed: float, semitones: float) -> np.ndarray:
    """Spoken text; pitch is moved by playing it at another sample rate, the speed then set right by the voice."""
    ratio = 2 ** (semitones / 12)
    plain = from_samples(voice()(text, speed=speed / ratio, seed=0), sample_rate_hz=round(RATE_HZ * ratio))
    return plain.resampled(RATE_HZ).samples


@pytest.fixture
def speak() -> Speak:
    def speaker(
        text: str,
        *,
        speed: float = 1.0,
        gain_db: float = 0.0,
        semitones: float = 0.0,
        heard_as: str | None = None,
        previous: Heard | None = None,
    ) -> Heard:
        samples = speech(text, speed, semitones) * np.float32(10 ** (gain_db / 20))
        return Heard(
            text=heard_as or text,
            language="en",
            audio=Audio(samples=samples.astype(np.float32), sample_rate_hz=RATE_HZ),
            previous=previous,
        )

    return speaker


@pytest.fixture
def sing() -> Callable[[Sequence[int], float], Heard]:
    def singer(midi: Sequence[int], speed: float = 0.5) -> Heard:
        samples = np.concatenate([sung_note(note, speed) for note in midi])
        text = " ".join(["la"] * len(midi))
        return Heard(text=text, language="en", audio=from_samples(samples, sample_rate_hz=RATE_HZ))

    return singer


@cache
def sung_note(midi: int, speed: float) -> np.ndarray:
    """The syllable la with the voice's own pitch curve replaced by one note, below the package's public face."""
    from hibari import dsp

    tts = voice()
    ids = np.asarray([tts.ids(tts.phonemize("la")[0])], np.int64)
    outputs = tts.sess.run(None, {"ids": ids, "speed": np.asarray([speed], np.float32)})
    *rest, pitch_hz = (output[0] for output in outputs)
    flat_hz = np.where(pitch_hz > 0, 440.0 * 2 ** ((midi - 69) / 12), pitch_hz).astype(np.float32)
    return np.asarray(dsp.synth(*rest, flat_hz, np.random.default_rng(0)), np.float32)


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
