"""A scripted HTTP/1.1 server: a function gets the request and says what goes over the wire, byte chunk by byte chunk.

    >>> import urllib.request
    >>> def shout(request: Request) -> Reply:
    ...     return json_reply({"said": request.json()["say"].upper()})
    >>> with ScriptedServer(shout) as server:
    ...     sent = urllib.request.Request(server.base_url + "/shout", data=b'{"say": "hello"}')
    ...     answer = urllib.request.urlopen(sent).read()
    >>> answer, server.n_requests
    (b'{"said": "HELLO"}', 1)

It runs on an event loop in a thread of its own, so that thousands of slow replies cost nothing but memory. The handler
is called on that loop: it must not wait; delays belong into the reply.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from email.parser import BytesParser
from email.policy import HTTP
from http import HTTPStatus
from types import TracebackType
from typing import Any, Self

HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a client sent.

    Attributes:
        path: with the query string, as on the request line.
        headers: names in lower case.
        number: how many requests came before it.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    number: int

    def json(self) -> Any:
        """The body as JSON.

        Raises:
            ValueError: it is not JSON.
        """
        return json.loads(self.body)

    def form(self) -> dict[str, bytes]:
        """The fields of a multipart/form-data body, files included; of fields with one name the last."""
        head = f"Content-Type: {self.headers.get('content-type', '')}\r\n\r\n".encode()
        message = BytesParser(policy=HTTP).parsebytes(head + self.body)
        fields: dict[str, bytes] = {}
        for part in message.iter_parts():
            name, payload = part.get_param("name", header="content-disposition"), part.get_payload(decode=True)
            if isinstance(name, str) and isinstance(payload, bytes):
                fields[name] = payload
        return fields


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """Some bytes of a reply's body.

    Attributes:
        delay_s: seconds of silence before them.
    """

    data: bytes
    delay_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What goes over the wire.

    Attributes:
        status: HTTP status; None sends no head at all.
        chunks: the body; one chunk is sent with its length, several as they come (chunked transfer).
        delay_s: seconds before the head is sent.
        hangs_up: cut the connection after what was sent, without the end that HTTP demands.
        waits_forever: say nothing more after what was sent, and keep the connection open.
    """

    status: int | None = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    chunks: Sequence[Chunk] = ()
    delay_s: float = 0.0
    hangs_up: bool = False
    waits_forever: bool = False


Handler = Callable[[Request], Reply]


def json_reply(
    value: object, *, status: int = 200, delay_s: float = 0.0, headers: Mapping[str, str] | None = None
) -> Reply:
    """A reply of one JSON value."""
    body = json.dumps(value, ensure_ascii=False).encode()
    return Reply(
        status=status,
        headers={"content-type": "application/json", **(headers or {})},
        chunks=(Chunk(data=body),),
        delay_s=delay_s,
    )


def event_reply(events: Sequence[object], *, delay_s: float = 0.0) -> Reply:
    """Server-sent events, one JSON value each, `delay_s` apart, with the `[DONE]` that chat servers end with."""
    lines = [*(json.dumps(event, ensure_ascii=False) for event in events), "[DONE]"]
    chunks = tuple(Chunk(data=f"data: {line}\n\n".encode(), delay_s=delay_s) for line in lines)
    return Reply(headers={"content-type": "text/event-stream"}, chunks=chunks)


