"""Answers as recordings that a judge's model can hear: WAV, 16 kHz, one per turn that has sound.

Audio-language models follow the words more than the voice (arXiv 2601.04029) and are weakest on what is not words
(arXiv 2606.24648), so a judge that hears gets the same text, measurements and rubric as one that reads, and the sound
besides.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from aqaa_eval.core.answers import first_seconds
from aqaa_eval.core.attempt import Attempt
from aqaa_eval.core.audio import Audio, encode_audio

SAMPLE_RATE_HZ = 16_000
MAX_SOUND_S = 120.0
TOKENS_PER_S = 50
"""At most, of the models known (10 to 25): for what a request may cost."""


@dataclass(frozen=True)  # no slots: the hash is kept
class Sound:
    """One recording for a judge.

    Attributes:
        label: the line of text before it.
        wav: the encoded file.
        duration_s: of what is sent.
    """

    label: str
    wav: bytes
    duration_s: float

    @cached_property
    def sha256(self) -> str:
        """Hash of label and sound: part of what a verdict is kept by."""
        return hashlib.sha256(self.label.encode() + b"\0" + self.wav).hexdigest()


def make_sound(label: str, audio: Audio) -> Sound:
    """A recording for a judge; of a long one the beginning, which the label then says."""
    kept = first_seconds(audio, MAX_SOUND_S)
    if kept is not audio:
        label = f"{label} (the first {MAX_SOUND_S:.0f} of {audio.duration_s:.0f} s)"
    resampled = kept.resampled(SAMPLE_RATE_HZ)
    return Sound(label=label, wav=encode_audio(resampled, container="WAV"), duration_s=resampled.duration_s)


def answer_sounds(attempt: Attempt) -> tuple[Sound, ...]:
    """The answers of a conversation that have sound, in order."""
    return tuple(
        make_sound(f"Sound of the model's answer in turn {turn.index + 1}:", turn.response.audio)
        for turn in attempt.turns
        if turn.response is not None and turn.response.audio is not None and len(turn.response.audio.samples)
    )


def with_sounds(text: str, sounds: Sequence[Sound]) -> list[dict[str, Any]]:
    """A message's content in parts: the text, then each recording after its label."""
    parts: list[dict[str, Any]] = [{"type": "text", "text": text}]
    for sound in sounds:
        data = base64.b64encode(sound.wav).decode()
        parts.append({"type": "text", "text": sound.label})
        parts.append({"type": "input_audio", "input_audio": {"data": data, "format": "wav"}})
    return parts
