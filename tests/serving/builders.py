"""A served model, and requests to it."""

from __future__ import annotations

import base64
import json
import threading
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from typing import Any

from aqaa_eval.core.attempt import Query, Response, Timing
from aqaa_eval.core.audio import Audio, encode_audio
from aqaa_eval.serving.server import LocalServer, ServerSettings
from tests.adapters.queries import tone


@dataclass(kw_only=True)
class Pupil:
    """A model that repeats the question, waits if it is told to, breaks if it is told to, and notes what it got."""

    identity: str = "pupil"
    text: str | None = "I say it back."
    error: Exception | None = None
    gate: threading.Event | None = None
    seen: list[Query] = field(default_factory=list)
    threads: set[int] = field(default_factory=set)

    def answer(self, query: Query) -> Response:
        self.seen.append(query)
        self.threads.add(threading.get_ident())
        if self.gate is not None:
            self.gate.wait(20)
        if self.error is not None:
            raise self.error
        return Response(audio=query.question.audio, text=self.text, timing=Timing(first_audio_s=None, total_s=0.1))


def serve(model: Any = None, **settings: Any) -> LocalServer:
    return LocalServer(model or Pupil(), ServerSettings(name="pupil", port=0, **settings))


def chat_body(question: Audio | None = None, **changes: Any) -> dict[str, Any]:
    data = base64.b64encode(encode_audio(question or tone(), container="WAV")).decode()
    content = [{"type": "input_audio", "input_audio": {"data": data, "format": "wav"}}]
    body = {
        "model": "pupil",
        "modalities": ["text", "audio"],
        "audio": {"voice": "any", "format": "wav"},
        "messages": [{"role": "user", "content": content}],
    }
    return {**body, **changes}


@dataclass(frozen=True, kw_only=True)
class Answered:
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> dict[str, Any]:
        return self.json()["error"]


def call(url: str, body: object = None, *, headers: dict[str, str] | None = None, limit_s: float = 20) -> Answered:
    """POST the body as JSON, or GET if there is none; any status is an answer."""
    encoded = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(url, data=encoded)
    if encoded is not None:
        request.add_header("Content-Type", "application/json")
    for name, value in (headers or {}).items():
        request.add_header(name, value)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=limit_s) as reply:
            return Answered(status=reply.status, headers=_lower(reply.headers), body=reply.read())
    except urllib.error.HTTPError as error:
        with error:
            return Answered(status=error.code, headers=_lower(error.headers), body=error.read())


def _lower(headers: Any) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}
