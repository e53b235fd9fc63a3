"""The one thread that owns the model, and the short line of questions before it.

Models are built to be asked by one thread. The event loop never waits for them: it stays free to list models, to refuse
what the line has no room for, and to see that a client has left.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from types import TracebackType

from aqaa_eval.core.attempt import Query, Response
from aqaa_eval.core.errors import ModelTimeout
from aqaa_eval.core.pieces import ResponsePiece
from aqaa_eval.core.protocols import SpeechModel, StreamingSpeechModel

HasLeft = Callable[[], Awaitable[bool]]
"""Says whether the client has hung up."""


class LineFull(Exception):
    """More questions wait than the server lets wait."""


class _End:
    """Comes after the last piece."""


_Outcome = Response | ResponsePiece | Exception | _End


@dataclass(slots=True, kw_only=True)
class _Job:
    """One question.

    Attributes:
        outcomes: what came of it and was not taken yet; touched by the loop's thread alone.
        news: set when there is any.
        is_left: nobody waits for it any more.
    """

    query: Query
    loop: asyncio.AbstractEventLoop
    streams: bool
    outcomes: deque[_Outcome] = field(default_factory=deque)
    news: asyncio.Event = field(default_factory=asyncio.Event)
    is_left: threading.Event = field(default_factory=threading.Event)

    def add(self, outcome: _Outcome) -> None:
        self.outcomes.append(outcome)
        self.news.set()

    async def wait(self, limit_s: float) -> bool:
        """Whether there is an outcome within so many seconds."""
        if not self.outcomes:
            self.news.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(limit_s):
                    await self.news.wait()
        return bool(self.outcomes)


class ModelWorker:
    """Answers questions one after the other, in a thread of its own."""

    def __init__(self, model: SpeechModel, *, n_waiting: int = 8, limit_s: float = 300.0) -> None:
        """Make it; entering it starts the thread.

        Args:
            model: asked by this thread only.
            n_waiting: questions that may wait while one is answered.
            limit_s: longest time from a question's arrival to the end of its answer.
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

    @property
    def can_stream(self) -> bool:
        """Whether the model gives its answers in pieces."""
        return isinstance(self._model, StreamingSpeechModel)

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
        async with contextlib.aclosing(self._outcomes(query, has_left, streams=False)) as outcomes:
            answer = await anext(outcomes, None)
        assert answer is None or isinstance(answer, Response)
        return answer

    async def stream(self, query: Query, *, has_left: HasLeft) -> AsyncGenerator[ResponsePiece, None]:
        """The answer of a model that can stream, piece by piece; it ends early if the client leaves.

        Args:
            query: as for `answer`.
            has_left: as for `answer`.

        Raises:
            Exception: as `answer`, at any piece.
        """
        async with contextlib.aclosing(self._outcomes(query, has_left, streams=True)) as outcomes:
            async for outcome in outcomes:
                assert isinstance(outcome, ResponsePiece)
                yield outcome

    async def _outcomes(self, query: Query, has_left: HasLeft, *, streams: bool) -> AsyncGenerator[_Outcome, None]:
        loop = asyncio.get_running_loop()
        job = _Job(query=query, loop=loop, streams=streams)
        try:
            self._line.put_nowait(job)
        except queue.Full:
            raise LineFull from None
        until_s = loop.time() + self._limit_s
        try:
            while (left_s := until_s - loop.time()) > 0:
                if await job.wait(min(0.5, left_s)):
                    outcome = job.outcomes.popleft()
                    if isinstance(outcome, Exception):
                        raise outcome
                    if isinstance(outcome, _End):
                        return
                    yield outcome
                elif await has_left():
                    return
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
            for outcome in self._asked(job):
                with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                    job.loop.call_soon_threadsafe(job.add, outcome)

    def _asked(self, job: _Job) -> Iterator[_Outcome]:
        try:
            if not job.streams:
                yield self._model.answer(job.query)
                return
            assert isinstance(self._model, StreamingSpeechModel)
            for piece in self._model.stream(job.query):
                yield piece
                if job.is_left.is_set() or self._closing.is_set():
                    return
            yield _End()
        except Exception as error:  # whatever a model raises is one failed answer, told to its client
            yield error
