"""The detector on real synthesised speech and on everything that is not speech."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from aqaa_eval.core.audio import Audio
from aqaa_eval.metrics.voice_activity import Segment, speech_s, speech_segments

RATE_HZ = 16_000
TIME_S = np.arange(RATE_HZ * 4) / RATE_HZ


def _audio(samples: NDArray[np.floating]) -> Audio:
    return Audio(samples=np.clip(samples, -1, 1).astype(np.float32), sample_rate_hz=RATE_HZ)


@pytest.fixture(scope="module")
def speech() -> Audio:
    hibari = pytest.importorskip("hibari", reason="the speech of this test needs the extra: pip install .[offline]")
    samples = hibari.Hibari()("The train to the coast leaves at nine.", seed=0)
    return Audio(samples=np.asarray(samples, np.float32), sample_rate_hz=24_000)


NOT_SPEECH = {
    "silence": 0 * TIME_S,
    "noise at -80 dBFS": 1e-4 * np.random.default_rng(0).standard_normal(len(TIME_S)),
    "loud noise": 0.1 * np.random.default_rng(1).standard_normal(len(TIME_S)),
    "40 Hz hum": 0.3 * np.sin(2 * np.pi * 40 * TIME_S),
    "tone": 0.3 * np.sin(2 * np.pi * 1000 * TIME_S),
    "plucked chord": sum(0.1 * np.sin(2 * np.pi * f * TIME_S) for f in (262, 330, 392)) * np.exp(-4 * (TIME_S % 0.5)),
}


@pytest.mark.parametrize("kind", NOT_SPEECH)
def test_what_is_not_speech_holds_none(kind: str) -> None:
    assert speech_s(_audio(NOT_SPEECH[kind])) == 0.0


def test_speech_is_found_where_it_is(speech: Audio) -> None:
    pause = np.zeros(24_000, np.float32)
    twice = Audio(samples=np.concatenate([pause, speech.samples, pause, speech.samples]), sample_rate_hz=24_000)
    found = speech_segments(twice)
    second_start_s = 2 + speech.duration_s
    assert found[0].start_s == pytest.approx(1.35, abs=0.2)
    assert any(segment.start_s == pytest.approx(second_start_s + 0.35, abs=0.2) for segment in found)
    assert speech_s(twice) == pytest.approx(2 * speech_s(speech), rel=0.1)
    assert all(left.end_s < right.start_s for left, right in pairwise(found))


@pytest.mark.parametrize("gain", [0.3, 0.02, 0.002])
def test_quiet_speech_is_speech(speech: Audio, gain: float) -> None:
    quiet = Audio(samples=speech.samples * np.float32(gain), sample_rate_hz=24_000)
    assert speech_s(quiet) == pytest.approx(speech_s(speech), abs=0.1)


def test_what_was_heard_before_does_not_matter(speech: Audio) -> None:
    first = speech_segments(speech)
    speech_segments(_audio(NOT_SPEECH["loud noise"]))
    again = speech_segments(Audio(samples=speech.samples.copy(), sample_rate_hz=24_000))
    assert again == first
    assert first
    assert isinstance(first[0], Segment)


def test_a_recording_shorter_than_one_frame_is_no_speech() -> None:
    assert speech_segments(_audio(np.full(100, 0.1))) == ()
