"""How a judge's request reaches a chat server: through the `openai` client, or straight, if it is plain HTTP nearby.

Straight is over kept connections of our own, in 0.3 ms of CPU; why: `core/plain_http.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import h11

from aqaa_eval.core.plain_http import CHAT_PATH, READ_BYTES, ChatAddress, as_bytes, headers_of, is_plain

if TYPE_CHECKING:
    from openai import AsyncOpenAI


class NoAnswer(Exception):
    """The server could not be reached, hung up, or does not speak HTTP."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpReply:
    """What came back, whatever its status.

    Attributes:
        headers: names in lower case.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes


class Wire(Protocol):
    """Sends chat requests to one server."""

    async def post(self, body: Mapping[str, Any]) -> HttpReply:
        """Send one request and read the whole reply.

        Raises:
            NoAnswer: there is none.
        """
        ...

    async def close(self) -> None:
        """Release connections."""
        ...


def make_wire(base_url: str, *, key: str) -> Wire:
    """The way to a server."""
    return StraightWire(base_url, key=key) if is_plain(base_url) else ClientWire(base_url, key=key)


class ClientWire:
    """The `openai` client; patience is ours (`retry.py`), so it neither retries nor times out."""

    def __init__(self, base_url: str, *, key: str) -> None:
        self._base_url = base_url
        self._key = key
        self._client: AsyncOpenAI | None = None

    async def post(self, body: Mapping[str, Any]) -> HttpReply:
        """Send one request.

        Raises:
            NoAnswer: the connection failed.
        """
        import httpx2
        import openai

        if self._client is None:
            self._client = openai.AsyncOpenAI(base_url=self._base_url, api_key=self._key, max_retries=0, timeout=None)
        try:
            # The raw response is taken: what is wrong with a body is for the reader of verdicts to say.
            response = await self._client.post(CHAT_PATH, body=body, cast_to=httpx2.Response)
        except openai.APIStatusError as error:
            response = error.response
        except openai.APIConnectionError as error:
            cause = error.__cause__ or error
            raise NoAnswer(f"{type(cause).__name__}: {cause}") from error
        return HttpReply(status=response.status_code, headers=dict(response.headers), body=response.content)

    async def close(self) -> None:
        """Release connections."""
        if self._client is not None:
            await self._client.close()


class StraightWire:
    """Kept connections on a stack; how many are in use at once is for the caller to limit."""

    def __init__(self, base_url: str, *, key: str) -> None:
        self._address = ChatAddress.of(base_url, key=key)
        self._idle: list[_Connection] = []

    async def post(self, body: Mapping[str, Any]) -> HttpReply:
        """Send one request.

        Raises:
            NoAnswer: the connection failed or ended early.
        """
        head, data = self._address.request(body)
        connection = await self._connect()
        try:
            reply = await connection.exchange(head, data)
        except (OSError, h11.ProtocolError) as error:
            connection.writer.close()
            raise NoAnswer(f"{type(error).__name__}: {error}") from error
        except BaseException:  # given up: what is still under way must not meet the next request
            connection.writer.close()
            raise
        if connection.make_ready():
            self._idle.append(connection)
        else:
            connection.writer.close()
        return reply

    async def _connect(self) -> _Connection:
        while self._idle:
            connection = self._idle.pop()
            if connection.is_usable:
                return connection
            connection.writer.close()
        host, port = self._address.host, self._address.port
        try:
            return _Connection(*await asyncio.open_connection(host, port))
        except OSError as error:
            raise NoAnswer(f"cannot reach {host}:{port} ({error})") from error

    async def close(self) -> None:
        """Close what is idle."""
        for connection in self._idle:
            connection.writer.close()
        self._idle.clear()


class _Connection:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self._protocol = h11.Connection(h11.CLIENT)

    @property
    def is_usable(self) -> bool:
        """False if the server closed it while it was idle."""
        return not self.reader.at_eof() and not self.writer.is_closing()

    async def exchange(self, head: h11.Request, data: bytes) -> HttpReply:
        protocol = self._protocol
        self.writer.write(as_bytes(protocol, head, data))
        await self.writer.drain()
        status, headers, body = 0, {}, []
        while not isinstance(event := protocol.next_event(), h11.EndOfMessage):
            if event is h11.NEED_DATA:
                protocol.receive_data(await self.reader.read(READ_BYTES))
            elif isinstance(event, h11.Response):
                status = event.status_code
                headers = headers_of(event)
            elif isinstance(event, h11.Data):
                body.append(bytes(event.data))
            elif isinstance(event, h11.ConnectionClosed):
                raise ConnectionResetError("the server hung up before it answered")
        return HttpReply(status=status, headers=headers, body=b"".join(body))

    def make_ready(self) -> bool:
        """True if another request can be sent on it."""
        if self._protocol.our_state is not h11.DONE or self._protocol.their_state is not h11.DONE:
            return False
        self._protocol.start_next_cycle()
        return True
