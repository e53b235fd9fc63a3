"""What a model is asked: bundled recordings that are handed in, and what is made of them and of nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from aqaa_eval.core.audio import Audio, encode_audio
from aqaa_eval.core.errors import UsageError

LONG_S = 60.0
_RATE_HZ, _PAUSE_S = 16_000, 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """Questions of one bundled conversation, in order.

    Attributes:
        key: its name, "suite/sample".
        questions: their sound.
    """

    key: str
    questions: tuple[Audio, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Materials:
    """What is put to the model.

    Attributes:
        talk: a conversation of three questions.
        others: more conversations; their first questions make a batch.
        asks_for_chinese: a question, in any language, that wants an answer in Chinese.
        chinese: a question spoken in Chinese; None if no voice is here.
        no_chinese: why there is none, with the way out.
    """

    talk: Conversation
    others: tuple[Conversation, ...]
    asks_for_chinese: Conversation
    chinese: Audio | None
    no_chinese: str = ""

    def __post_init__(self) -> None:
        if len(self.talk.questions) < 3 or len(self.others) < 2:
            raise UsageError("a conformance test needs a conversation of three questions, and two others")

    @property
    def long_speech(self) -> Audio:
        """A minute of speech, made of all the questions."""
        parts = [audio for conversation in (self.talk, *self.others) for audio in conversation.questions]
        return joined(parts, duration_s=LONG_S)


def joined(parts: Sequence[Audio], *, duration_s: float) -> Audio:
    """Recordings one after the other, with pauses, over and over until the time is filled.

    >>> joined([Audio.silence(duration_s=1.0)], duration_s=3.2).duration_s
    3.2
    """
    pause = np.zeros(round(_PAUSE_S * _RATE_HZ), np.float32)
    once = np.concatenate([piece for part in parts for piece in (part.resampled(_RATE_HZ).samples, pause)])
    n_samples = round(duration_s * _RATE_HZ)
    return Audio(samples=np.resize(once, n_samples).astype(np.float32), sample_rate_hz=_RATE_HZ)


def with_broken_samples(audio: Audio) -> Audio:
    """The recording with NaN and infinity in it, as no reader would give it."""
    samples = audio.samples.copy()
    samples[:: max(1, len(samples) // 10)] = np.nan
    samples[-1] = np.inf
    return Audio(samples=samples, sample_rate_hz=audio.sample_rate_hz)


def wrong_files(audio: Audio) -> dict[str, bytes]:
    """Files that are no recordings, by what is wrong with them."""
    wav = encode_audio(audio, container="WAV")
    return {"an empty file": b"", "a text file": b"this is no sound\n" * 20, "a cut WAV": wav[: len(wav) // 2]}
