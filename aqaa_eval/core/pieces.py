"""An answer in pieces, as a model makes it. Joined they are the whole."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from aqaa_eval.core.attempt import Finish, Response, Timing
from aqaa_eval.core.audio import Audio
from aqaa_eval.core.errors import ModelError


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponsePiece:
    """What was said since the piece before.

    Attributes:
        audio: its sound; None if only words came.
        text: its words; "" if there are none.
        finish: why the model stopped, in its last piece; None before.
    """

    audio: Audio | None
    text: str = ""
    finish: Finish | None = None


def joined(pieces: Iterable[ResponsePiece], *, clock: Callable[[], float] = time.perf_counter) -> Response:
    """The whole answer, timed as its pieces come.

    Args:
        pieces: asked for one after the other; all sound has one sample rate.
        clock: gives seconds; read at the call, at the first sound and at the end.

    Raises:
        ModelError: the sample rate changes.

    >>> said = (ResponsePiece(audio=Audio.silence(duration_s=0.5), text=word) for word in ("Hello", " there"))
    >>> answer = joined(said, clock=iter((8.0, 8.5, 10.5)).__next__)
    >>> answer.text, answer.audio.duration_s, answer.timing
    ('Hello there', 1.0, Timing(first_audio_s=0.5, total_s=2.5))
    """
    start_s = clock()
    words: list[str] = []
    sounds: list[Audio] = []
    first_audio_s = None
    finish = Finish.STOP
    for piece in pieces:
        words.append(piece.text)
        if piece.audio is not None and piece.audio.samples.size:
            first_audio_s = clock() - start_s if first_audio_s is None else first_audio_s
            sounds.append(piece.audio)
        finish = piece.finish or finish
    return Response(
        audio=_one(sounds),
        text="".join(words),
        timing=Timing(first_audio_s=first_audio_s, total_s=clock() - start_s),
        finish=finish,
    )


def _one(sounds: list[Audio]) -> Audio | None:
    rates_hz = {sound.sample_rate_hz for sound in sounds}
    if len(rates_hz) > 1:
        raise ModelError(f"the pieces of an answer must have one sample rate, got {sorted(rates_hz)} Hz")
    if not sounds:
        return None
    return Audio(samples=np.concatenate([sound.samples for sound in sounds]), sample_rate_hz=rates_hz.pop())
