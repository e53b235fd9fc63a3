"""What every request has to pass before the app sees it: the host that it names, where it comes from, the token.

A page on the internet can make a browser send requests to 127.0.0.1. The Host header betrays a name that was rebound to
this machine, the Origin header a page of another site.
"""

from __future__ import annotations

import hmac
import ipaddress
import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from aqaa_eval.serving.errors import ApiError

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

PROTECTED = "/v1"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; media-src blob:; "
    "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = (
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"microphone=(self), camera=(), geolocation=()"),
    (b"cache-control", b"no-store"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Whom the server talks to.

    Attributes:
        names: host names under which it may be called; IP addresses and localhost always may.
        token: what `Authorization: Bearer` must carry; None if none is needed.
    """

    names: Collection[str] = ()
    token: str | None = None

    def refusal(self, *, path: str, headers: dict[str, str]) -> ApiError | None:
        """Why a request is turned away; None if it is not."""
        host = headers.get("host", "")
        if not self._is_known(host):
            return _forbidden(f"the host {_short(host)} is not served here; start the server with --allow-host NAME")
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin).netloc != host:
            return _forbidden(f"requests from pages of {_short(origin)} are refused")
        if self.token is not None and (path == PROTECTED or path.startswith(f"{PROTECTED}/")):
            given = headers.get("authorization", "")
            if not hmac.compare_digest(given.encode(), f"Bearer {self.token}".encode()):
                return ApiError(
                    status=401,
                    message="this server wants its token as an API key (Authorization: Bearer)",
                    kind="authentication_error",
                    code="invalid_api_key",
                    headers={"www-authenticate": "Bearer"},
                )
        return None

    def _is_known(self, host: str) -> bool:
        if "@" in host:  # no browser sends one; what stands before it is no host
            return False
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        if name == "localhost" or name in self.names:
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True


def _forbidden(message: str) -> ApiError:
    return ApiError(status=403, message=message, kind="permission_error", code="forbidden")


def _short(text: str) -> str:
    return repr(text[:100])


class Guard:
    """Middleware that turns away what the rules refuse, and adds the headers that every reply carries."""

    def __init__(self, app: ASGIApp, rules: Rules) -> None:
        self._app = app
        self._rules = rules

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it here."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: object) -> None:
            assert isinstance(message, dict)
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], *_HEADERS]}
            await send(message)

        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        refusal = self._rules.refusal(path=scope["path"], headers=headers)
        if refusal is None:
            await self._app(scope, receive, send_with_headers)
            return
        body = json.dumps(refusal.body).encode()
        head = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        head += [(name.encode(), value.encode()) for name, value in refusal.headers.items()]
        await send_with_headers({"type": "http.response.start", "status": refusal.status, "headers": head})
        await send({"type": "http.response.body", "body": body})
