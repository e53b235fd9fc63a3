"""What the level alone tells of an answer."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from aqaa_eval.core.audio import Audio
from aqaa_eval.core.failure import Failure
from aqaa_eval.judges.guards import answer_failure, describe_failure, speech_failure

TONE = np.sin(2 * np.pi * 440 * np.arange(48_000) / 16_000)


def _audio(samples: NDArray[np.floating]) -> Audio:
    return Audio(samples=samples.astype(np.float32), sample_rate_hz=16_000)


@pytest.mark.parametrize(
    ("samples", "expected"),
    [
        (0 * TONE, Failure.SILENT),
        (0 * TONE + 0.5, Failure.SILENT),  # a constant offset cannot be heard
        (0.0009 * TONE, Failure.SILENT),
        (0.0011 * TONE, None),
        (0.9 * TONE, None),
        (1.0 * TONE, None),  # touches full scale for a sample or two
        (np.clip(3 * TONE, -1, 1), Failure.CLIPPED),
    ],
)
def test_the_level_tells_silence_and_clipping(samples: NDArray[np.floating], expected: Failure | None) -> None:
    assert answer_failure(_audio(samples)) is expected


def test_no_sound_and_no_samples_are_no_audio() -> None:
    assert answer_failure(None) is Failure.NO_AUDIO
    assert answer_failure(_audio(np.zeros(0))) is Failure.NO_AUDIO


def test_a_tone_is_sound_without_speech() -> None:
    assert speech_failure(_audio(0.3 * TONE)) is Failure.ASR_EMPTY
    assert speech_failure(_audio(0 * TONE)) is Failure.SILENT


def test_a_finding_is_told_with_its_value_and_rule() -> None:
    assert (
        describe_failure(Failure.SILENT, _audio(0.0005 * TONE)) == "peak -66 dBFS for 3.0 s; sound starts at -60 dBFS"
    )
    assert "digital silence" in describe_failure(Failure.SILENT, _audio(0 * TONE))
    assert "% of the samples" in describe_failure(Failure.CLIPPED, _audio(np.clip(3 * TONE, -1, 1)))
