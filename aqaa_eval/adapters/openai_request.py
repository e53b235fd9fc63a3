"""What is sent to a chat-completions server: a conversation in one of the three ways in which servers take sound."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aqaa_eval.adapters.options import option
from aqaa_eval.core.attempt import Message, Query
from aqaa_eval.core.audio import Audio, encode_audio
from aqaa_eval.core.errors import UsageError

if TYPE_CHECKING:
    from aqaa_eval.core.runspec import OptionValue

AUDIO_IN = ("input_audio", "audio_url", "audios")
HISTORIES = ("text", "audio_id")
UNTOLD = "(a spoken answer)"
"""Stands for an earlier answer of which there is neither text nor an id that the server still knows."""

SETTINGS = {
    "audio_in": "how questions are sent: input_audio (default; OpenAI), audio_url (vLLM), audios (sglang-omni)",
    "history": "how earlier answers go back: text (default), or audio_id (OpenAI keeps its own answers for a while)",
    "voice": "name of the voice (alloy)",
    "format": "container of the answer (wav; pcm16 when streamed, which is all that OpenAI streams)",
    "stream": "true streams the answer, which alone gives a time to first audio (false)",
    "system": "system prompt (none)",
    "prompt": "text that goes along with every spoken question (none)",
    "temperature": "of the sampler (the server's)",
    "max_completion_tokens": "longest answer in tokens (the server's)",
    "max_tokens": "the same for servers that know only the older name (the server's)",
    "send_seed": "false leaves out the seed, for servers that refuse it (true)",
    "extra": 'further fields of the request as JSON, such as {"top_k": 20} (none)',
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestSettings:
    """How a conversation becomes a request; see `SETTINGS`. None leaves a field to the server."""

    audio_in: str = "input_audio"
    history: str = "text"
    voice: str = "alloy"
    format: str = "wav"
    stream: bool = False
    system: str = ""
    prompt: str = ""
    temperature: float | None = None
    max_completion_tokens: int | None = None
    max_tokens: int | None = None
    send_seed: bool = True
    extra: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, value, known in (("audio_in", self.audio_in, AUDIO_IN), ("history", self.history, HISTORIES)):
            if value not in known:
                raise UsageError(f"{name} must be one of {', '.join(known)}, got {value!r}")


def read_settings(options: Mapping[str, OptionValue]) -> RequestSettings:
    """The settings that were given, checked.

    Raises:
        UsageError: a value is of the wrong type or not one of those that there are.
    """
    stream = option(options, "stream", False)
    return RequestSettings(
        audio_in=option(options, "audio_in", "input_audio"),
        history=option(options, "history", "text"),
        voice=option(options, "voice", "alloy"),
        format=option(options, "format", "pcm16" if stream else "wav"),
        stream=stream,
        system=option(options, "system", ""),
        prompt=option(options, "prompt", ""),
        temperature=option(options, "temperature", 0.0) if "temperature" in options else None,
        max_completion_tokens=_limit(options, "max_completion_tokens"),
        max_tokens=_limit(options, "max_tokens"),
        send_seed=option(options, "send_seed", True),
        extra=_extra(option(options, "extra", "")),
    )


def _limit(options: Mapping[str, OptionValue], name: str) -> int | None:
    if name not in options:
        return None
    value = option(options, name, 0)
    if value < 1:
        raise UsageError(f"{name} must be at least 1, got {value}")
    return value


def _extra(text: str) -> dict[str, Any]:
    if not text:
        return {}
    try:
        value = json.loads(text)
    except ValueError as error:
        raise UsageError(f"extra must be a JSON object: {error}") from error
    if not isinstance(value, dict):
        raise UsageError(f"extra must be a JSON object, got a {type(value).__name__}")
    return value


def make_body(
    query: Query, *, model: str, settings: RequestSettings, id_of: Callable[[Audio], str | None] = lambda _audio: None
) -> dict[str, Any]:
    """The request for a query.

    Args:
        query: the conversation.
        model: the server's name of the model.
        settings: how.
        id_of: the server's id of one of its own answers; None if it has none or forgot it.
    """
    messages: list[dict[str, Any]] = [{"role": "system", "content": settings.system}] if settings.system else []
    for message in query.messages:
        if message.role == "assistant":
            messages.append(_answer(message, settings, id_of))
        else:
            messages.append({"role": "user", "content": _question(message, settings)})
    body: dict[str, Any] = {
        "model": model,
        "messages": messages,
        "modalities": ["text", "audio"],
        "audio": {"voice": settings.voice, "format": settings.format},
        "stream": settings.stream,
        **({"seed": query.seed} if settings.send_seed else {}),
    }
    for name in ("temperature", "max_completion_tokens", "max_tokens"):
        if getattr(settings, name) is not None:
            body[name] = getattr(settings, name)
    if settings.audio_in == "audios":
        body["audios"] = [data_url(said.audio) for said in query.messages if said.role == "user" and said.audio]
    return {**body, **settings.extra}


def _question(message: Message, settings: RequestSettings) -> str | list[dict[str, Any]]:
    if message.audio is None:
        return message.text or settings.prompt
    if settings.audio_in == "audios":  # the sound lies beside the messages
        return settings.prompt
    if settings.audio_in == "audio_url":
        part: dict[str, Any] = {"type": "audio_url", "audio_url": {"url": data_url(message.audio)}}
    else:
        part = {"type": "input_audio", "input_audio": {"data": _base64(message.audio), "format": "wav"}}
    return [{"type": "text", "text": settings.prompt}, part] if settings.prompt else [part]


def _answer(message: Message, settings: RequestSettings, id_of: Callable[[Audio], str | None]) -> dict[str, Any]:
    known = id_of(message.audio) if settings.history == "audio_id" and message.audio is not None else None
    if known is not None:
        return {"role": "assistant", "audio": {"id": known}}
    return {"role": "assistant", "content": message.text or UNTOLD}


def data_url(audio: Audio) -> str:
    """The sound as a data URL of a 16-bit WAV file."""
    return f"data:audio/wav;base64,{_base64(audio)}"


def _base64(audio: Audio) -> str:
    return base64.b64encode(encode_audio(audio, container="WAV")).decode()
