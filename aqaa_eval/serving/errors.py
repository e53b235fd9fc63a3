"""Errors in the shape of OpenAI's API."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(kw_only=True, eq=False)  # not frozen: Python sets the traceback on it
class ApiError(Exception):
    """What a client is told instead of an answer.

    Attributes:
        status: HTTP status.
        message: value, rule and way out.
        kind: OpenAI's `type`, such as "invalid_request_error".
        param: the field that is wrong.
        code: a word for programs.
        headers: such as Retry-After.
    """

    status: int
    message: str
    kind: str = "invalid_request_error"
    param: str | None = None
    code: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def body(self) -> dict[str, Any]:
        """The JSON body."""
        return {"error": {"message": self.message, "type": self.kind, "param": self.param, "code": self.code}}


def bad_request(message: str, *, param: str | None = None, code: str | None = None) -> ApiError:
    """The request cannot be understood: asking again the same way is of no use."""
    return ApiError(status=400, message=message, param=param, code=code)
