"""`openai-realtime:MODEL`: the Realtime API over WebSocket, in the dialect of OpenAI or of vllm-omni.

One session per answer: the conversation is told anew, so an answer depends on its query alone. The clock starts when
the last word of the question is sent, and the first sound that comes back stops it: this is the latency that a caller
would notice, without the upload of the question.

vllm-omni's own dialect (to 0.30) takes one question per session and no history; newer ones speak OpenAI's.
"""

from __future__ import annotations

import base64
import json
import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from aqaa_eval.adapters import openai_endpoint
from aqaa_eval.adapters.answer_audio import DEFAULT_RATE_HZ, decode_answer, from_base64, is_enough
from aqaa_eval.adapters.openai_endpoint import (
    BUSY,
    Endpoint,
    EndpointSettings,
    Meter,
    Retryable,
    read_endpoint,
    reported,
)
from aqaa_eval.adapters.openai_reply import read_event
from aqaa_eval.adapters.openai_request import UNTOLD
from aqaa_eval.adapters.options import option, refuse_unknown
from aqaa_eval.core.attempt import Finish, Message, Query, Response, Timing
from aqaa_eval.core.audio import Audio
from aqaa_eval.core.errors import ModelError, UsageError
from aqaa_eval.core.retry_after import retry_after_s

if TYPE_CHECKING:
    from websockets.sync.client import ClientConnection

    from aqaa_eval.core.runspec import OptionValue

DIALECTS = ("openai", "vllm-omni")
VLLM_INPUT_RATE_HZ = 16_000
_log = logging.getLogger(__name__)
_log.setLevel(logging.INFO)  # below that the library writes headers, and with them the key
APPEND_BYTES = 64_000
MAX_MESSAGE_BYTES = 64 * 2**20

