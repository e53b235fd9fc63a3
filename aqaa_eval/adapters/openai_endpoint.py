"""One server that speaks OpenAI's API: its key, limits on time and size, retries, and how many may ask at once.

Every attempt runs in a thread of its own, so that the limits hold whatever a client library waits for: a name that is
not resolved, a head that trickles in, a stream without an end. What may be asked at once is counted per server, not per
model: two models under one address share it.
"""

from __future__ import annotations

import json
import os
import queue
import random
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from aqaa_eval.adapters.options import option
from aqaa_eval.core.errors import ModelError, ModelTimeout, UsageError
from aqaa_eval.core.retry_after import retry_after_s

if TYPE_CHECKING:
    from aqaa_eval.core.runspec import OptionValue

T = TypeVar("T")

OPENAI_URL = "https://api.openai.com/v1"
FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 30.0
BUSY = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
_LONG_RUN = re.compile(r"[A-Za-z0-9+/=_-]{60,}")

SETTINGS = {
    "base_url": f"address of the server, up to and with /v1 (--base-url; {OPENAI_URL})",
    "api_key_env": "environment variable that holds the key (OPENAI_API_KEY); a server without keys needs none",
    "timeout_s": "seconds that one answer may take with all its retries (180)",
    "attempt_timeout_s": "seconds that one attempt may take (90)",
    "retries": "further attempts after a busy or broken server (4)",
    "concurrency": "questions that the server may be asked at once (1)",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointSettings:
    """How a server is asked; see `SETTINGS`."""

    base_url: str = OPENAI_URL
    api_key_env: str = "OPENAI_API_KEY"
    timeout_s: float = 180.0
    attempt_timeout_s: float = 90.0
    retries: int = 4
    concurrency: int = 1
    max_bytes: int = 128 * 2**20

    def __post_init__(self) -> None:
        refuse_bad_url(self.base_url)
        for name in ("timeout_s", "attempt_timeout_s", "concurrency"):
            if getattr(self, name) <= 0:
                raise UsageError(f"{name} must be above 0, got {getattr(self, name)}")
        if self.retries < 0:
            raise UsageError(f"retries must be 0 or more, got {self.retries}")


def read_endpoint(options: Mapping[str, OptionValue]) -> EndpointSettings:
    """The server's settings among those that were given.

    Raises:
        UsageError: one cannot be used.
    """
    default = EndpointSettings()
    return EndpointSettings(
        base_url=option(options, "base_url", default.base_url).rstrip("/"),
        api_key_env=option(options, "api_key_env", default.api_key_env),
        timeout_s=option(options, "timeout_s", default.timeout_s),
        attempt_timeout_s=option(options, "attempt_timeout_s", default.attempt_timeout_s),
        retries=option(options, "retries", default.retries),
        concurrency=option(options, "concurrency", default.concurrency),
    )


def refuse_bad_url(url: str) -> None:
    """Refuse an address that is none, or that carries a secret: addresses stand in manifests and reports.

    >>> refuse_bad_url("http://localhost:8000/v1")
    >>> refuse_bad_url("localhost:8000")
    Traceback (most recent call last):
    ...
    aqaa_eval.core.errors.UsageError: the server's address must start with http:// or https:// and name a host
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        parts, host = urlsplit(""), None
    if parts.scheme not in ("http", "https") or not host:
        raise UsageError("the server's address must start with http:// or https:// and name a host")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise UsageError(
            f"the address of {host} holds a user, a password or a query; give the key by the environment (api_key_env)"
        )


class Retryable(Exception):
    """The server is busy or broke off; asking again may help.

    Attributes:
        wait_s: how long it asked us to wait; None if it did not say.
        is_down: nothing listens there.
        is_late: it did not answer in time.
    """

    def __init__(
        self, message: str, *, wait_s: float | None = None, is_down: bool = False, is_late: bool = False
    ) -> None:
        super().__init__(message)
        self.wait_s = wait_s
        self.is_down = is_down
        self.is_late = is_late


class Meter:
    """What one attempt may still use: time, and bytes of the reply."""

    def __init__(self, *, limit_s: float, max_bytes: int) -> None:
        self._until_s = time.monotonic() + limit_s
        self._limit_s = limit_s
        self._max_bytes = max_bytes
        self._n_bytes = 0

    @property
    def left_s(self) -> float:
        """Seconds that are left; never below a hundredth, which is a time-out on its own."""
        return max(0.01, self._until_s - time.monotonic())

    def spend(self, n_bytes: int) -> None:
        """Count what came in.

        Raises:
            ModelError: the reply is larger than any answer.
            ModelTimeout: the time is up, though bytes still come.
        """
        self._n_bytes += n_bytes
        if self._n_bytes > self._max_bytes:
            raise ModelError(f"the reply is larger than {self._max_bytes / 2**20:.0f} MiB and was broken off")
        if time.monotonic() > self._until_s:
            raise self.too_late()

    @property
    def has_begun(self) -> bool:
        """Whether any of the reply came in."""
        return self._n_bytes > 0

    def too_late(self) -> ModelTimeout:
        """What is said of a reply that began and did not end."""
        return ModelTimeout(f"the answer did not end within {self._limit_s:.3g} s and was broken off")


class _Gate:
    """Lets so many in at once; it can be widened, never narrowed."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._width = 0
        self._n_inside = 0

    def widen(self, width: int) -> None:
        with self._changed:
            self._width = max(self._width, width)
            self._changed.notify_all()

    @contextmanager
    def inside(self) -> Iterator[None]:
        with self._changed:
            self._changed.wait_for(lambda: self._n_inside < self._width)
            self._n_inside += 1
        try:
            yield
        finally:
            with self._changed:
                self._n_inside -= 1
                self._changed.notify()


_GATES: dict[str, _Gate] = {}
_GATES_LOCK = threading.Lock()


class Endpoint:
    """Asks one server, again where that may help, and never longer than it is told."""

    def __init__(self, settings: EndpointSettings) -> None:
        self.settings = settings
        self._is_down = False
        parts = urlsplit(settings.base_url)
        with _GATES_LOCK:
            self._gate = _GATES.setdefault(f"{parts.scheme}://{parts.netloc}", _Gate())
        self._gate.widen(settings.concurrency)

    @property
    def api_key(self) -> str:
        """The key; for a server of one's own that wants none, a word that says so.

        Raises:
            UsageError: OpenAI wants a key and there is none.
        """
        key = os.environ.get(self.settings.api_key_env, "")
        if not key and self.settings.base_url == OPENAI_URL:
            raise UsageError(
                f"openai: no key in {self.settings.api_key_env}; set it, or name another server by --base-url"
            )
        return key or "none"

    def ask(self, attempt: Callable[[Meter], T]) -> T:
        """Run the attempt, and run it again after a busy or broken server.

        Args:
            attempt: one exchange; raises `Retryable` where asking again may help.

        Raises:
            ModelTimeout: the time of one answer is used up.
            ModelError: the server refuses, or is still broken after all attempts.
        """
        with self._gate.inside():
            until_s = time.monotonic() + self.settings.timeout_s
            # A server that was down a question ago is tried once: a dead one must not cost its retries each time.
            n_attempts = 1 if self._is_down else 1 + self.settings.retries
            for number in range(1, n_attempts + 1):
                try:
                    return self._once(attempt, left_s=until_s - time.monotonic())
                except Retryable as error:
                    self._is_down = error.is_down
                    problem, wait_s = self.scrub(str(error)), _wait_s(number, error.wait_s)
                    kind = ModelTimeout if error.is_late else ModelError
                if number == n_attempts or time.monotonic() + wait_s >= until_s:
                    raise kind(f"{problem} (attempt {number} of {n_attempts}, the last)") from None
                time.sleep(wait_s)
        raise AssertionError("the last attempt returns or raises")

    def _once(self, attempt: Callable[[Meter], T], *, left_s: float) -> T:
        limit_s = min(self.settings.attempt_timeout_s, left_s)
        meter = Meter(limit_s=limit_s, max_bytes=self.settings.max_bytes)
        # A second more than the attempt's own limit, which words it better.
        try:
            found = within(limit_s + 1.0, lambda: attempt(meter))
        except (ModelError, ModelTimeout) as error:
            self._is_down = False
            raise type(error)(self.scrub(str(error))) from None
        self._is_down = False
        return found

    def scrub(self, text: str) -> str:
        """A server's words, short, and without the key or a payload that it may have quoted."""
        key = os.environ.get(self.settings.api_key_env, "")
        if key:
            text = text.replace(key, "[key]")
        return " ".join(_LONG_RUN.sub("[...]", text).split())[:400]


def within(limit_s: float, work: Callable[[], T]) -> T:
    """Do the work in a thread, and leave it alone when the time is up.

    Raises:
        ModelTimeout: it took longer.
        BaseException: what the work raised.

    >>> within(1.0, lambda: 6 * 7)
    42
    """
    box: queue.SimpleQueue[tuple[T | None, BaseException | None]] = queue.SimpleQueue()

    def run() -> None:
        try:
            box.put((work(), None))
        except BaseException as error:
            box.put((None, error))

    threading.Thread(target=run, name="answer", daemon=True).start()
    try:
        found, error = box.get(timeout=limit_s)
    except queue.Empty:
        raise ModelTimeout(f"no answer within {limit_s:.3g} s") from None
    if error is not None:
        raise error
    return found  # type: ignore[return-value]  # it is what `work` gave


def _wait_s(number: int, asked_s: float | None) -> float:
    """Twice as long after each attempt, and never all at the same moment."""
    if asked_s is not None:
        return asked_s + random.uniform(0.0, 0.25)
    longest_s: float = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2 ** (number - 1))
    return longest_s * random.uniform(0.5, 1.0)


