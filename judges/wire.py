"""A lean transport for judges on plain HTTP: a local server answers faster than a general client can ask.

httpx2's own transport looks through all connections for each request and costs 1 ms of CPU; with 32 requests under way
that is most of what a core can do. This one keeps idle connections on a stack. TLS, proxies and HTTP/2 are left to
httpx2: remote judges are slow enough not to need this.
"""

from __future__ import annotations

import asyncio
from urllib.request import getproxies, proxy_bypass

import h11
import httpx2

READ_BYTES = 1 << 16


def suits_lean_transport(base_url: str) -> bool:
    """Whether the address is plain HTTP and reached without a proxy.

    >>> suits_lean_transport("https://api.example.com/v1")
    False
    """
    url = httpx2.URL(base_url)
    proxies = getproxies()
    has_proxy = ("http" in proxies or "all" in proxies) and not proxy_bypass(url.host)
    return url.scheme == "http" and not has_proxy


class _Connection:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.protocol = h11.Connection(h11.CLIENT)

    @property
    def is_usable(self) -> bool:
        """False if the server closed it while it was idle."""
        return not self.reader.at_eof() and not self.writer.is_closing()

    async def exchange(self, request: httpx2.Request) -> httpx2.Response:
        head = h11.Request(method=request.method, target=request.url.raw_path, headers=request.headers.raw)
        sent = self.protocol.send(head) or b""
        sent += self.protocol.send(h11.Data(data=await request.aread())) or b""
        sent += self.protocol.send(h11.EndOfMessage()) or b""
        self.writer.write(sent)
        await self.writer.drain()
        status, headers, parts = 0, [], []
        while not isinstance(event := self.protocol.next_event(), h11.EndOfMessage):
            if event is h11.NEED_DATA:
                self.protocol.receive_data(await self.reader.read(READ_BYTES))
            elif isinstance(event, h11.Response):
                status, headers = event.status_code, list(event.headers)
            elif isinstance(event, h11.Data):
                parts.append(bytes(event.data))
            elif isinstance(event, h11.ConnectionClosed):
                raise httpx2.RemoteProtocolError("the server hung up before it answered", request=request)
        return httpx2.Response(status, headers=headers, content=b"".join(parts), request=request)

    def make_ready(self) -> bool:
        """True if another request can be sent on it."""
        if self.protocol.our_state is not h11.DONE or self.protocol.their_state is not h11.DONE:
            return False
        self.protocol.start_next_cycle()
        return True


class LeanTransport(httpx2.AsyncBaseTransport):
    """Sends requests over kept connections; how many at once is for the caller to limit."""

    def __init__(self) -> None:
        self._idle: list[_Connection] = []

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send one request and read the whole response.

        Raises:
            httpx2.TransportError: the server cannot be reached, hangs up, or does not speak HTTP.
        """
        connection = await self._connect(request)
        try:
            response = await connection.exchange(request)
        except (OSError, h11.ProtocolError) as error:
            connection.writer.close()
            raise httpx2.RemoteProtocolError(f"{type(error).__name__}: {error}", request=request) from error
        except BaseException:  # given up by the caller: what is still under way must not meet the next request
            connection.writer.close()
            raise
        if connection.make_ready():
            self._idle.append(connection)
        else:
            connection.writer.close()
        return response

    async def _connect(self, request: httpx2.Request) -> _Connection:
        while self._idle:
            connection = self._idle.pop()
            if connection.is_usable:
                return connection
            connection.writer.close()
        url = request.url
        try:
            return _Connection(*await asyncio.open_connection(url.host, url.port or 80))
        except OSError as error:
            raise httpx2.ConnectError(f"cannot reach {url.host}:{url.port or 80} ({error})", request=request) from error

    async def aclose(self) -> None:
        """Close what is idle."""
        for connection in self._idle:
            connection.writer.close()
        self._idle.clear()
