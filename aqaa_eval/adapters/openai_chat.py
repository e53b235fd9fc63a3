"""`openai:MODEL`: any server with OpenAI's chat completions and sound in both directions.

OpenAI, vLLM and vllm-omni, sglang-omni, and `aqaa-eval serve`. Servers differ in how they take the question (setting
`audio_in`) and in what they send back (read by rules, see `openai_reply.py`). Times count from the moment the attempt
that succeeded was sent; waiting for a busy server is not the model's latency. Without `stream=true` there is no time to
first audio: the answer comes in one piece.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from aqaa_eval.adapters import openai_endpoint, openai_request
from aqaa_eval.adapters.answer_audio import DEFAULT_RATE_HZ
from aqaa_eval.adapters.openai_client import Client, read_json
from aqaa_eval.adapters.openai_endpoint import EndpointSettings, Meter, read_endpoint
from aqaa_eval.adapters.openai_reply import Reply, StreamReader, events, read_reply
from aqaa_eval.adapters.openai_request import RequestSettings, make_body
from aqaa_eval.adapters.options import option, refuse_unknown
from aqaa_eval.core.attempt import Query, Response, Timing
from aqaa_eval.core.audio import Audio
from aqaa_eval.core.errors import UsageError

if TYPE_CHECKING:
    from aqaa_eval.core.runspec import OptionValue

_SETTINGS = {
    **openai_endpoint.SETTINGS,
    **openai_request.SETTINGS,
    "pcm_rate_hz": "sample rate of answers that come as bare samples without a stated rate (24000)",
    "tts": "voice that speaks an answer which came as text only, such as hibari; without it that is `no audio` (none)",
}
_UNTOLD = ("api_key_env", "timeout_s", "attempt_timeout_s", "retries", "concurrency")
"""Settings that change no answer, so they are no part of the identity."""


class Speaker(Protocol):
    """Speaks a text; see `cascade_voices`."""

    @property
    def identity(self) -> str:
        """Name and version."""
        ...

    def say(self, text: str, *, seed: int) -> Audio | None:
        """The sound of a text; None if there is nothing that the voice can say."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatSettings:
    """All that an `openai:` model is made of."""

    model: str
    endpoint: EndpointSettings
    request: RequestSettings
    pcm_rate_hz: int
    told: Mapping[str, OptionValue]


def build(argument: str, options: Mapping[str, OptionValue]) -> OpenAIChatModel:
    """Make it from the server's name of a model, and settings.

    Raises:
        UsageError: no name, no key, or an unknown or wrong setting.
        MissingWeights: the voice that was asked for is not on this machine.
    """
    if not argument:
        raise UsageError("openai: which model? Write --model openai:gpt-audio, with --base-url for another server")
    refuse_unknown("openai", options, _SETTINGS)
    settings = ChatSettings(
        model=argument,
        endpoint=read_endpoint(options),
        request=openai_request.read_settings(options),
        pcm_rate_hz=read_pcm_rate_hz(options),
        told={name: value for name, value in options.items() if name not in (*_UNTOLD, "base_url", "tts")},
    )
    voice = option(options, "tts", "")
    if voice in ("", "none"):
        return OpenAIChatModel(settings)
    from aqaa_eval.adapters.cascade_voices import make_voice

    return OpenAIChatModel(settings, speaker=make_voice(voice))


def read_pcm_rate_hz(options: Mapping[str, OptionValue]) -> int:
    """The rate of bare samples.

    Raises:
        UsageError: it is none.
    """
    rate_hz = option(options, "pcm_rate_hz", DEFAULT_RATE_HZ)
    if not 8_000 <= rate_hz <= 48_000:
        raise UsageError(f"pcm_rate_hz must be between 8000 and 48000, got {rate_hz}")
    return rate_hz


class OpenAIChatModel:
    """A model behind chat completions; may be asked by several threads at once."""

    def __init__(self, settings: ChatSettings, *, speaker: Speaker | None = None) -> None:
        self._settings = settings
        self._client = Client(settings.endpoint)
        self._speaker = speaker
        self._speaking = threading.Lock()
        self._ids: dict[str, tuple[str, float | None]] = {}

    @property
    def identity(self) -> str:
        """Model, server and the settings that change answers."""
        settings = self._settings
        told = "".join(f",{name}={value}" for name, value in sorted(settings.told.items()))
        spoken = f",tts={self._speaker.identity}" if self._speaker else ""
        return f"openai:{settings.model}({settings.endpoint.base_url}{told}{spoken})"

    @property
    def concurrency(self) -> int:
        """How many questions it may be asked at once."""
        return self._settings.endpoint.concurrency

    def answer(self, query: Query) -> Response:
        """Ask, and ask again if the server is busy.

        Raises:
            ModelTimeout: no whole answer within the limit.
            ModelError: the server refused, or sent what is no answer; the message says what.
        """
        body = make_body(query, model=self._settings.model, settings=self._settings.request, id_of=self._id_of)
        self._client.open()
        reply, timing = self._client.endpoint.ask(lambda meter: self._attempt(body, meter))
        if reply.audio is not None and reply.audio_id:
            self._ids[reply.audio.content_hash] = reply.audio_id, reply.expires_at
        response = Response(audio=reply.audio, text=reply.text, timing=timing, finish=reply.finish)
        return self._spoken(response, seed=query.seed) if self._speaker and reply.audio is None else response

    def _id_of(self, audio: Audio) -> str | None:
        audio_id, expires_at = self._ids.get(audio.content_hash, (None, None))
        return audio_id if expires_at is None or time.time() < expires_at else None

    def _spoken(self, response: Response, *, seed: int) -> Response:
        """The same answer with a voice; the time to speak it counts."""
        assert self._speaker is not None
        start = time.perf_counter()
        with self._speaking:
            audio = self._speaker.say(response.text, seed=seed) if response.text else None
        total_s = response.timing.total_s + time.perf_counter() - start
        timing = Timing(first_audio_s=total_s if audio else None, total_s=total_s)
        return Response(audio=audio, text=response.text, timing=timing, finish=response.finish)

    def _attempt(self, body: dict[str, Any], meter: Meter) -> tuple[Reply, Timing]:
        start = time.perf_counter()
        with self._client.posted(body, meter) as response:
            if "event-stream" not in response.headers.get("content-type", ""):
                reply = read_reply(read_json(response.iter_bytes(), meter), pcm_rate_hz=self._settings.pcm_rate_hz)
                total_s = time.perf_counter() - start
                return reply, Timing(first_audio_s=None, total_s=total_s)
            reader = StreamReader(pcm_rate_hz=self._settings.pcm_rate_hz)
            for event in events(response.iter_bytes(), meter):
                reader.take(event, at_s=time.perf_counter() - start)
                if reader.has_enough:
                    break
            total_s = time.perf_counter() - start
        return reader.reply(), Timing(first_audio_s=reader.first_audio_s, total_s=total_s)
