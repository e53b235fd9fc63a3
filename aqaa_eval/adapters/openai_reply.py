"""What a chat-completions server sends back, read by rules for OpenAI, vllm-omni old and new, and sglang-omni.

- The sound is that of the first choice that has any: old vllm-omni sends text and sound as two choices.
- The text is that choice's content, else the transcript of its sound, else the content of the first choice with text.
- In a stream of vllm-omni `modality` says what a chunk is: with "audio" the base64 stands in `delta.content`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from aqaa_eval.adapters.answer_audio import decode_answer, from_base64, has_container, is_enough, join_chunks
from aqaa_eval.adapters.openai_endpoint import Meter, Retryable, reported
from aqaa_eval.core.attempt import Finish
from aqaa_eval.core.audio import Audio
from aqaa_eval.core.errors import ModelError


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer as it was read.

    Attributes:
        audio: None if the server sent text only.
        text: None if it sent none.
        audio_id: the server's name of the sound, for later turns.
        expires_at: when it forgets it, in seconds since 1970; None if it does not say.
    """

    audio: Audio | None
    text: str | None
    finish: Finish
    audio_id: str | None = None
    expires_at: float | None = None


def read_reply(body: Any, *, pcm_rate_hz: int) -> Reply:
    """Read a whole reply.

    Args:
        body: the JSON value.
        pcm_rate_hz: the rate of bare samples where the reply states none.

    Raises:
        Retryable: the server says that it broke.
        ModelError: it is no chat completion, or its sound cannot be used.
    """
    if not isinstance(body, Mapping):
        raise ModelError(f"the reply is a JSON {type(body).__name__}, not an object")
    _refuse_error(body)
    choices = _mappings(body.get("choices"))
    if not choices:
        raise ModelError("the reply has no choices: not a chat completion")
    spoken = next((choice for choice in choices if _audio_of(choice).get("data")), None)
    if spoken is None:
        return Reply(audio=None, text=_first_text(choices), finish=_finish(choices))
    sound = _audio_of(spoken)
    rate_hz = _stated_rate_hz(spoken, sound) or pcm_rate_hz
    return Reply(
        audio=decode_answer(from_base64(str(sound["data"])), pcm_rate_hz=rate_hz),
        text=_text_of(spoken) or sound.get("transcript") or _first_text(choices),
        finish=_finish(choices),
        audio_id=sound.get("id") or None,
        expires_at=_number(sound.get("expires_at")),
    )


def _refuse_error(body: Mapping[str, Any]) -> None:
    if body.get("error"):
        raise reported(body["error"])


