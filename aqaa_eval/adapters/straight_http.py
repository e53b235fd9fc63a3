"""Requests of models to a plain-HTTP server nearby, over kept connections of our own; why: `core/plain_http.py`."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

import h11

from aqaa_eval.adapters.openai_endpoint import Meter, Retryable, refusal
from aqaa_eval.core.errors import ModelError
from aqaa_eval.core.plain_http import READ_BYTES, ChatAddress, as_bytes, headers_of

if TYPE_CHECKING:
    from types import TracebackType

MAX_ERROR_BYTES = 1 << 16


class StreamedReply(Protocol):
    """A reply whose body is not read yet; the `openai` client gives such, too."""

    @property
    def headers(self) -> Mapping[str, str]:
        """Names in lower case."""
        ...

    def iter_bytes(self) -> Iterator[bytes]:
        """The body as it comes in."""
        ...


class Redirected(Exception):
    """The server sends us elsewhere."""


class StraightClient:
    """Posts chat requests; may be used by several threads at once, each of which gets a connection of its own."""

    def __init__(self, base_url: str, *, key: str) -> None:
        self._address = ChatAddress.of(base_url, key=key)
        self._idle: list[_Connection] = []

    def __del__(self) -> None:
        for connection in self._idle:  # models have no end at which they could be told
            connection.close()

    @contextmanager
    def posted(self, body: Mapping[str, Any], meter: Meter) -> Iterator[StreamedReply]:
        """Post a request; gives the reply with its body unread.

        Raises:
            Retryable: the server cannot be reached, broke off, is late or busy.
            ModelError: it refuses, or does not speak HTTP.
            Redirected: it sends us elsewhere.
        """
        head, data = self._address.request(body)
        with _told(), self._connection(meter) as connection:
            connection.send(head, data)
            connection.read_head()
            if 300 <= connection.status < 400:
                raise Redirected
            if connection.status >= 400:
                raise refusal(connection.status, connection.headers, connection.beginning(MAX_ERROR_BYTES))
            yield connection

    @contextmanager
    def _connection(self, meter: Meter) -> Iterator[_Connection]:
        connection = self._kept() or _Connection((self._address.host, self._address.port), meter)
        connection.meter = meter
        with connection:
            yield connection
            if connection.make_ready():
                self._idle.append(connection)

    def _kept(self) -> _Connection | None:
        while self._idle:
            try:
                connection = self._idle.pop()
            except IndexError:  # another thread was faster
                return None
            if connection.is_usable:
                return connection
            connection.close()
        return None


class _Connection:
    """One connection, and the reply that comes over it."""

    def __init__(self, place: tuple[str, int], meter: Meter) -> None:
        try:
            self._socket = socket.create_connection(place, timeout=meter.left_s)
        except TimeoutError:
            raise
        except OSError as error:
            raise Retryable(f"the server cannot be reached: {error}", is_down=True) from error
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._http = h11.Connection(h11.CLIENT)
        self._is_kept = False
        self.meter = meter
        self.status = 0
        self.headers: dict[str, str] = {}

    def __enter__(self) -> None:
        self._is_kept = False

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if not self._is_kept:
            self.close()

    def close(self) -> None:
        self._socket.close()

    @property
    def is_usable(self) -> bool:
        """False if the server closed it, or sent something unasked, while it was idle."""
        try:
            self._socket.setblocking(False)
            self._socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    def send(self, head: h11.Request, data: bytes) -> None:
        self._socket.settimeout(self.meter.left_s)
        self._socket.sendall(as_bytes(self._http, head, data))

    def read_head(self) -> None:
        while not isinstance(event := self._next(), h11.Response):
            if not isinstance(event, h11.InformationalResponse):
                raise ConnectionResetError("it hung up before it answered")
        self.status = event.status_code
        self.headers = headers_of(event)

    def iter_bytes(self) -> Iterator[bytes]:
        while not isinstance(event := self._next(), h11.EndOfMessage):
            if not isinstance(event, h11.Data):
                raise ConnectionResetError("it hung up before the end of its answer")
            yield bytes(event.data)

    def beginning(self, n_bytes: int) -> bytes:
        """The body, as far as that."""
        found = b""
        for part in self.iter_bytes():
            found += part
            if len(found) > n_bytes:
                break
        return found

    def _next(self) -> Any:
        while (event := self._http.next_event()) is h11.NEED_DATA:
            self._socket.settimeout(self.meter.left_s)
            try:
                self._http.receive_data(self._socket.recv(READ_BYTES))
            except TimeoutError as error:
                if self.meter.has_begun:
                    raise self.meter.too_late() from error
                raise
        return event

    def make_ready(self) -> bool:
        """True if another request can be sent on it: it is then kept open."""
        self._is_kept = self._http.our_state is h11.DONE and self._http.their_state is h11.DONE
        if self._is_kept:
            self._http.start_next_cycle()
        return self._is_kept


@contextmanager
def _told() -> Iterator[None]:
    """Turn what sockets and h11 raise into ours."""
    try:
        yield
    except TimeoutError as error:
        raise Retryable("the server did not answer in time", is_late=True) from error
    except h11.RemoteProtocolError as error:
        raise Retryable(f"the server broke off the connection: {error}") from error
    except OSError as error:
        raise Retryable(f"the server broke off the connection: {error}") from error
    except h11.ProtocolError as error:
        raise ModelError(f"the request cannot be sent: {error}") from error
