"""The one thread that owns the model, and the short line of questions before it.

Models are built to be asked by one thread. The event loop never waits for them: it stays free to list models, to refuse
what the line has no room for, and to see that a client has left.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from types import TracebackType

from aqaa_eval.core.attempt import Query, Response
from aqaa_eval.core.errors import ModelTimeout
from aqaa_eval.core.protocols import SpeechModel

HasLeft = Callable[[], Awaitable[bool]]
"""Says whether the client has hung up."""


class LineFull(Exception):
    """More questions wait than the server lets wait."""


@dataclass(slots=True, kw_only=True)
class _Job:
    query: Query
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Response]
    is_left: threading.Event = field(default_factory=threading.Event)


class ModelWorker:
    """Answers questions one after the other, in a thread of its own."""

    def __init__(self, model: SpeechModel, *, n_waiting: int = 8, limit_s: float = 300.0) -> None:
        """Make it; entering it starts the thread.

        Args:
            model: asked by this thread only.
            n_waiting: questions that may wait while one is answered.
            limit_s: longest time from a question's arrival to its answer.
        """
        self._model = model
        self._limit_s = limit_s
        self._line: queue.Queue[_Job | None] = queue.Queue(n_waiting)
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._work, name="model", daemon=True)

    def __enter__(self) -> ModelWorker:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        with contextlib.suppress(queue.Full):
            self._line.put_nowait(None)
        self._thread.join(timeout=2.0)  # a model cannot be interrupted; the thread ends with the process

    async def answer(self, query: Query, *, has_left: HasLeft) -> Response | None:
        """The model's answer; None if the client left before it came.

        Args:
            query: the conversation.
            has_left: asked now and then whether the client has hung up.

        Raises:
            LineFull: no room in the line.
            ModelTimeout: no answer within the limit.
            Exception: what the model raised.
        """
        loop = asyncio.get_running_loop()
        job = _Job(query=query, loop=loop, future=loop.create_future())
        try:
            self._line.put_nowait(job)
        except queue.Full:
            raise LineFull from None
        until_s = loop.time() + self._limit_s
        try:
            while loop.time() < until_s:
                left_s = until_s - loop.time()
                done, _ = await asyncio.wait({job.future}, timeout=min(0.5, left_s))
                if done:
                    return job.future.result()
                if await has_left():
                    return None
        finally:
            job.is_left.set()
        raise ModelTimeout(f"the model did not answer within {self._limit_s:g} s")

    def _work(self) -> None:
        while not self._closing.is_set():
            job = self._line.get()
            if job is None:
                return
            if job.is_left.is_set():
                continue
            try:
                result: Response | Exception = self._model.answer(job.query)
            except Exception as error:  # whatever a model raises is one failed answer, told to its client
                result = error
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                job.loop.call_soon_threadsafe(_settle, job.future, result)


def _settle(future: asyncio.Future[Response], result: Response | Exception) -> None:
    if future.done():
        return
    if isinstance(result, Exception):
        future.set_exception(result)
        future.exception()  # marks it as seen, for a client that has left
    else:
        future.set_result(result)
