"""Stages as threads that overlap: while one job is judged, the next is transcribed and a third is generated.

A stage that waits for servers gets several threads; its jobs may then finish in another order.

Queues between the stages are bounded, so a slow stage holds the fast ones back and memory stays flat. The caller's
thread feeds jobs and takes every stage's outcome, in one place: the store has one writer.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Generic, TypeVar

JobT = TypeVar("JobT")
DEPTH = 4
"""Jobs that may wait before each stage."""
PATIENCE_S = 0.01
"""How long an outcome waits for others to be committed with it: a commit costs more than a fast job."""


class LocalExecutor(Generic[JobT]):
    """A thread per stage, or several, and bounded queues between them."""

    def __init__(self, *, depth: int = DEPTH) -> None:
        self._depth = depth

    def run(
        self,
        jobs: Iterable[JobT],
        stages: Sequence[Callable[[JobT], JobT]],
        *,
        done: Callable[[Sequence[tuple[int, JobT]]], None],
        stopping: Callable[[], bool] = lambda: False,
        widths: Sequence[int] | None = None,
    ) -> None:
        """Put every job through the stages in order.

        Args:
            jobs: taken one by one as there is room.
            stages: functions that never raise for a bad job (an exception here ends the run).
            done: called in this thread with all (stage number, job) outcomes since the last call.
            stopping: once it says yes no further job is taken; those in flight are finished.
            widths: threads per stage, for stages that wait for others; None for one each.

        Raises:
            BaseException: what a stage or `done` raised.
        """
        widths = widths or [1] * len(stages)
        inboxes: list[queue.Queue[JobT | None]] = [queue.Queue(max(self._depth, width)) for width in widths]
        outcomes: queue.SimpleQueue[tuple[int, JobT] | BaseException] = queue.SimpleQueue()
        stop = threading.Event()
        for number, (stage, width) in enumerate(zip(stages, widths, strict=True)):
            for _ in range(width):
                threading.Thread(target=_work, args=(number, stage, inboxes, outcomes, stop), daemon=True).start()
        source, last, n_running, feeding = iter(jobs), len(stages) - 1, 0, True
        try:
            while feeding or n_running:
                while feeding and not inboxes[0].full():
                    job = None if stopping() else next(source, None)
                    if job is None:
                        feeding = False
                    else:
                        inboxes[0].put(job)
                        n_running += 1
                if n_running:
                    batch = _drain(outcomes)
                    done(batch)
                    n_running -= sum(number == last for number, _ in batch)
        finally:
            stop.set()
            for inbox in inboxes:
                _offer_end(inbox)


def _work(
    number: int,
    stage: Callable[[JobT], JobT],
    inboxes: Sequence[queue.Queue[JobT | None]],
    outcomes: queue.SimpleQueue[tuple[int, JobT] | BaseException],
    stop: threading.Event,
) -> None:
    while not stop.is_set():
        job = inboxes[number].get()
        if job is None:
            _offer_end(inboxes[number])  # for the next thread of this stage
            return
        try:
            job = stage(job)
        except BaseException as error:
            outcomes.put(error)
            return
        outcomes.put((number, job))
        if number + 1 < len(inboxes):
            inboxes[number + 1].put(job)


def _drain(outcomes: queue.SimpleQueue[tuple[int, JobT] | BaseException]) -> list[tuple[int, JobT]]:
    """Wait for one outcome, then a moment for others: one commit for many."""
    batch: list[tuple[int, JobT]] = []
    item = outcomes.get()
    until_s = time.monotonic() + PATIENCE_S
    while True:
        if isinstance(item, BaseException):
            raise item
        batch.append(item)
        try:
            item = outcomes.get(timeout=max(0.0, until_s - time.monotonic()))
        except queue.Empty:
            return batch


def _offer_end(inbox: queue.Queue[JobT | None]) -> None:
    try:
        inbox.put_nowait(None)
    except queue.Full:
        return
