"""Listening with an app: in the foreground for the command line, or in a thread beside other work."""

from __future__ import annotations

import ipaddress
import os
import socket
import threading
import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

from aqaa_eval.core.errors import UsageError

if TYPE_CHECKING:
    import uvicorn
    from starlette.types import ASGIApp

TOKEN_ENV = "AQAA_EVAL_TOKEN"
MIN_TOKEN_CHARACTERS = 16
_START_LIMIT_S = 10.0


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address.

    >>> is_loopback("127.0.0.1"), is_loopback("localhost"), is_loopback("::1"), is_loopback("0.0.0.0")
    (True, True, True, False)
    """
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def token_from_environment() -> str | None:
    """The token of this machine's user; None if there is none."""
    return os.environ.get(TOKEN_ENV) or None


def check_access(host: str, token: str | None) -> None:
    """Refuse to let other machines in without a token, and a token that can be guessed.

    Raises:
        UsageError: the message says which, and what to do.
    """
    if token is None and not is_loopback(host):
        raise UsageError(
            f"--host {host} lets other machines in, which needs a token: set {TOKEN_ENV} to "
            f"{MIN_TOKEN_CHARACTERS} characters or more, for example the output of `openssl rand -hex 16`"
        )
    if token is not None and len(token) < MIN_TOKEN_CHARACTERS:
        raise UsageError(f"{TOKEN_ENV} has {len(token)} characters; it needs {MIN_TOKEN_CHARACTERS} or more")


def take_address(host: str, port: int) -> socket.socket:
    """A listening socket.

    Raises:
        UsageError: the address is in use or not this machine's.
    """
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        raise UsageError(f"cannot listen on {host}:{port} ({error.strerror}); choose another --port") from error


class Listener:
    """An app behind a socket; served in a thread while it is entered."""

    def __init__(self, app: ASGIApp, taken: socket.socket, *, name: str, graceful_s: int | None = None) -> None:
        """Prepare; nothing is served yet.

        Args:
            app: what answers.
            taken: see `take_address`; closed at the end.
            name: of the thread.
            graceful_s: how long open requests may take at the end; None waits for them.
        """
        import uvicorn

        self._socket = taken
        # No access log: it would repeat what clients put into addresses.
        config = uvicorn.Config(
            app,
            log_level="error",
            access_log=False,
            lifespan="off",
            ws="none",
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=graceful_s,
        )
        self._server: uvicorn.Server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._serve, name=name, daemon=True)

    @property
    def url(self) -> str:
        """Such as "http://127.0.0.1:8010"."""
        host, port = self._socket.getsockname()[:2]
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    def run(self) -> None:
        """Serve until interrupted."""
        try:
            self._serve()
        finally:
            self._socket.close()

    def _serve(self) -> None:
        self._server.run(sockets=[self._socket])

    def stop(self) -> None:
        """Ask the server to end; `__exit__` waits for it."""
        self._server.should_exit = True

    def __enter__(self) -> Self:
        self._thread.start()
        until_s = time.monotonic() + _START_LIMIT_S
        while not self._server.started:
            if time.monotonic() > until_s or not self._thread.is_alive():
                raise UsageError(f"the server at {self.url} did not start")
            time.sleep(0.01)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        self._thread.join(timeout=10.0)
        self._socket.close()
