"""From a chat request to a `Query`. Sound comes inside the request: the server fetches nothing and opens no file."""

from __future__ import annotations

import base64
import binascii
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aqaa_eval.core.attempt import Message, Query
from aqaa_eval.core.audio import Audio, read_audio
from aqaa_eval.core.errors import AudioError
from aqaa_eval.serving.errors import ApiError, bad_request
from aqaa_eval.serving.memory import AnswerMemory

FORMATS = ("wav", "flac", "mp3", "pcm16")
MAX_QUESTION_S = 300.0
MAX_MESSAGES = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatRequest:
    """What is asked, and in which shape the answer is wanted.

    Attributes:
        wants_audio: False gives the text alone.
        format: container of the sound.
        streams: whether the answer goes out in pieces.
    """

    query: Query
    wants_audio: bool
    format: str
    streams: bool

    @property
    def takes_pieces(self) -> bool:
        """Whether the answer may leave while it is made: bare samples can be cut anywhere, files cannot."""
        return self.streams and self.wants_audio and self.format == "pcm16"


def read_request(body: object, *, served: str, memory: AnswerMemory) -> ChatRequest:
    """Check a request.

    Args:
        body: its JSON.
        served: name of the model that is served.
        memory: the answers that may be named by id.

    Raises:
        ApiError: says which field is wrong.
    """
    if not isinstance(body, Mapping):
        raise bad_request(f"the body must be a JSON object, got {type(body).__name__}")
    if body.get("model") != served:
        told = body.get("model")
        raise ApiError(
            status=404,
            message=f"the model {told!r} is not served here; this server has {served!r}",
            param="model",
            code="model_not_found",
        )
    if body.get("n", 1) != 1:
        raise bad_request("n must be 1: one answer per request", param="n")
    messages = _messages(body, memory)
    n_turn = sum(message.role == "user" for message in messages) - 1
    return ChatRequest(
        query=Query(key=f"served/{secrets.token_hex(4)}#{n_turn}", messages=messages, seed=_seed(body)),
        wants_audio="audio" in _modalities(body),
        format=_format(body),
        streams=body.get("stream") is True,
    )


def _seed(body: Mapping[str, Any]) -> int:
    seed = body.get("seed")
    if seed is None:
        return 0
    if not isinstance(seed, int) or isinstance(seed, bool) or not 0 <= seed < 2**63:
        raise bad_request("seed must be an integer from 0 on", param="seed")
    return seed


def _modalities(body: Mapping[str, Any]) -> Sequence[str]:
    value = body.get("modalities") or ["text"]
    if not isinstance(value, list) or any(item not in ("text", "audio") for item in value):
        raise bad_request('modalities must be a list of "text" and "audio"', param="modalities")
    return value


def _format(body: Mapping[str, Any]) -> str:
    audio = body.get("audio")
    value = audio.get("format", "wav") if isinstance(audio, Mapping) else "wav"
    if value not in FORMATS:
        raise bad_request(f"audio.format must be one of {', '.join(FORMATS)}, got {value!r}", param="audio.format")
    return str(value)


def _messages(body: Mapping[str, Any], memory: AnswerMemory) -> tuple[Message, ...]:
    given = body.get("messages")
    if not isinstance(given, list) or not given:
        raise bad_request("messages must be a list of at least one message", param="messages")
    if len(given) > MAX_MESSAGES:
        raise bad_request(f"messages: {len(given)} are more than the {MAX_MESSAGES} that are taken", param="messages")
    messages = [_message(item, f"messages[{index}]", memory) for index, item in enumerate(given)]
    messages = _with_audios(messages, body.get("audios"))
    if messages[-1].role != "user":
        raise bad_request("the last message must be the user's: it is what gets answered", param="messages")
    if messages[-1].audio is None and not messages[-1].text:
        raise bad_request("the last message is empty: put sound or text into it", param="messages")
    return tuple(messages)


def _message(item: object, place: str, memory: AnswerMemory) -> Message:
    if not isinstance(item, Mapping):
        raise bad_request(f"{place} must be an object", param=place)
    role = item.get("role")
    if role not in ("user", "assistant"):
        raise bad_request(
            f"{place}: role {role!r} is not taken, only user and assistant: models under test get spoken questions and "
            "no instructions beside them",
            param=f"{place}.role",
        )
    named = item.get("audio")
    if role == "assistant" and isinstance(named, Mapping):
        found = memory.find(str(named.get("id")))
        if found is None:
            raise ApiError(
                status=404,
                message=f"{place}: this server knows no answer of that id any more; send its text instead",
                param=f"{place}.audio.id",
                code="audio_not_found",
            )
        return found
    text, audio = _content(item.get("content"), f"{place}.content")
    return Message(role=role, audio=audio, text=text)


def _content(content: object, place: str) -> tuple[str | None, Audio | None]:
    if content is None or isinstance(content, str):
        return content or None, None
    if not isinstance(content, list):
        raise bad_request(f"{place} must be a string or a list of parts", param=place)
    texts: list[str] = []
    audio: Audio | None = None
    for index, part in enumerate(content):
        where = f"{place}[{index}]"
        kind = part.get("type") if isinstance(part, Mapping) else None
        if kind == "text" and isinstance(part.get("text"), str):
            texts.append(part["text"])
        elif kind in ("input_audio", "audio_url"):
            if audio is not None:
                raise bad_request(f"{where}: one recording per message", param=where)
            audio = _part_audio(part, str(kind), where)
        else:
            raise bad_request(f"{where}: type {kind!r} is not taken; use text, input_audio or audio_url", param=where)
    return " ".join(texts) or None, audio


def _part_audio(part: Mapping[str, Any], kind: str, where: str) -> Audio:
    inner = part.get(kind)
    if not isinstance(inner, Mapping):
        raise bad_request(f"{where}.{kind} must be an object", param=where)
    if kind == "audio_url":
        return _from_data_url(inner.get("url"), where)
    return _decoded(inner.get("data"), where)


def _from_data_url(url: object, where: str) -> Audio:
    head, comma, data = url.partition(",") if isinstance(url, str) else ("", "", "")
    if not comma or not head.startswith("data:") or not head.endswith(";base64"):
        raise bad_request(
            f"{where}: only data:...;base64 URLs are taken; nothing is fetched from elsewhere", param=where
        )
    return _decoded(data, where)


def _decoded(data: object, where: str) -> Audio:
    if not isinstance(data, str):
        raise bad_request(f"{where}: the sound must be base64 text", param=where)
    try:
        encoded = base64.b64decode(data, validate=True)
        return read_audio(encoded, name="the recording", max_duration_s=MAX_QUESTION_S)
    except (binascii.Error, ValueError) as error:
        raise bad_request(f"{where}: broken base64: {error}", param=where) from error
    except AudioError as error:
        raise bad_request(f"{where}: {error}", param=where) from error


def _with_audios(messages: list[Message], audios: object) -> list[Message]:
    """Give the recordings of sglang-omni's `audios` to the last messages of the user, in order."""
    if not audios:
        return messages
    if not isinstance(audios, list):
        raise bad_request("audios must be a list of data URLs", param="audios")
    places = [index for index, message in enumerate(messages) if message.role == "user" and message.audio is None]
    if len(audios) > len(places):
        raise bad_request(
            f"audios holds {len(audios)} recordings for {len(places)} messages without one", param="audios"
        )
    filled = list(messages)
    for place, url in zip(places[-len(audios) :], audios, strict=True):
        filled[place] = Message(role="user", audio=_from_data_url(url, "audios"), text=messages[place].text)
    return filled
