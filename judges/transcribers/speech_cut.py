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

    def original(self, cut: Segment) -> Segment:
        """Where a stretch of the cut lay in the original.

        It is put into the kept stretch that holds its middle: a word that a recogniser begins in the pause before it
        does not reach over the silence that was cut there.

        >>> kept = (Segment(start_s=1, end_s=2), Segment(start_s=8, end_s=10))
        >>> cut = SpeechCut(audio=Audio.silence(duration_s=3), kept=kept)
        >>> cut.original(Segment(start_s=0.25, end_s=0.75))
        Segment(start_s=1.25, end_s=1.75)
        >>> cut.original(Segment(start_s=0.75, end_s=1.5))
        Segment(start_s=8.0, end_s=8.5)
        """
        middle_s = (cut.start_s + cut.end_s) / 2
        offset_s = 0.0
        for part in self.kept[:-1]:
            if middle_s <= offset_s + part.duration_s:
                break
            offset_s += part.duration_s
        else:
            part = self.kept[-1]
        start_s, end_s = (
            min(part.duration_s, max(0.0, moment_s - offset_s)) + part.start_s for moment_s in (cut.start_s, cut.end_s)
        )
        return Segment(start_s=start_s, end_s=end_s)


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
