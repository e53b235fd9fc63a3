"""When to try again: after a pause that grows and is drawn at random, or as long as the server asks."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How patient a judge is with its server.

    Attributes:
        n_attempts: tries for one reply, the first included.
        first_pause_s: longest pause after the first try; it doubles from try to try.
        longest_pause_s: no pause drawn is longer. A longer one that the server asks for is kept.
        timeout_s: for one try; None for no limit.
        item_timeout_s: for all tries for one verdict together, pauses included; None for no limit.
    """

    n_attempts: int = 6
    first_pause_s: float = 1.0
    longest_pause_s: float = 60.0
    timeout_s: float | None = 60.0
    item_timeout_s: float | None = 600.0

    def without_limits(self) -> RetryPolicy:
        """For what runs in this process: it cannot be cut off, and breaks the same way every time."""
        return replace(self, n_attempts=1, timeout_s=None, item_timeout_s=None)

    def pause_s(self, attempt: int, *, key: str, asked_s: float | None) -> float:
        """Seconds to wait after a failed try.

        Args:
            attempt: number of the failed try, from 0.
            key: what is asked for; with the number it decides the draw, so that a run can be repeated.
            asked_s: what the server asks for; the draw is added, so that not all come back at once.

        >>> policy = RetryPolicy(first_pause_s=1.0)
        >>> all(0.5 <= policy.pause_s(0, key=str(n), asked_s=None) <= 1.0 for n in range(100))
        True
        >>> 7.0 < policy.pause_s(0, key="a", asked_s=7.0) <= 8.0
        True
        """
        ceiling_s = min(self.first_pause_s * 2.0**attempt, self.longest_pause_s)
        draw = int.from_bytes(hashlib.sha256(f"{key}#{attempt}".encode()).digest()[:4], "big") / 2**32
        jittered_s = ceiling_s * (0.5 + 0.5 * draw)
        return jittered_s if asked_s is None else asked_s + jittered_s
