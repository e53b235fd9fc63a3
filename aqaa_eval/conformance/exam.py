"""Asks one model, with a limit on every answer, and remembers all that it said."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYet
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import numpy as np

from aqaa_eval.conformance.findings import Finding, Verdict
from aqaa_eval.conformance.materials import Conversation, Materials
from aqaa_eval.core.answers import checked_response
from aqaa_eval.core.attempt import Message, Query, Response
from aqaa_eval.core.audio import Audio
from aqaa_eval.core.protocols import SpeechModel

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class ExamSettings:
    """How a model is examined.

    Attributes:
        limit_s: how long one answer may take before the model is said to hang.
        grace_s: how long after its limit, or after it was told to stop, a model may take to end.
        seed: of the questions.
        make_late: makes the model once more, with that limit in seconds on each answer; None if it has no such setting.
        no_limit: why it has none, with the way out.
        is_stored: it gives answers that were stored for other questions: one that it lacks is no fault.
        secrets: values that its identity must not hold.
    """

    limit_s: float = 600.0
    grace_s: float = 5.0
    seed: int = 0
    make_late: Callable[[float], SpeechModel] | None = None
    no_limit: str = ""
    is_stored: bool = False
    secrets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply(Generic[T]):
    """What came of asking.

    Attributes:
        value: what the model gave; None if it gave nothing that can be used.
        error: what it raised, or what is wrong with what it gave.
        is_hanging: nothing came in time.
        wall_s: seconds that it took by our clock.
    """

    value: T | None = None
    error: Exception | None = None
    is_hanging: bool = False
    wall_s: float

    @property
    def problem(self) -> str:
        """What went wrong; "" if nothing did."""
        if self.is_hanging:
            return f"no answer within {self.wall_s:.1f} s"
        if self.error is None:
            return ""
        return f"{type(self.error).__name__}: {self.error}".rstrip(": ")


@dataclass(slots=True, kw_only=True)
class Exam:
    """One model, what it is asked, and all that it said.

    Attributes:
        model: asked by one thread, as in a run.
        replies: all good answers with their questions, in order.
        broken_questions: names of the questions whose samples the model changed.
        hanging: what it was asked when it hung; "" if it does not.
        identities: what it called itself, as often as it was looked at.
    """

    model: SpeechModel
    materials: Materials
    settings: ExamSettings
    replies: list[tuple[Query, Reply[Response]]] = field(default_factory=list)
    broken_questions: list[str] = field(default_factory=list)
    hanging: str = ""
    identities: list[object] = field(default_factory=list)
    _asker: _Asker = field(default_factory=lambda: _Asker())

    def query(self, name: str, *messages: Message) -> Query:
        """A question under a name of its own; the last message is the one to be answered."""
        return Query(key=name, messages=messages, seed=self.settings.seed)

    def first_query(self, conversation: Conversation) -> Query:
        """The first question of a conversation."""
        return self.query(f"{conversation.key}#0", spoken(conversation.questions[0]))

    def ask(self, query: Query) -> Reply[Response]:
        """Put one question to the model; the answer is checked as in a run."""
        before = [sound.samples.copy() for sound in _sounds(query)]
        reply = self.call(query.key, lambda: checked_response(self.model.answer(query)))
        self._watch(query, before)
        if reply.value is not None:
            self.replies.append((query, reply))
        return reply

    def call(self, name: str, work: Callable[[], T]) -> Reply[T]:
        """Do something with the model in its thread, within the limit."""
        begin_s = time.perf_counter()
        future = self._asker.start(work)
        try:
            reply = Reply(value=future.result(self.settings.limit_s), wall_s=time.perf_counter() - begin_s)
        except NotYet:
            if future.done():  # the model itself raised a TimeoutError
                return Reply(error=_error_of(future), wall_s=time.perf_counter() - begin_s)
            wall_s = time.perf_counter() - begin_s
            self._let_go(name, future)
            return Reply(is_hanging=True, wall_s=wall_s)
        except Exception as error:  # a model may raise anything: that is what is looked for
            return Reply(error=error, wall_s=time.perf_counter() - begin_s)
        return reply

    def start(self, query: Query) -> Future[Response]:
        """Ask without waiting."""
        return self._asker.start(lambda: checked_response(self.model.answer(query)))

    def close(self) -> None:
        """Let the model end what it started, if it can."""
        close = getattr(self.model, "close", None)
        if callable(close):
            in_time(self.settings.grace_s, close)

    def _let_go(self, name: str, future: Future[Any]) -> None:
        """A model that can be closed is usable again after it hung."""
        self.close()
        try:
            future.result(self.settings.grace_s)
        except NotYet:
            self.hanging = "" if future.done() else name
        except Exception:
            self.hanging = ""  # it ended, and how does not matter: that it hung is told already

    def _watch(self, query: Query, before: Sequence[np.ndarray]) -> None:
        after = [sound.samples for sound in _sounds(query)]
        if not all(np.array_equal(old, new, equal_nan=True) for old, new in zip(before, after, strict=True)):
            self.broken_questions.append(query.key)

    def failed(self, rule: str, problem: str) -> Finding:
        """A row for a question that was not answered."""
        if self.settings.is_stored:
            return Finding(rule=rule, verdict=Verdict.NOT_TRIED, reason=f"it has stored answers only: {problem}")
        return Finding(rule=rule, verdict=Verdict.BROKEN, reason=problem)


def _sounds(query: Query) -> Iterator[Audio]:
    return (message.audio for message in query.messages if message.audio is not None)


def _error_of(future: Future[Any]) -> Exception:
    error = future.exception()
    assert isinstance(error, Exception)
    return error


def spoken(audio: Audio) -> Message:
    """A question."""
    return Message(role="user", audio=audio)


def said(response: Response) -> Message:
    """An earlier answer, as a run hands it back."""
    return Message(role="assistant", audio=response.audio, text=response.text)


def in_time(limit_s: float, work: Callable[[], T]) -> Reply[T]:
    """Do the work in a thread of its own, and leave it alone when the time is up."""
    begin_s = time.perf_counter()
    future: Future[T] = Future()
    threading.Thread(target=_settle, args=(work, future), daemon=True).start()
    try:
        return Reply(value=future.result(limit_s), wall_s=time.perf_counter() - begin_s)
    except NotYet:
        return Reply(is_hanging=True, wall_s=time.perf_counter() - begin_s)
    except Exception as error:
        return Reply(error=error, wall_s=time.perf_counter() - begin_s)


class _Asker:
    """A thread that outlives no process: what hangs in it cannot keep the command from ending."""

    def __init__(self) -> None:
        self._line: queue.SimpleQueue[tuple[Callable[[], Any], Future[Any]]] = queue.SimpleQueue()
        threading.Thread(target=self._work, name="exam", daemon=True).start()

    def start(self, work: Callable[[], T]) -> Future[T]:
        """Put the work in the line."""
        future: Future[T] = Future()
        self._line.put((work, future))
        return future

    def _work(self) -> None:
        while True:
            _settle(*self._line.get())


def _settle(work: Callable[[], Any], future: Future[Any]) -> None:
    try:
        future.set_result(work())
    except Exception as error:
        future.set_exception(error)
    except BaseException as error:  # a model that calls sys.exit must not end whoever asks it
        future.set_exception(RuntimeError(f"it raised {type(error).__name__}, which ends a process: {error}"))
