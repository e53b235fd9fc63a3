"""From a `Response` to the reply of a chat-completions server: whole, or as the events of a stream.

Both leave when the model has finished; `live.py` lets out the pieces of models that stream.
"""

from __future__ import annotations

import base64
import io
import json
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from aqaa_eval.core.attempt import Response
from aqaa_eval.core.audio import Audio, encode_audio
from aqaa_eval.serving.memory import KEPT_S

PCM_RATE_HZ = 24_000
"""Bare samples carry no rate: OpenAI's clients take them as 24 kHz."""
PIECE_S = 0.5
DONE = b"data: [DONE]\n\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """What stands around every part of one reply.

    Attributes:
        model: its served name.
        audio_id: the answer's name in the server's memory.
    """

    model: str
    audio_id: str
    id: str = field(default_factory=lambda: f"chatcmpl-{secrets.token_hex(12)}")
    created: int = field(default_factory=lambda: int(time.time()))

    @property
    def expires_at(self) -> int:
        """When the server may have forgotten the answer."""
        return self.created + KEPT_S

    def around(self, kind: str, choice: dict[str, Any]) -> dict[str, Any]:
        """A JSON value with one choice."""
        return {"id": self.id, "object": kind, "created": self.created, "model": self.model, "choices": [choice]}

    def event(self, delta: dict[str, Any], *, finish: str | None = None) -> bytes:
        """A server-sent event."""
        return sent(self.around("chat.completion.chunk", {"index": 0, "delta": delta, "finish_reason": finish}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """One answer on its way out.

    Attributes:
        wants_audio: False gives the text alone.
    """

    response: Response
    envelope: Envelope
    format: str
    wants_audio: bool

    def whole(self) -> dict[str, Any]:
        """As one JSON value."""
        response, sound = self.response, self._sound()
        message: dict[str, Any] = {"role": "assistant", "content": response.text, "refusal": None}
        choice: dict[str, Any] = {"index": 0, "message": message, "finish_reason": str(response.finish)}
        if sound is not None:
            message["content"] = None
            message["audio"] = {
                "id": self.envelope.audio_id,
                "data": base64.b64encode(_encode(sound, self.format)).decode(),
                "expires_at": self.envelope.expires_at,
                "transcript": response.text or "",
            }
        else:
            message["content"] = response.text or ""
        return self.envelope.around("chat.completion", choice)

    def events(self) -> Iterator[bytes]:
        """As server-sent events."""
        event = self.envelope.event
        yield event({"role": "assistant", "content": None})
        sound = self._sound()
        if sound is None:
            yield event({"content": self.response.text or ""})
        else:
            yield event({"audio": {"id": self.envelope.audio_id, "transcript": self.response.text or ""}})
            for piece in _pieces(sound, self.format):
                yield event({"audio": {"data": base64.b64encode(piece).decode()}})
            yield event({"audio": {"expires_at": self.envelope.expires_at}})
        yield event({}, finish=str(self.response.finish))
        yield DONE

    def _sound(self) -> Audio | None:
        audio = self.response.audio if self.wants_audio else None
        return audio if audio is not None and len(audio.samples) else None


def sent(value: dict[str, Any]) -> bytes:
    """A value as a server-sent event."""
    return f"data: {json.dumps(value, ensure_ascii=False)}\n\n".encode()


def _encode(audio: Audio, format_: str) -> bytes:
    if format_ == "pcm16":
        return audio.resampled(PCM_RATE_HZ).pcm16.astype("<i2").tobytes()
    if format_ == "mp3":
        return _mp3(audio)
    return encode_audio(audio, container=format_.upper())


def _mp3(audio: Audio) -> bytes:
    import soundfile

    buffer = io.BytesIO()
    soundfile.write(buffer, audio.resampled(PCM_RATE_HZ).samples, PCM_RATE_HZ, format="MP3")
    return buffer.getvalue()


def _pieces(audio: Audio, format_: str) -> Iterator[bytes]:
    """Half a second each for bare samples; a file in one piece, which is what clients of such streams take."""
    encoded = _encode(audio, format_)
    size = round(PIECE_S * PCM_RATE_HZ) * 2 if format_ == "pcm16" else len(encoded)
    yield from (encoded[start : start + size] for start in range(0, len(encoded), size))
