"""Listening: in the foreground for the command line, or beside other work for tests and notebooks."""

from __future__ import annotations

import ipaddress
import os
import socket
import threading
import time
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING

from aqaa_eval.core.errors import UsageError
from aqaa_eval.core.protocols import SpeechModel
from aqaa_eval.serving.app import AppSettings, make_app
from aqaa_eval.serving.guard import Rules
from aqaa_eval.serving.worker import ModelWorker

if TYPE_CHECKING:
    import uvicorn

TOKEN_ENV = "AQAA_EVAL_TOKEN"
MIN_TOKEN_CHARACTERS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """Where and how to listen.

    Attributes:
        name: under which clients call the model.
        host: address or name to listen on.
        port: 0 takes a free one.
        token: what clients must send; None if none is needed, which only loopback allows.
        allow_hosts: names besides localhost and IP addresses under which the server may be called.
        n_waiting: questions that may wait while one is answered.
        limit_s: longest time to an answer.
        max_body_bytes: a larger request is refused.
    """

    name: str
    host: str = "127.0.0.1"
    port: int = 8010
    token: str | None = field(default=None, repr=False)
    allow_hosts: tuple[str, ...] = ()
    n_waiting: int = 8
    limit_s: float = 300.0
    max_body_bytes: int = 32 * 2**20

    def __post_init__(self) -> None:
        if self.token is None and not is_loopback(self.host):
            raise UsageError(
                f"--host {self.host} lets other machines in, which needs a token: set {TOKEN_ENV} to "
                f"{MIN_TOKEN_CHARACTERS} characters or more, for example the output of `openssl rand -hex 16`"
            )
        if self.token is not None and len(self.token) < MIN_TOKEN_CHARACTERS:
            raise UsageError(f"{TOKEN_ENV} has {len(self.token)} characters; it needs {MIN_TOKEN_CHARACTERS} or more")
        if not 0 <= self.port < 65_536:
            raise UsageError(f"--port {self.port} must be between 0 and 65535")
        if self.n_waiting < 1 or self.limit_s <= 0:
            raise UsageError("the line must have room for at least 1 question, and the time limit must be above 0")


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


class LocalServer:
    """A model as a server, in a thread, while it is entered."""

    def __init__(self, model: SpeechModel, settings: ServerSettings) -> None:
        """Take the address at once.

        Raises:
            UsageError: the address is in use or not this machine's, or the packages are missing.
        """
        try:
            import starlette  # noqa: F401
            import uvicorn
        except ImportError as error:
            raise UsageError(f"serving needs {error.name}: pip install 'aqaa-eval[serve]'") from error
        self.settings = settings
        self._worker = ModelWorker(model, n_waiting=settings.n_waiting, limit_s=settings.limit_s)
        self._socket = _listen(settings)
        rules = Rules(names=(settings.host, *settings.allow_hosts), token=settings.token)
        app = make_app(
            self._worker,
            AppSettings(
                name=settings.name, identity=model.identity, rules=rules, max_body_bytes=settings.max_body_bytes
            ),
        )
        # No access log: it would repeat what clients put into addresses.
        config = uvicorn.Config(
            app,
            log_level="error",
            access_log=False,
            lifespan="off",
            ws="none",
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=2,
        )
        self._server: uvicorn.Server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._serve, name="server", daemon=True)

    @property
    def url(self) -> str:
        """Such as "http://127.0.0.1:8010"."""
        host, port = self._socket.getsockname()[:2]
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    def run(self) -> None:
        """Serve until interrupted."""
        try:
            with self._worker:
                self._serve()
        finally:
            self._socket.close()

    def _serve(self) -> None:
        self._server.run(sockets=[self._socket])

    def __enter__(self) -> LocalServer:
        self._worker.__enter__()
        self._thread.start()
        until_s = time.monotonic() + 10.0
        while not self._server.started:
            if time.monotonic() > until_s or not self._thread.is_alive():
                raise UsageError(f"the server at {self.url} did not start")
            time.sleep(0.01)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.should_exit = True
        self._worker.__exit__(kind, error, trace)
        self._thread.join(timeout=10.0)
        self._socket.close()


def _listen(settings: ServerSettings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        return socket.create_server((settings.host, settings.port), family=family)
    except OSError as error:
        raise UsageError(
            f"cannot listen on {settings.host}:{settings.port} ({error.strerror}); choose another --port"
        ) from error
