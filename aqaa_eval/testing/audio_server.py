"""A chat server that answers in speech, in the dialect of OpenAI, old or new vllm-omni, or sglang-omni; and breaks.

It says the question back (or the answer that it was given), in the shape that the named server has, streamed if the
request says so. A fault makes it misbehave as servers do: see `FAULTS`.

    >>> from aqaa_eval.testing.server import ScriptedServer
    >>> with ScriptedServer(AudioChat(dialect="vllm-omni", fault="broken_base64"), prefix="/v1") as server:
    ...     server.base_url.endswith("/v1")
    True
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, overload

import numpy as np

from aqaa_eval.core.audio import Audio, encode_audio, read_audio
from aqaa_eval.testing.server import Chunk, Reply, Request, event_reply, json_reply

DIALECTS = ("openai", "vllm-omni-2025", "vllm-omni", "sglang-omni")
FAULTS = {
    "dies": "the connection is cut in the middle of the body",
    "hangs": "no byte comes, and the connection stays open",
    "trickles": "a byte now and then, for hours",
    "endless": "sound without an end (streamed), or a body without an end",
    "twenty_minutes": "an answer of 20 minutes",
    "broken_base64": "the sound is no base64",
    "mp3": "an MP3 file, whatever was asked for",
    "pcm_8k": "bare samples at 8 kHz, with the rate stated beside them",
    "odd_bytes": "bare samples, cut in the middle of one",
    "text_only": "words without sound",
    "no_choices": "a reply without choices",
    "not_json": "a page in HTML, with status 200",
    "busy": "429 with Retry-After",
    "broken": "500",
    "forbidden": "401, quoting the key that was sent",
    "error_in_stream": "an error object in the middle of a stream",
    "cut_stream": "a stream that ends without an end",
}
_N_PIECES = 4
_TWENTY_MINUTES_S = 1_200


@dataclass(slots=True, kw_only=True)
class AudioChat:
    """Handler of a `ScriptedServer`.

    Attributes:
        dialect: one of `DIALECTS`.
        audio: what it says; None says the question back.
        text: the words that go with it.
        fault: what goes wrong, by name, or a function of the request's number ("" for nothing).
        piece_delay_s: seconds before every event of a stream.
        questions: the sound of each request's last question, as it arrived.
        bodies: the requests.
        keys: the Authorization headers.
    """

    dialect: str = "openai"
    audio: Audio | None = None
    text: str = "This is my answer."
    fault: str | Callable[[int], str] = ""
    piece_delay_s: float = 0.0
    questions: list[Audio] = field(default_factory=list)
    bodies: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)

    def __call__(self, request: Request) -> Reply:
        """Answer one request."""
        body = request.json()
        self.bodies.append(body)
        self.keys.append(request.headers.get("authorization", ""))
        question = question_of(body)
        if question is not None:
            self.questions.append(question)
        fault = self.fault if isinstance(self.fault, str) else self.fault(request.number)
        reply = self._broken(fault, request)
        if reply is not None:
            return reply
        audio = self.audio or question or Audio.silence(duration_s=0.5)
        said = _Said(dialect=self.dialect, audio=audio, text=self.text, fault=fault, format=body["audio"]["format"])
        if not body.get("stream"):
            return json_reply(said.whole())
        return self._streamed(said, fault)

    def _streamed(self, said: _Said, fault: str) -> Reply:
        pieces = list(said.pieces())
        if fault == "endless":
            return Reply(headers=_SSE, chunks=_Endless(max(map(_event_bytes, pieces), key=len)))
        if fault == "error_in_stream":
            pieces[2:] = [{"error": {"message": "the engine is dead", "type": "engine_error", "code": 400}}]
        if fault in ("cut_stream", "dies"):
            chunks = [Chunk(data=_event_bytes(piece)) for piece in pieces[:2]]
            return Reply(headers=_SSE, chunks=chunks, hangs_up=fault == "dies")
        return event_reply(pieces, delay_s=self.piece_delay_s)

    def _broken(self, fault: str, request: Request) -> Reply | None:
        """The reply of a fault that needs no answer; None for the others."""
        json_head = {"content-type": "application/json"}
        key = request.headers.get("authorization", "").removeprefix("Bearer ")
        streams = bool(request.json().get("stream"))
        makers: dict[str, Callable[[], Reply]] = {
            "hangs": lambda: Reply(status=None, waits_forever=True),
            "trickles": lambda: Reply(headers=json_head, chunks=_Endless(b" ", delay_s=0.05)),
            "no_choices": lambda: json_reply({"object": "chat.completion"}),
            "not_json": lambda: Reply(headers={"content-type": "text/html"}, chunks=(Chunk(data=b"<h1>Sorry</h1>"),)),
            "busy": lambda: json_reply(_error("slow down"), status=429, headers={"retry-after": "0.05"}),
            "broken": lambda: json_reply(_error("CUDA out of memory"), status=500, headers={"retry-after": "0.01"}),
            "forbidden": lambda: json_reply(_error(f"Incorrect API key provided: {key}"), status=401),
        }
        if not streams:
            makers["dies"] = lambda: Reply(headers=json_head, chunks=(Chunk(data=b'{"choices": ['),), hangs_up=True)
            makers["endless"] = lambda: Reply(headers=json_head, chunks=_Endless(b" " * 65_536))
        return makers[fault]() if fault in makers else None


def question_of(body: dict[str, Any]) -> Audio | None:
    """The sound of the last question of a request, in whichever way it was sent; None if it has none."""
    if body.get("audios"):
        return _from_url(body["audios"][-1])
    content = body["messages"][-1]["content"]
    for part in content if isinstance(content, list) else []:
        if part["type"] == "input_audio":
            return read_audio(base64.b64decode(part["input_audio"]["data"]))
        if part["type"] == "audio_url":
            return _from_url(part["audio_url"]["url"])
    return None


def _from_url(url: str) -> Audio:
    return read_audio(base64.b64decode(url.partition(",")[2]))


def _error(message: str) -> dict[str, Any]:
    return {"error": {"message": message, "type": "server_error", "param": None, "code": None}}


_SSE = {"content-type": "text/event-stream"}


def _event_bytes(value: object) -> bytes:
    return f"data: {json.dumps(value)}\n\n".encode()


class _Endless(Sequence[Chunk]):
    """The same chunk for ever; the server sends what it is asked for, so the client has to leave."""

    def __init__(self, data: bytes, *, delay_s: float = 0.002) -> None:
        self._chunk = Chunk(data=data, delay_s=delay_s)

    def __len__(self) -> int:
        return 2**31

    @overload
    def __getitem__(self, index: int) -> Chunk: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Chunk]: ...
    def __getitem__(self, index: int | slice) -> Chunk | Sequence[Chunk]:
        return self._chunk if isinstance(index, int) else (self._chunk,)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Said:
    """One answer in the shape of one server."""

    dialect: str
    audio: Audio
    text: str
    fault: str
    format: str

    def whole(self) -> dict[str, Any]:
        """As one reply."""
        sound = {"id": "audio-1", "data": self._base64(self._file()), "expires_at": 4_000_000_000}
        stop = {"index": 0, "finish_reason": "stop"}
        text = {"role": "assistant", "content": self.text}
        if self.fault == "text_only":
            choices: list[dict[str, Any]] = [{**stop, "message": text}]
        elif self.dialect == "openai":
            spoken = {"role": "assistant", "content": None, "audio": {**sound, "transcript": self.text}}
            choices = [{**stop, "message": spoken}]
        elif self.dialect == "vllm-omni-2025":
            spoken = {"role": "assistant", "content": None, "audio": {**sound, "transcript": ""}}
            choices = [{**stop, "message": text}, {**stop, "message": spoken}]
        elif self.dialect == "vllm-omni":
            choices = [{**stop, "message": {**text, "audio": sound}, "audio_metadata": self._metadata()}]
        else:
            choices = [{**stop, "message": {**text, "audio": {**sound, "transcript": self.text}}}]
        if self.fault == "pcm_8k" and self.dialect != "vllm-omni":
            choices[-1]["message"]["audio"]["sample_rate"] = 8_000
        return {"id": "chatcmpl-1", "object": "chat.completion", "created": 0, "model": "m", "choices": choices}

    def _metadata(self) -> dict[str, Any]:
        rate_hz = 8_000 if self.fault == "pcm_8k" else self.audio.sample_rate_hz
        return {"format": self.format, "sample_rate_hz": rate_hz, "frame_count": len(self.audio.samples), "channels": 1}

    def pieces(self) -> Iterator[dict[str, Any]]:
        """As the events of a stream."""
        yield self._event({"role": "assistant", "content": ""}, modality="text")
        if self.fault == "text_only":
            yield self._event({"content": self.text}, modality="text")
        else:
            yield from self._spoken_pieces()
        yield self._event({}, finish="stop", modality="audio")

    def _spoken_pieces(self) -> Iterator[dict[str, Any]]:
        if self.dialect == "openai":
            yield self._event({"audio": {"id": "audio-1"}})
            for word in self.text.split(" "):
                yield self._event({"audio": {"transcript": f"{word} "}})
        else:
            yield self._event({"content": self.text}, modality="text")
        for piece in self._split():
            data = self._base64(piece)
            is_vllm = self.dialect.startswith("vllm")
            yield self._event({"content": data} if is_vllm else {"audio": {"data": data}}, modality="audio")
        if self.dialect == "openai":
            yield self._event({"audio": {"expires_at": 4_000_000_000}})

    def _event(self, delta: dict[str, Any], *, modality: str = "", finish: str | None = None) -> dict[str, Any]:
        choice: dict[str, Any] = {"index": 0, "delta": delta, "finish_reason": finish}
        if self.dialect.startswith("vllm"):
            choice["audio_metadata"] = self._metadata()
        event = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 0, "model": "m", "choices": [choice]}
        return {**event, "modality": modality} if self.dialect.startswith("vllm") and modality else event

    def _split(self) -> Iterator[bytes]:
        """The sound in pieces: whole files from vllm-omni, bare samples from the others."""
        if self.fault in ("mp3", "pcm_8k", "odd_bytes", "twenty_minutes"):
            whole = self._file()
            size = -(-len(whole) // _N_PIECES)
            yield from (whole[start : start + size] for start in range(0, len(whole), size))
            return
        for part in np.array_split(self.audio.samples, _N_PIECES):
            piece = Audio(samples=part, sample_rate_hz=self.audio.sample_rate_hz)
            is_file = self.dialect.startswith("vllm") and self.format == "wav"
            yield encode_audio(piece, container="WAV") if is_file else piece.pcm16.tobytes()

    def _file(self) -> bytes:
        if self.fault == "mp3":
            return mp3_bytes(self.audio)
        if self.fault == "twenty_minutes":
            said = self.audio.resampled(24_000).pcm16
            return np.resize(said, _TWENTY_MINUTES_S * 24_000).tobytes()  # said again and again
        if self.fault == "pcm_8k":
            return self.audio.resampled(8_000).pcm16.tobytes()
        if self.fault == "odd_bytes":
            return self.audio.pcm16.tobytes()[:-1]
        return (
            self.audio.pcm16.tobytes() if self.format.startswith("pcm") else encode_audio(self.audio, container="WAV")
        )

    def _base64(self, encoded: bytes) -> str:
        text = base64.b64encode(encoded).decode()
        return text[:-7] + "!?" if self.fault == "broken_base64" else text


def mp3_bytes(audio: Audio) -> bytes:
    """The sound as an MP3 file."""
    import io

    import soundfile

    buffer = io.BytesIO()
    soundfile.write(buffer, audio.samples, audio.sample_rate_hz, format="MP3")
    return buffer.getvalue()