def reported(error: object) -> Exception:
    """An error that a server tells within a reply or a stream, as `Retryable` or as a `ModelError`.

    >>> type(reported({"message": "busy", "type": "server_error"})).__name__, str(reported("no GPU"))
    ('Retryable', 'the server reports an error: no GPU')
    """
    told = error if isinstance(error, Mapping) else {"message": error}
    code, kind = told.get("code"), told.get("type")
    message = f"the server reports an error: {told.get('message') or code or kind or 'without a word on it'}"
    may_pass = kind in ("server_error", "overloaded_error") or code == "rate_limit_exceeded"
    return Retryable(message) if may_pass or (isinstance(code, int) and code in BUSY) else ModelError(message)


@contextmanager
def told_as_ours() -> Iterator[None]:
    """Turn what the client library raises into `Retryable`, `ModelError` or `ModelTimeout`."""
    import httpx2
    import openai

    try:
        yield
    except (openai.APITimeoutError, httpx2.TimeoutException) as error:
        raise Retryable("the server did not answer in time", is_late=True) from error
    except (openai.APIConnectionError, httpx2.TransportError) as error:
        cause = error.__cause__ if isinstance(error, openai.APIConnectionError) else error
        is_down = isinstance(cause, httpx2.ConnectError)
        what = "cannot be reached" if is_down else "broke off the connection"
        raise Retryable(f"the server {what}: {cause or error}", is_down=is_down) from error
    except openai.APIStatusError as error:
        raise _refusal(error) from error
    except openai.APIError as error:
        raise ModelError(f"the server's reply cannot be read: {error.message}") from error


def refusal(status: int, headers: Mapping[str, str], body: bytes) -> Exception:
    """What a reply with a status of 400 or more means, in the words of the client library.

    >>> str(refusal(404, {}, b'{"error": {"message": "no such model", "code": "gone"}}'))
    'the server answers 404 gone: Error code: 404 - no such model'
    """
    try:
        told = json.loads(body)
    except ValueError:
        told = None
    error = told.get("error", told) if isinstance(told, Mapping) else None
    error = error if isinstance(error, Mapping) else {}
    message = error.get("message")
    said = f" - {message}" if isinstance(message, str) and message else ""
    return _refused(status, headers, str(error.get("code") or error.get("type") or ""), f"Error code: {status}{said}")


def _refusal(error: Any) -> Exception:
    return _refused(error.status_code, error.response.headers, error.code or error.type or "", error.message)


def _refused(status: int, headers: Mapping[str, str], code: str, told: str) -> Exception:
    message = f"the server answers {status}{f' {code}' if code else ''}: {told}"
    may_retry = headers.get("x-should-retry") != "false"
    if status in BUSY and code != "insufficient_quota" and may_retry:
        return Retryable(message, wait_s=retry_after_s(headers))
    return ModelError(message)
