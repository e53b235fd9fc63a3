"""Give a recogniser the speech and not the long silences around it: those are where Whisper invents words."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from aqaa_eval.core.audio import Audio
from aqaa_eval.metrics.voice_activity import Segment

MAX_GAP_S = 2.0
MARGIN_S = 0.3


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechCut:
    """A recording without its long silences.

    Attributes:
        audio: the stretches that were kept, one after the other.
        kept: where they lay in the original, in seconds.
    """

    audio: Audio
    kept: tuple[Segment, ...]

    def original_s(self, cut_s: float) -> float:
        """Where a moment of the cut lay in the original, in seconds.

        >>> kept = (Segment(start_s=1, end_s=2), Segment(start_s=8, end_s=10))
        >>> cut = SpeechCut(audio=Audio.silence(duration_s=3), kept=kept)
        >>> cut.original_s(0.5), cut.original_s(1.5), cut.original_s(99)
        (1.5, 8.5, 10)
        """
        left_s = cut_s
        for segment in self.kept:
            if left_s <= segment.duration_s:
                return segment.start_s + max(0.0, left_s)
            left_s -= segment.duration_s
        return self.kept[-1].end_s


def cut_silences(audio: Audio, speech: tuple[Segment, ...]) -> SpeechCut:
    """Keep the speech with a margin, and pauses of up to two seconds.

    Args:
        audio: the recording.
        speech: its stretches of speech, in order; at least one.
    """
    kept: list[Segment] = []
    for segment in speech:
        start_s = max(0.0, segment.start_s - MARGIN_S)
        end_s = min(audio.duration_s, segment.end_s + MARGIN_S)
        if kept and start_s - kept[-1].end_s <= MAX_GAP_S - 2 * MARGIN_S:
            start_s = kept.pop().start_s
        kept.append(Segment(start_s=start_s, end_s=end_s))
    rate_hz = audio.sample_rate_hz
    pieces = [audio.samples[round(part.start_s * rate_hz) : round(part.end_s * rate_hz)] for part in kept]
    return SpeechCut(audio=Audio(samples=np.concatenate(pieces), sample_rate_hz=rate_hz), kept=tuple(kept))