def _mappings(value: object) -> list[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


def _part(choice: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = choice.get(name)
    return found if isinstance(found, Mapping) else {}


def _audio_of(choice: Mapping[str, Any], holder: str = "message") -> Mapping[str, Any]:
    return _part(_part(choice, holder), "audio")


def _stated_rate_hz(choice: Mapping[str, Any], sound: Mapping[str, Any]) -> int | None:
    for place in (_part(choice, "audio_metadata"), sound):
        for name in ("sample_rate_hz", "sample_rate"):
            rate = _number(place.get(name))
            if rate:
                return int(rate)
    return None


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _text_of(choice: Mapping[str, Any], holder: str = "message") -> str:
    message = _part(choice, holder)
    content = message.get("content")
    if isinstance(content, list):
        content = "".join(str(part.get("text", "")) for part in _mappings(content))
    return str(content or message.get("refusal") or "")


def _first_text(choices: Iterable[Mapping[str, Any]]) -> str | None:
    return next((text for choice in choices if (text := _text_of(choice))), None)


def _finish(choices: Iterable[Mapping[str, Any]]) -> Finish:
    return Finish.LENGTH if any(choice.get("finish_reason") == "length" for choice in choices) else Finish.STOP


def events(chunks: Iterable[bytes], meter: Meter) -> Iterator[dict[str, Any]]:
    """The JSON values of a stream of server-sent events, and an empty one for `[DONE]`.

    Raises:
        ModelError: an event is no JSON object, or the stream is too large.
        ModelTimeout: the time is up.
    """
    data: list[bytes] = []
    for line in _lines(chunks, meter):
        if line.startswith(b"data:"):
            data.append(line[5:].strip())
        elif not line and data:
            whole, data = b"\n".join(data), []
            if whole == b"[DONE]":
                yield {}
                return
            yield read_event(whole)


def _lines(chunks: Iterable[bytes], meter: Meter) -> Iterator[bytes]:
    """The lines of a stream, without their ends; an empty one is added, which ends the last event."""
    waiting: list[bytes] = []
    for chunk in chunks:
        meter.spend(len(chunk))
        first, *rest = chunk.split(b"\n")
        waiting.append(first)
        if rest:
            *whole, last = rest
            yield b"".join(waiting).rstrip(b"\r")
            yield from (line.rstrip(b"\r") for line in whole)
            waiting = [last]
    yield b"".join(waiting).rstrip(b"\r")
    yield b""


def read_event(encoded: str | bytes) -> dict[str, Any]:
    """One event of a stream or a session.

    Raises:
        ModelError: it is no JSON object.
    """
    try:
        value = json.loads(encoded)
    except ValueError as error:
        raise ModelError(f"an event of the stream is no JSON: {error}") from error
    if not isinstance(value, dict):
        raise ModelError(f"an event of the stream is a JSON {type(value).__name__}, not an object")
    return value


@dataclass(slots=True, kw_only=True)
class StreamReader:
    """Collects a streamed answer.

    Attributes:
        pcm_rate_hz: the rate of bare samples, until the stream states one.
        first_audio_s: when the first sound came, on the clock that `take` is told.
    """

    pcm_rate_hz: int
    first_audio_s: float | None = None
    _sound: list[bytes] = field(default_factory=list)
    _n_bytes: int = 0
    _text: list[str] = field(default_factory=list)
    _transcript: list[str] = field(default_factory=list)
    _audio_id: str | None = None
    _expires_at: float | None = None
    _finish: Finish | None = None
    _is_done: bool = False

    def take(self, event: Mapping[str, Any], *, at_s: float) -> None:
        """Add one event; an empty one says that the stream is done.

        Raises:
            Retryable: the server says that it broke.
            ModelError: broken base64.
        """
        self._is_done = self._is_done or not event
        _refuse_error(event)
        modality = event.get("modality")
        for choice in _mappings(event.get("choices")):
            if modality == "audio":
                self._hear(_text_of(choice, "delta"), at_s)
            else:
                self._text.append(_text_of(choice, "delta"))
            self._take_audio(choice, _audio_of(choice, "delta") or _audio_of(choice), at_s)
            reason = choice.get("finish_reason")
            if reason and self._finish is not Finish.LENGTH:
                self._finish = Finish.LENGTH if reason == "length" else Finish.STOP

    def _take_audio(self, choice: Mapping[str, Any], sound: Mapping[str, Any], at_s: float) -> None:
        self.pcm_rate_hz = _stated_rate_hz(choice, sound) or self.pcm_rate_hz
        self._audio_id = sound.get("id") or self._audio_id
        self._expires_at = _number(sound.get("expires_at")) or self._expires_at
        self._transcript.append(str(sound.get("transcript") or ""))
        self._hear(str(sound.get("data") or ""), at_s)

    def _hear(self, data: str, at_s: float) -> None:
        encoded = from_base64(data) if data else b""
        if not encoded:
            return
        if self.first_audio_s is None:
            self.first_audio_s = at_s
        self._sound.append(encoded)
        self._n_bytes += len(encoded)

    @property
    def has_enough(self) -> bool:
        """Whether more sound has come than is kept of any answer: the rest need not be waited for."""
        return is_enough(self._n_bytes, pcm_rate_hz=self.pcm_rate_hz) and not has_container(self._sound[0])

    def reply(self) -> Reply:
        """The whole answer.

        Raises:
            Retryable: the stream ended before the answer did.
            ModelError: its sound cannot be used.
        """
        if self._finish is None and not self._is_done and not self.has_enough:
            raise Retryable("the stream ended before the answer did")
        return Reply(
            audio=join_chunks(self._sound, pcm_rate_hz=self.pcm_rate_hz),
            text="".join(self._text) or "".join(self._transcript) or None,
            finish=self._finish or Finish.STOP,
            audio_id=self._audio_id,
            expires_at=self._expires_at,
        )
