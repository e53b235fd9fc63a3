"""What the stages of the local executor hand jobs through: a bounded queue, and the room that sound may take."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from typing import Generic, TypeVar

T = TypeVar("T")
N_REMEMBERED = 64
"""Finished jobs whose size tells what the next ones may need: one long answer does not slow down the whole run."""


class Channel(Generic[T]):
    """A bounded queue that takes and gives several at once, and that ends for all who wait at it."""

    def __init__(self, depth: int) -> None:
        self._depth = depth
        self._items: deque[T] = deque()
        self._changed = threading.Condition(threading.Lock())
        self._is_closed = False

    @property
    def n_free(self) -> int:
        """Places left."""
        return self._depth - len(self._items)

    def put(self, items: Sequence[T]) -> None:
        """Add items as soon as there is a place; several may then stand beyond the depth. Dropped once it is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_closed or len(self._items) < self._depth)
            self._items.extend(items)
            self._changed.notify_all()

    def take(self, most: int) -> list[T]:
        """What waits, up to `most`, but at least one; nothing once it is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_closed or len(self._items) > 0)
            if self._is_closed:
                return []
            taken = [self._items.popleft() for _ in range(min(most, len(self._items)))]
            self._changed.notify_all()
            return taken

    def close(self) -> None:
        """Let go of what waits and of who waits."""
        with self._changed:
            self._is_closed = True
            self._items.clear()
            self._changed.notify_all()


class Room:
    """Bytes that jobs in flight may hold together.

    How much a job will hold is known when it has passed the first stage. Until then the largest of the last ones is set
    aside for it, so the bound is passed only by jobs that are larger than those before them, and by a single job that
    is larger than all the room: that one goes alone.
    """

    def __init__(self, n_bytes: int) -> None:
        self._n_bytes = n_bytes
        self._n_used = 0
        self._recent: deque[int] = deque(maxlen=N_REMEMBERED)
        self._changed = threading.Condition(threading.Lock())
        self._is_closed = False

    def is_free_for(self, n_jobs: int) -> bool:
        """Whether that many jobs may begin now."""
        with self._changed:
            return self._fits(self._expected(n_jobs))

    def reserve(self, n_jobs: int) -> int:
        """Wait until that many jobs may begin; returns the bytes that were set aside."""
        with self._changed:
            n_bytes = self._expected(n_jobs)
            self._changed.wait_for(lambda: self._is_closed or self._fits(n_bytes))
            self._n_used += n_bytes
            return n_bytes

    def _expected(self, n_jobs: int) -> int:
        return n_jobs * max(self._recent, default=0)

    def _fits(self, n_bytes: int) -> bool:
        return self._n_used == 0 or self._n_used + n_bytes <= self._n_bytes

    def settle(self, reserved: int, sizes: Sequence[int]) -> None:
        """Take what the jobs really hold instead of what was set aside for them."""
        with self._changed:
            self._recent.extend(sizes)
            self._n_used += sum(sizes) - reserved
            self._changed.notify_all()

    def release(self, n_bytes: int) -> None:
        """A job is gone."""
        with self._changed:
            self._n_used -= n_bytes
            self._changed.notify_all()

    def close(self) -> None:
        """Let go of who waits."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
