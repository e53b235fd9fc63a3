"""A model behind an address."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import TracebackType

from aqaa_eval.core.errors import UsageError
from aqaa_eval.core.protocols import SpeechModel
from aqaa_eval.serving.app import AppSettings, make_app
from aqaa_eval.serving.guard import Rules
from aqaa_eval.serving.listener import Listener, check_access, take_address
from aqaa_eval.serving.worker import ModelWorker


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
        check_access(self.host, self.token)
        if not 0 <= self.port < 65_536:
            raise UsageError(f"--port {self.port} must be between 0 and 65535")
        if self.n_waiting < 1 or self.limit_s <= 0:
            raise UsageError("the line must have room for at least 1 question, and the time limit must be above 0")


class LocalServer:
    """A model as a server, in a thread, while it is entered."""

    def __init__(self, model: SpeechModel, settings: ServerSettings) -> None:
        """Take the address at once.

        Raises:
            UsageError: the address is in use or not this machine's, or the packages are missing.
        """
        try:
            import starlette  # noqa: F401
            import uvicorn  # noqa: F401
        except ImportError as error:
            raise UsageError(f"serving needs {error.name}: pip install 'aqaa-eval[serve]'") from error
        self.settings = settings
        self._worker = ModelWorker(model, n_waiting=settings.n_waiting, limit_s=settings.limit_s)
        taken = take_address(settings.host, settings.port)
        rules = Rules(names=(settings.host, *settings.allow_hosts), token=settings.token)
        app = make_app(
            self._worker,
            AppSettings(
                name=settings.name, identity=model.identity, rules=rules, max_body_bytes=settings.max_body_bytes
            ),
        )
        self._listener = Listener(app, taken, name="server", graceful_s=2)

    @property
    def url(self) -> str:
        """Such as "http://127.0.0.1:8010"."""
        return self._listener.url

    def run(self) -> None:
        """Serve until interrupted."""
        with self._worker:
            self._listener.run()

    def __enter__(self) -> LocalServer:
        self._worker.__enter__()
        self._listener.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.stop()
        self._worker.__exit__(kind, error, trace)
        self._listener.__exit__(kind, error, trace)
