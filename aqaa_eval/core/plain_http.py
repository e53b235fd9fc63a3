"""Chat requests to a plain-HTTP server as bytes: what the models' and the judges' own connections have in common.

The `openai` client takes 1.3 ms of CPU for a request; with 32 under way on a server that answers in 50 ms that is more
than a core can do. TLS, proxies and redirects are left to it: what is behind them is slow enough.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import h11

CHAT_PATH = "/chat/completions"
READ_BYTES = 1 << 16


def is_plain(base_url: str) -> bool:
    """Whether the address is plain HTTP and reached without a proxy.

    >>> is_plain("https://api.example.com/v1")
    False
    """
    url = urlsplit(base_url)
    proxies = getproxies()
    has_proxy = ("http" in proxies or "all" in proxies) and not proxy_bypass(url.hostname or "")
    return url.scheme == "http" and not has_proxy


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatAddress:
    """Where chat requests go.

    Attributes:
        host: name or number, of IPv6 without brackets.
        port: 80 if the address names none.
        target: path of the request.
        headers: of every request, the key among them.
    """

    host: str
    port: int
    target: bytes
    headers: tuple[tuple[bytes, bytes], ...]

    @classmethod
    def of(cls, base_url: str, *, key: str) -> ChatAddress:
        """The chat route below a base address.

        >>> ChatAddress.of("http://[::1]:8000/v1/", key="k").headers[0]
        (b'host', b'[::1]:8000')
        """
        url = urlsplit(base_url)
        host, port = url.hostname or "", url.port or 80
        shown = f"[{host}]" if ":" in host else host
        headers = (
            (b"host", f"{shown}:{port}".encode()),
            (b"authorization", f"Bearer {key}".encode()),
            (b"content-type", b"application/json"),
            (b"accept-encoding", b"identity"),
        )
        return cls(host=host, port=port, target=(url.path.rstrip("/") + CHAT_PATH).encode(), headers=headers)

    def request(self, body: Mapping[str, Any]) -> tuple[h11.Request, bytes]:
        """Head and body of one request."""
        data = json.dumps(body, ensure_ascii=False).encode("utf-8", "surrogatepass")
        headers = [*self.headers, (b"content-length", b"%d" % len(data))]
        return h11.Request(method="POST", target=self.target, headers=headers), data


def as_bytes(http: h11.Connection, head: h11.Request, data: bytes) -> bytes:
    """A whole request as it goes over the connection."""
    parts = (http.send(head), http.send(h11.Data(data=data)), http.send(h11.EndOfMessage()))
    return b"".join(part or b"" for part in parts)


def headers_of(response: h11.Response) -> dict[str, str]:
    """Headers of a reply, names in lower case."""
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in response.headers}
