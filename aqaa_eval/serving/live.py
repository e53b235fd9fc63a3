"""The events of an answer while the model makes it: bare samples at 24 kHz, as OpenAI streams them."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from aqaa_eval.core.attempt import Finish, Response
from aqaa_eval.core.audio import Audio
from aqaa_eval.core.errors import ModelError
from aqaa_eval.core.pieces import ResponsePiece, joined
from aqaa_eval.serving.replies import DONE, PCM_RATE_HZ, Envelope

if TYPE_CHECKING:
    import soxr


class LiveReply:
    """Gives each piece out as it comes, and keeps all of them for the server's memory."""

    def __init__(self, envelope: Envelope) -> None:
        self._envelope = envelope
        self._pieces: list[ResponsePiece] = []
        self._resampler: Resampler | None = None

    @property
    def audio_id(self) -> str:
        """The answer's name in the server's memory."""
        return self._envelope.audio_id

    @property
    def response(self) -> Response:
        """What was said so far."""
        return joined(self._pieces)

    def head(self) -> bytes:
        """What goes before the first piece."""
        return self._envelope.event({"role": "assistant", "content": None, "audio": {"id": self._envelope.audio_id}})

    def piece(self, piece: ResponsePiece) -> Iterator[bytes]:
        """The events of one piece.

        Raises:
            ModelError: its sample rate is not that of the pieces before.
        """
        self._pieces.append(piece)
        if piece.text:
            yield self._envelope.event({"audio": {"transcript": piece.text}})
        if piece.audio is not None:
            if self._resampler is None:
                self._resampler = Resampler(piece.audio.sample_rate_hz)
            yield from self._sound(self._resampler.put(piece.audio))

    def tail(self) -> Iterator[bytes]:
        """What goes after the last piece."""
        if self._resampler is not None:
            yield from self._sound(self._resampler.rest())
        yield self._envelope.event({"audio": {"expires_at": self._envelope.expires_at}})
        finish = next((piece.finish for piece in reversed(self._pieces) if piece.finish), Finish.STOP)
        yield self._envelope.event({}, finish=str(finish))
        yield DONE

    def _sound(self, audio: Audio) -> Iterator[bytes]:
        if audio.samples.size:
            data = base64.b64encode(audio.pcm16.astype("<i2").tobytes()).decode()
            yield self._envelope.event({"audio": {"data": data}})


class Resampler:
    """Brings sound that comes in pieces to 24 kHz, without a seam between them."""

    def __init__(self, sample_rate_hz: int) -> None:
        self._rate_hz = sample_rate_hz
        self._stream: soxr.ResampleStream | None = None
        if sample_rate_hz != PCM_RATE_HZ:
            import soxr

            self._stream = soxr.ResampleStream(sample_rate_hz, PCM_RATE_HZ, 1, dtype="float32")

    def put(self, audio: Audio) -> Audio:
        """What is ready of the sound so far.

        Raises:
            ModelError: another sample rate than before.
        """
        if audio.sample_rate_hz != self._rate_hz:
            raise ModelError(f"the pieces of an answer change from {self._rate_hz} to {audio.sample_rate_hz} Hz")
        return audio if self._stream is None else self._at_24_khz(self._stream.resample_chunk(audio.samples))

    def rest(self) -> Audio:
        """What is left at the end."""
        nothing = np.zeros(0, np.float32)
        return self._at_24_khz(nothing if self._stream is None else self._stream.resample_chunk(nothing, last=True))

    @staticmethod
    def _at_24_khz(samples: np.ndarray) -> Audio:
        return Audio(samples=samples, sample_rate_hz=PCM_RATE_HZ)
