"""Stages as threads that overlap: while one job is judged, the next is transcribed and a third is generated.

A stage that waits for servers gets several threads; its jobs may then finish in another order. A stage that likes
batches is given what waits for it, up to its batch. The caller's thread feeds jobs and takes every stage's outcome, in
one place: the store has one writer.

Memory is bounded in bytes: queues between the stages are short, and no job begins for whose sound there is no room.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from aqaa_eval.core.protocols import Stage
from aqaa_eval.engine.executors.channel import Channel, Room

JobT = TypeVar("JobT")
DEPTH = 128
"""Jobs that may wait before each stage, and outcomes that are enough for a commit."""
ROOM_BYTES = 256 * 2**20
"""Sound that jobs in flight may hold."""
PATIENCE_S = 0.005
"""How long an outcome waits for others to be committed with it: a commit costs more than a fast job."""
TAKEN_AT_ONCE = 64
FLUSH_S = 0.02
"""Outcomes of a fast stage are handed on together, but not later than this."""
SLOW_S = 0.002
"""A job that took this long is handed on at once: what a kill repeats of it costs more than a commit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Item(Generic[JobT]):
    job: JobT
    n_bytes: int = 0


@dataclass(frozen=True, kw_only=True)  # slots would break `LocalExecutor[Job](...)` on Python 3.11
class LocalExecutor(Generic[JobT]):
    """A thread per stage, or several, and bounded queues between them.

    Attributes:
        depth: jobs that may wait before each stage.
        room_bytes: what jobs in flight may hold.
    """

    depth: int = DEPTH
    room_bytes: int = ROOM_BYTES

    def run(
        self,
        jobs: Iterable[JobT],
        stages: Sequence[Stage[JobT]],
        *,
        done: Callable[[Sequence[tuple[int, JobT]]], None],
        stopping: Callable[[], bool] = lambda: False,
        size_of: Callable[[JobT], int] = lambda _job: 0,
    ) -> None:
        """Put every job through the stages in order.

        Args:
            jobs: taken one by one as there is room.
            stages: an exception in one of them ends the run.
            done: called in this thread with all (stage number, job) outcomes since the last call.
            stopping: once it says yes no further job begins; those that have begun are finished.
            size_of: bytes that a job holds after the first stage.

        Raises:
            BaseException: what a stage or `done` raised.
        """
        flow = _Flow(self, stages, stopping, size_of)
        source, last, n_running, feeding = iter(jobs), len(stages) - 1, 0, True
        try:
            while feeding or n_running:
                while feeding and flow.inboxes[0].n_free > 0:
                    job = None if stopping() else next(source, None)
                    if job is None:
                        feeding = False
                    else:
                        flow.inboxes[0].put([_Item(job=job)])
                        n_running += 1
                if n_running:
                    batch, n_dropped = _drain(flow.outcomes, enough=self.depth)
                    done([(number, item.job) for number, item in batch])
                    n_running -= n_dropped
                    for number, item in batch:
                        if number == last:
                            n_running -= 1
                            flow.room.release(item.n_bytes)
        finally:
            flow.close()


_Outcomes = tuple[int, Sequence[_Item[JobT]]]
_DROPPED = -1
"""Stage number of jobs that were not begun, because the run is stopping."""


class _Flow(Generic[JobT]):
    """The threads of one run, and what lies between them."""

    def __init__(
        self,
        executor: LocalExecutor[JobT],
        stages: Sequence[Stage[JobT]],
        stopping: Callable[[], bool],
        size_of: Callable[[JobT], int],
    ) -> None:
        self.inboxes: list[Channel[_Item[JobT]]] = [
            Channel(max(executor.depth, stage.width * stage.batch)) for stage in stages
        ]
        self.outcomes: queue.SimpleQueue[_Outcomes[JobT] | BaseException] = queue.SimpleQueue()
        self.room = Room(executor.room_bytes)
        self._stages, self._stopping, self._size_of = stages, stopping, size_of
        for number, stage in enumerate(stages):
            for _ in range(stage.width):
                threading.Thread(target=self._work, args=(number, stage), name=stage.name, daemon=True).start()

    def close(self) -> None:
        """End the threads; one that is in the middle of a job ends after it."""
        self.room.close()
        for inbox in self.inboxes:
            inbox.close()

    def _work(self, number: int, stage: Stage[JobT]) -> None:
        # Alone and without batches, a stage takes what waits in one go: waking a thread costs more than a fast job.
        most = stage.batch if stage.width > 1 or stage.batch > 1 else TAKEN_AT_ONCE
        try:
            while items := self.inboxes[number].take(most):
                self._pass(number, stage, items)
        except BaseException as error:
            self.outcomes.put(error)

    def _pass(self, number: int, stage: Stage[JobT], items: list[_Item[JobT]]) -> None:
        made: list[_Item[JobT]] = []
        began_s = time.monotonic()
        while items:
            if number == 0 and self._stopping():
                self.outcomes.put((_DROPPED, items))
                break
            part = items[: stage.batch]
            if number == 0 and not self.room.is_free_for(len(part)):
                self._hand_on(number, made)  # room comes only from jobs that go on
                made = []
            del items[: stage.batch]  # what it holds is let go as soon as it is replaced
            part_s = time.monotonic()
            made += self._begun(stage, part) if number == 0 else _applied(stage, part)
            now_s = time.monotonic()
            if now_s - part_s > SLOW_S or now_s - began_s > FLUSH_S:
                self._hand_on(number, made)
                made, began_s = [], now_s
        self._hand_on(number, made)

    def _begun(self, stage: Stage[JobT], part: list[_Item[JobT]]) -> list[_Item[JobT]]:
        reserved = self.room.reserve(len(part))
        made = [replace(item, n_bytes=self._size_of(item.job)) for item in _applied(stage, part)]
        self.room.settle(reserved, [item.n_bytes for item in made])
        return made

    def _hand_on(self, number: int, made: list[_Item[JobT]]) -> None:
        if not made:
            return
        self.outcomes.put((number, made))
        if number + 1 < len(self.inboxes):
            self.inboxes[number + 1].put(made)


def _applied(stage: Stage[JobT], part: Sequence[_Item[JobT]]) -> list[_Item[JobT]]:
    made = stage.work([item.job for item in part])
    return [_Item(job=job, n_bytes=item.n_bytes) for job, item in zip(made, part, strict=True)]


def _drain(
    outcomes: queue.SimpleQueue[_Outcomes[JobT] | BaseException], *, enough: int
) -> tuple[list[tuple[int, _Item[JobT]]], int]:
    """Wait for one outcome, then a moment for others: one commit for many. Also the number of jobs not begun."""
    batch: list[tuple[int, _Item[JobT]]] = []
    n_dropped = 0
    found = outcomes.get()
    until_s = time.monotonic() + PATIENCE_S
    while True:
        if isinstance(found, BaseException):
            raise found
        number, items = found
        if number == _DROPPED:
            n_dropped += len(items)
        else:
            batch += [(number, item) for item in items]
        try:
            found = outcomes.get(timeout=max(0.0, until_s - time.monotonic()) if len(batch) < enough else 0.0)
        except queue.Empty:
            return batch, n_dropped
