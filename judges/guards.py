"""What can be said of an answer's sound before any model looks at it: that there is none, or none to be heard."""

from __future__ import annotations

import math

import numpy as np

from aqaa_eval.core.audio import Audio
from aqaa_eval.core.failure import Failure
from aqaa_eval.metrics.voice_activity import speech_s

SILENCE_PEAK_DBFS = -60.0
FULL_SCALE = 0.999
CLIPPED_RUN_SAMPLES = 3
CLIPPED_SHARE = 0.001


def answer_failure(audio: Audio | None) -> Failure | None:
    """Look at the level alone: a tenth of a millisecond for three seconds of sound.

    Returns:
        NO_AUDIO if there is none; SILENT below -60 dBFS peak, a constant offset not counted; CLIPPED, a flag on a real
        answer, if at least 0.1 % of the samples stand at full scale in runs of three or more; None otherwise.

    >>> answer_failure(Audio.silence(duration_s=1.0))
    <Failure.SILENT: 'silent'>
    >>> answer_failure(None)
    <Failure.NO_AUDIO: 'no_audio'>
    """
    if audio is None or not len(audio.samples):
        return Failure.NO_AUDIO
    low, high = float(audio.samples.min()), float(audio.samples.max())
    if _peak_dbfs(low, high) < SILENCE_PEAK_DBFS:
        return Failure.SILENT
    if max(-low, high) >= FULL_SCALE and _clipped_share(audio) >= CLIPPED_SHARE:
        return Failure.CLIPPED
    return None


def speech_failure(audio: Audio | None) -> Failure | None:
    """Look for speech too: NO_AUDIO, SILENT, or ASR_EMPTY for sound without speech (noise, hum, tones, music).

    It runs the voice-activity detector: 40 ms per second of sound.
    """
    failure = answer_failure(audio)
    if audio is None or (failure is not None and failure.is_no_answer):
        return failure
    return None if speech_s(audio) > 0 else Failure.ASR_EMPTY


def describe_failure(failure: Failure, audio: Audio | None) -> str:
    """One clause on a finding, with the value and the rule.

    >>> describe_failure(Failure.NO_AUDIO, None)
    'the answer has no sound'
    """
    if audio is None or not len(audio.samples):
        return "the answer has no sound"
    if failure is Failure.SILENT:
        peak_dbfs = _peak_dbfs(float(audio.samples.min()), float(audio.samples.max()))
        level = "digital silence" if peak_dbfs == -math.inf else f"peak {peak_dbfs:.0f} dBFS"
        return f"{level} for {audio.duration_s:.1f} s; sound starts at {SILENCE_PEAK_DBFS:.0f} dBFS"
    if failure is Failure.ASR_EMPTY:
        return f"{audio.duration_s:.1f} s of sound without speech in it"
    if failure is Failure.CLIPPED:
        return f"{_clipped_share(audio):.1%} of the samples stand at full scale"
    return str(failure).replace("_", " ")


def _peak_dbfs(low: float, high: float) -> float:
    """Half the span, so that a constant offset is not taken for sound."""
    half_span = (high - low) / 2
    return 20 * math.log10(half_span) if half_span > 0 else -math.inf


def _clipped_share(audio: Audio) -> float:
    """Share of samples inside runs of at least three at full scale."""
    is_full = np.abs(audio.samples) >= FULL_SCALE
    edges = np.flatnonzero(np.diff(is_full, prepend=False, append=False))
    runs = edges[1::2] - edges[::2]
    return float(runs[runs >= CLIPPED_RUN_SAMPLES].sum() / len(is_full))
