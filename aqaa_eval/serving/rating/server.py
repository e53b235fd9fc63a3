"""Listening for the rating page, in the foreground or beside a test."""

from __future__ import annotations

import socket
import threading
import time
from types import TracebackType

from aqaa_eval.core.errors import UsageError
from aqaa_eval.serving.guard import Rules
from aqaa_eval.serving.rating.app import make_app
from aqaa_eval.serving.rating.session import Session
from aqaa_eval.serving.server import MIN_TOKEN_CHARACTERS, TOKEN_ENV, is_loopback


class RatingServer:
    """One session behind an address; on loopback only, unless there is a token."""

    def __init__(
        self, session: Session, *, host: str = "127.0.0.1", port: int = 8011, token: str | None = None
    ) -> None:
        """Take the address at once.

        Raises:
            UsageError: it is in use, other machines would get in without a token, or packages are missing.
        """
        if token is None and not is_loopback(host):
            raise UsageError(f"--host {host} lets other machines in, which needs a token: set {TOKEN_ENV}")
        if token is not None and len(token) < MIN_TOKEN_CHARACTERS:
            raise UsageError(f"{TOKEN_ENV} has {len(token)} characters; it needs {MIN_TOKEN_CHARACTERS} or more")
        try:
            import uvicorn
        except ImportError as error:
            raise UsageError(f"rating needs {error.name}: pip install 'aqaa-eval[serve]'") from error
        try:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            self._socket = socket.create_server((host, port), family=family)
        except OSError as error:
            raise UsageError(f"cannot listen on {host}:{port} ({error.strerror}); choose another --port") from error
        app = make_app(session, Rules(names=(host,), token=token))
        config = uvicorn.Config(
            app,
            log_level="error",
            access_log=False,
            lifespan="off",
            ws="none",
            server_header=False,
            proxy_headers=False,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._serve, name="rating", daemon=True)

    @property
    def url(self) -> str:
        """Such as "http://127.0.0.1:8011"."""
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

    def __enter__(self) -> RatingServer:
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
        self._thread.join(timeout=10.0)
        self._socket.close()
