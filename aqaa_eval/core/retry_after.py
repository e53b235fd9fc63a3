"""What a busy server asks for, for all that talk to one."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait, by `retry-after-ms`, or by `retry-after` in seconds or as a date; None if nothing sensible.

    Args:
        headers: looked up in lower case.

    >>> retry_after_s({"retry-after": "2.5"}), retry_after_s({"retry-after-ms": "250"})
    (2.5, 0.25)
    >>> retry_after_s({"retry-after": "soon"}), retry_after_s({"retry-after": "inf"}), retry_after_s({})
    (None, None, None)
    """
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return max(0.0, milliseconds / 1000)
    value = headers.get("retry-after")
    seconds = _number(value)
    if seconds is not None:
        return max(0.0, seconds)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time()) if value else None
    except ValueError:
        return None


def _number(value: str | None) -> float | None:
    try:
        number = float(value or "")
    except ValueError:
        return None
    return number if math.isfinite(number) else None