class ScriptedServer:
    """Serves while it is entered. Counts requests and remembers how many were under way at once."""

    def __init__(self, handler: Handler, *, prefix: str = "", port: int = 0) -> None:
        """Make it.

        Args:
            handler: called for each request on the server's loop.
            prefix: end of `base_url`, such as "/v1"; paths are handed to the handler whole.
            port: to listen on; 0 takes a free one.
        """
        self._handler = handler
        self._prefix = prefix
        self._port = port
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="scripted-server", daemon=True)
        self._connections: set[asyncio.Task[None]] = set()
        self._problem: BaseException | None = None
        self._n_open = 0
        self.n_requests = 0
        self.n_most_at_once = 0
        self.errors: list[BaseException] = []

    @property
    def base_url(self) -> str:
        """Such as "http://127.0.0.1:40213/v1"."""
        return f"http://{HOST}:{self._port}{self._prefix}"

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait()
        if self._problem is not None:
            raise self._problem
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def run(self) -> None:
        """Print the base URL, and serve until the process is ended."""
        with self:
            print(self.base_url, flush=True)
            threading.Event().wait()

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            server = self._loop.run_until_complete(asyncio.start_server(self._connected, HOST, self._port))
        except OSError as error:
            self._problem = error
            self._ready.set()
            self._loop.close()
            return
        self._port = server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()
        server.close()
        for task in self._connections:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*self._connections, return_exceptions=True))
        self._loop.run_until_complete(asyncio.sleep(0))  # lets the closed transports go
        self._loop.close()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            while (request := await self._read(reader)) is not None and await self._answer(request, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # the client left
        except asyncio.CancelledError:
            pass  # the server is closing
        finally:
            self._connections.discard(task)
            writer.transport.abort() if writer.transport.is_closing() else writer.close()

    async def _read(self, reader: asyncio.StreamReader) -> Request | None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:
            return None
        line, *rest = head.decode("latin-1").split("\r\n")
        method, path, _ = line.split(" ", 2)
        pairs = (item.split(":", 1) for item in rest if ":" in item)
        headers = {name.strip().lower(): value.strip() for name, value in pairs}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        number = self.n_requests
        self.n_requests += 1
        return Request(method=method, path=path, headers=headers, body=body, number=number)

    async def _answer(self, request: Request, writer: asyncio.StreamWriter) -> bool:
        """Send the reply; True if the connection lives on."""
        self._n_open += 1
        self.n_most_at_once = max(self.n_most_at_once, self._n_open)
        try:
            return await self._send(self._reply_to(request), writer)
        finally:
            self._n_open -= 1

    def _reply_to(self, request: Request) -> Reply:
        try:
            return self._handler(request)
        except Exception as error:  # the script is wrong: the client sees it as a 500, the test reads `errors`
            self.errors.append(error)
            return json_reply({"error": {"message": f"{type(error).__name__}: {error}"}}, status=500)

    async def _send(self, reply: Reply, writer: asyncio.StreamWriter) -> bool:
        if reply.delay_s:
            await asyncio.sleep(reply.delay_s)
        is_whole = len(reply.chunks) <= 1 and not reply.hangs_up and not reply.waits_forever
        if reply.status is not None:
            writer.write(_head(reply, is_whole=is_whole))
            for chunk in reply.chunks:
                if chunk.delay_s:
                    await writer.drain()
                    await asyncio.sleep(chunk.delay_s)
                writer.write(chunk.data if is_whole else b"%x\r\n%s\r\n" % (len(chunk.data), chunk.data))
        if reply.waits_forever:
            await writer.drain()
            await asyncio.Event().wait()
        if reply.hangs_up or reply.status is None:
            await writer.drain()
            writer.close()
            return False
        if not is_whole:
            writer.write(b"0\r\n\r\n")
        await writer.drain()
        return True


def _head(reply: Reply, *, is_whole: bool) -> bytes:
    assert reply.status is not None
    try:
        phrase = HTTPStatus(reply.status).phrase
    except ValueError:
        phrase = "Unknown"
    lines = [f"HTTP/1.1 {reply.status} {phrase}", *(f"{name}: {value}" for name, value in reply.headers.items())]
    if is_whole:
        lines.append(f"content-length: {sum(len(chunk.data) for chunk in reply.chunks)}")
    else:
        lines.append("transfer-encoding: chunked")
    return "\r\n".join([*lines, "", ""]).encode("latin-1")