_SETTINGS = {
    **openai_endpoint.SETTINGS,
    "dialect": "openai (default; also newer vllm-omni), or vllm-omni (to 0.30)",
    "voice": "name of the voice (alloy)",
    "system": "instructions (none)",
}
_SOUND = ("response.output_audio.delta", "response.audio.delta")
_WORDS = (
    "response.output_audio_transcript.delta",
    "response.audio_transcript.delta",
    "response.output_text.delta",
    "response.text.delta",
    "transcription.delta",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RealtimeSettings:
    """All that an `openai-realtime:` model is made of."""

    model: str
    endpoint: EndpointSettings
    dialect: str = "openai"
    voice: str = "alloy"
    system: str = ""

    def __post_init__(self) -> None:
        if self.dialect not in DIALECTS:
            raise UsageError(f"dialect must be one of {', '.join(DIALECTS)}, got {self.dialect!r}")


def build(argument: str, options: Mapping[str, OptionValue]) -> OpenAIRealtimeModel:
    """Make it from the server's name of a model, and settings.

    Raises:
        UsageError: no name, no key, or an unknown or wrong setting.
    """
    if not argument:
        raise UsageError("openai-realtime: which model? Write --model openai-realtime:gpt-realtime")
    refuse_unknown("openai-realtime", options, _SETTINGS)
    settings = RealtimeSettings(
        model=argument,
        endpoint=read_endpoint(options),
        dialect=option(options, "dialect", "openai"),
        voice=option(options, "voice", "alloy"),
        system=option(options, "system", ""),
    )
    return OpenAIRealtimeModel(settings)


class OpenAIRealtimeModel:
    """A model behind the Realtime API; may be asked by several threads at once."""

    def __init__(self, settings: RealtimeSettings) -> None:
        self._settings = settings
        self._endpoint = Endpoint(settings.endpoint)
        self._key = self._endpoint.api_key

    @property
    def identity(self) -> str:
        """Model, server and the settings that change answers."""
        settings = self._settings
        told = f",system={settings.system}" if settings.system else ""
        address = settings.endpoint.base_url
        return f"openai-realtime:{settings.model}({address},{settings.dialect},voice={settings.voice}{told})"

    @property
    def concurrency(self) -> int:
        """How many questions it may be asked at once."""
        return self._settings.endpoint.concurrency

    def answer(self, query: Query) -> Response:
        """Open a session, tell the conversation, and listen to the answer.

        Raises:
            ModelTimeout: no whole answer within the limit.
            ModelError: the server refused, or sent what is no answer; the message says what.
        """
        import websockets.sync.client  # noqa: F401  # the first answer must not be timed with it

        return self._endpoint.ask(lambda meter: self._attempt(query, meter))

    def _attempt(self, query: Query, meter: Meter) -> Response:
        with _told_as_ours(), self._connected(meter) as connection:
            for event in self._told(query):
                connection.send(json.dumps(event))
            start = time.perf_counter()
            heard = _Heard()
            while not heard.is_done:
                message = connection.recv(timeout=meter.left_s)
                meter.spend(len(message))
                heard.take(read_event(message), at_s=time.perf_counter() - start)
            total_s = time.perf_counter() - start
        return heard.response(total_s=total_s)

    @contextmanager
    def _connected(self, meter: Meter) -> Iterator[ClientConnection]:
        from websockets.sync.client import connect

        base = self._settings.endpoint.base_url.replace("http", "ws", 1)
        with connect(
            f"{base}/realtime?model={quote(self._settings.model, safe='')}",
            additional_headers={"Authorization": f"Bearer {self._key}"},
            open_timeout=meter.left_s,
            close_timeout=0.5,
            max_size=MAX_MESSAGE_BYTES,
            logger=_log,
        ) as connection:
            yield connection

    def _told(self, query: Query) -> Iterator[dict[str, Any]]:
        """The events that tell the conversation and ask for the answer."""
        if self._settings.dialect == "vllm-omni":
            yield from _one_question(query, self._settings.model)
            return
        pcm = {"type": "audio/pcm", "rate": DEFAULT_RATE_HZ}
        session: dict[str, Any] = {
            "type": "realtime",
            "output_modalities": ["audio"],
            "audio": {
                "input": {"format": pcm, "turn_detection": None},
                "output": {"format": pcm, "voice": self._settings.voice},
            },
        }
        if self._settings.system:
            session["instructions"] = self._settings.system
        yield {"type": "session.update", "session": session}
        for message in query.messages:
            yield {"type": "conversation.item.create", "item": _item(message)}
        yield {"type": "response.create"}


def _item(message: Message) -> dict[str, Any]:
    if message.role == "assistant":  # the API takes no sound for these
        content = {"type": "output_text", "text": message.text or UNTOLD}
    elif message.audio is None:
        content = {"type": "input_text", "text": message.text or ""}
    else:
        content = {"type": "input_audio", "audio": base64.b64encode(_pcm(message.audio, DEFAULT_RATE_HZ)).decode()}
    return {"type": "message", "role": message.role, "content": [content]}


def _pcm(audio: Audio, rate_hz: int) -> bytes:
    return audio.resampled(rate_hz).pcm16.astype("<i2").tobytes()


def _one_question(query: Query, model: str) -> Iterator[dict[str, Any]]:
    if len(query.messages) > 1:
        raise ModelError(
            "vllm-omni's realtime dialect takes one question per session and no history; for conversations use "
            "dialect=openai with a newer server, or --model openai:MODEL"
        )
    if query.question.audio is None:
        raise ModelError("vllm-omni's realtime dialect takes spoken questions only")
    samples = _pcm(query.question.audio, VLLM_INPUT_RATE_HZ)
    yield {"type": "session.update", "model": model}
    yield {"type": "input_audio_buffer.commit", "final": False}
    for offset in range(0, len(samples), APPEND_BYTES):
        piece = base64.b64encode(samples[offset : offset + APPEND_BYTES]).decode()
        yield {"type": "input_audio_buffer.append", "audio": piece}
    yield {"type": "input_audio_buffer.commit", "final": True}


@dataclass(slots=True, kw_only=True)
class _Heard:
    """Collects the answer from the events of a session.

    Attributes:
        is_done: the server has said its last, or more than is kept of any answer.
    """

    is_done: bool = False
    _sound: bytearray = field(default_factory=bytearray)
    _rate_hz: int = DEFAULT_RATE_HZ
    _words: list[str] = field(default_factory=list)
    _first_audio_s: float | None = None
    _finish: Finish = Finish.STOP

    def take(self, event: Mapping[str, Any], *, at_s: float) -> None:
        """Add one event.

        Raises:
            Retryable: the server is busy or broke.
            ModelError: it refused, or its sound is broken base64.
        """
        kind = event.get("type")
        if kind in _SOUND:
            self._hear(event, at_s)
        elif kind in _WORDS:
            self._words.append(str(event.get("delta") or ""))
        elif kind == "transcription.done" and event.get("text"):
            self._words = [str(event["text"])]
        elif kind == "error":
            raise reported(event.get("error"))
        elif kind == "response.done":
            self._end(event.get("response"))
        elif kind == "response.output_audio.done" and "has_audio" in event:  # vllm-omni's last word
            self.is_done = True

    def _hear(self, event: Mapping[str, Any], at_s: float) -> None:
        rate = event.get("sample_rate_hz")
        if isinstance(rate, int) and rate > 0:
            self._rate_hz = rate
        encoded = from_base64(str(event.get("delta") or event.get("audio") or ""))
        if encoded and self._first_audio_s is None:
            self._first_audio_s = at_s
        self._sound += encoded
        if is_enough(len(self._sound), pcm_rate_hz=self._rate_hz):
            self.is_done = True

    def _end(self, response: object) -> None:
        told = response if isinstance(response, Mapping) else {}
        details = told.get("status_details")
        details = details if isinstance(details, Mapping) else {}
        status = told.get("status", "completed")
        if status in ("failed", "cancelled"):
            raise reported(details.get("error") or {"message": f"the response was {status}"})
        if status == "incomplete" and details.get("reason") == "max_output_tokens":
            self._finish = Finish.LENGTH
        self.is_done = True

    def response(self, *, total_s: float) -> Response:
        """The whole answer.

        Raises:
            ModelError: its sound cannot be used.
        """
        audio = decode_answer(bytes(self._sound), pcm_rate_hz=self._rate_hz)
        timing = Timing(first_audio_s=self._first_audio_s if audio else None, total_s=total_s)
        return Response(audio=audio, text="".join(self._words).strip() or None, timing=timing, finish=self._finish)


@contextmanager
def _told_as_ours() -> Iterator[None]:
    """Turn what the WebSocket library raises into `Retryable` or `ModelError`."""
    from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, WebSocketException

    try:
        yield
    except InvalidStatus as error:
        status = error.response.status_code
        message = f"the server answers {status} to the WebSocket's handshake"
        if status in BUSY:
            raise Retryable(message, wait_s=retry_after_s(error.response.headers)) from error
        raise ModelError(message) from error
    except TimeoutError as error:
        raise Retryable("the server did not answer in time", is_late=True) from error
    except ConnectionClosed as error:
        raise Retryable("the server closed the connection before the answer ended") from error
    except InvalidHandshake as error:
        raise Retryable(f"the server broke off the WebSocket's handshake: {error}") from error
    except WebSocketException as error:
        raise ModelError(f"the WebSocket broke: {type(error).__name__}: {error}") from error
    except OSError as error:
        raise Retryable(f"the server cannot be reached: {error}", is_down=True) from error
