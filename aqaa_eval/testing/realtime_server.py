"""A Realtime server that says the question back, in the dialect of OpenAI or of vllm-omni; and breaks.

>>> with RealtimeServer(dialect="openai") as server:
...     server.base_url.startswith("http://127.0.0.1:")
True
"""

from __future__ import annotations

import base64
import json
import logging
import threading
import time
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from websockets.http11 import Request as HandshakeRequest
    from websockets.http11 import Response as HandshakeResponse
    from websockets.sync.server import Server, ServerConnection

FAULTS = {
    "dies": "the connection is cut after the first sound",
    "hangs": "nothing comes after the question",
    "endless": "sound without an end",
    "twenty_minutes": "an answer of 20 minutes",
    "broken_base64": "the sound is no base64",
    "no_audio": "words without sound",
    "error": "an error event",
    "failed": "a response that failed",
    "incomplete": "a response that ran into its limit",
    "not_json": "an event that is no JSON",
    "forbidden": "401 to the handshake",
    "busy": "429 to the handshake",
}
_log = logging.getLogger(__name__)
_log.setLevel(logging.INFO)  # below that the library writes headers, and with them the key
_N_PIECES = 4
_RATE_HZ = 24_000
_VLLM_INPUT_RATE_HZ = 16_000


@dataclass(slots=True, kw_only=True)
class RealtimeServer:
    """Serves while it is entered.

    Attributes:
        dialect: "openai" or "vllm-omni".
        text: the words that go with the sound.
        fault: what goes wrong, by name; "" for nothing.
        n_faulty: how many sessions it goes wrong in.
        piece_delay_s: seconds before every piece of sound.
        events: all that clients sent.
        keys: the Authorization headers.
        n_sessions: handshakes so far.
    """

    dialect: str = "openai"
    text: str = "This is my answer."
    fault: str = ""
    n_faulty: int = 1_000
    piece_delay_s: float = 0.0
    events: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    n_sessions: int = 0
    _server: Any = None
    _closing: threading.Event = field(default_factory=threading.Event)

    @property
    def base_url(self) -> str:
        """Such as "http://127.0.0.1:40213/v1"."""
        return f"http://127.0.0.1:{self._server.socket.getsockname()[1]}/v1"

    def __enter__(self) -> RealtimeServer:
        from websockets.sync.server import serve

        server: Server = serve(
            self._session,
            "127.0.0.1",
            0,
            process_request=self._handshake,
            max_size=2**26,
            close_timeout=0.2,
            logger=_log,
        )
        self._server = server
        threading.Thread(target=server.serve_forever, name="realtime-server", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        self._server.shutdown()

    def _handshake(self, connection: ServerConnection, request: HandshakeRequest) -> HandshakeResponse | None:
        self.n_sessions += 1
        self.keys.append(request.headers.get("Authorization", ""))
        status = {"forbidden": 401, "busy": 429}.get(self.fault)
        if status is None or self.n_sessions > self.n_faulty:
            return None
        response = connection.respond(status, "no\n")
        response.headers["Retry-After"] = "0.05"
        return response

    def _session(self, connection: ServerConnection) -> None:
        from websockets.exceptions import ConnectionClosed

        fault = self.fault if self.n_sessions <= self.n_faulty else ""
        try:
            if self.dialect == "openai":
                _send(connection, {"type": "session.created", "session": {}})
            question = self._listen(connection)
            self._answer(connection, question, fault)
        except ConnectionClosed:
            return

    def _listen(self, connection: ServerConnection) -> bytes:
        """The samples of the last question at 24 kHz (OpenAI) or 16 kHz (vllm-omni)."""
        samples = b""
        while True:
            event = json.loads(connection.recv())
            self.events.append(event)
            if event["type"] == "input_audio_buffer.append":
                samples += base64.b64decode(event["audio"])
            elif event["type"] == "conversation.item.create":
                [content] = event["item"]["content"]
                samples = base64.b64decode(content.get("audio", ""))
            elif event["type"] == "response.create" or event.get("final"):
                return samples

    def _answer(self, connection: ServerConnection, samples: bytes, fault: str) -> None:
        is_openai = self.dialect == "openai"
        if fault == "hangs":
            self._closing.wait(60)
            return
        if fault == "not_json":
            connection.send("<h1>Sorry</h1>")
            return
        if fault == "error":
            error = {"message": "the session is over", "type": "invalid_request_error", "code": "session_expired"}
            _send(connection, {"type": "error", "error": error})
            return
        for word in self.text.split(" "):
            kind = "response.output_audio_transcript.delta" if is_openai else "transcription.delta"
            _send(connection, {"type": kind, "delta": f"{word} "})
        if not is_openai:
            _send(connection, {"type": "transcription.done", "text": self.text})
        if fault != "no_audio":
            self._speak(connection, samples, fault)
        if fault == "dies":
            connection.socket.close()
            return
        self._end(connection, fault)

    def _speak(self, connection: ServerConnection, samples: bytes, fault: str) -> None:
        minute = bytes(2 * 60 * _RATE_HZ)
        size = -(-len(samples) // (2 * _N_PIECES)) * 2
        pieces = [samples[start : start + size] for start in range(0, len(samples), size)]
        if fault == "twenty_minutes":
            pieces = [minute] * 20
        elif fault == "dies":
            pieces = pieces[:1]
        for piece in pieces:
            time.sleep(self.piece_delay_s)
            self._say(connection, piece, fault)
        while fault == "endless" and not self._closing.is_set():
            self._say(connection, minute, fault)

    def _say(self, connection: ServerConnection, piece: bytes, fault: str) -> None:
        data = base64.b64encode(piece).decode()
        data = "!?" + data if fault == "broken_base64" else data
        event: dict[str, Any] = {"type": "response.output_audio.delta"}
        if self.dialect == "openai":
            event["delta"] = data
        else:
            event.update(audio=data, format="pcm16", sample_rate_hz=_VLLM_INPUT_RATE_HZ)
        _send(connection, event)

    def _end(self, connection: ServerConnection, fault: str) -> None:
        if self.dialect != "openai":
            _send(connection, {"type": "response.output_audio.done", "has_audio": fault != "no_audio"})
            return
        _send(connection, {"type": "response.output_audio.done"})
        endings: dict[str, dict[str, Any]] = {
            "failed": {"status": "failed", "status_details": {"error": {"message": "no GPU", "type": "engine_error"}}},
            "incomplete": {"status": "incomplete", "status_details": {"reason": "max_output_tokens"}},
        }
        _send(connection, {"type": "response.done", "response": endings.get(fault, {"status": "completed"})})


def _send(connection: ServerConnection, event: dict[str, Any]) -> None:
    connection.send(json.dumps(event))
