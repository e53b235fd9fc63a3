"""Rules on stopping: what is cancelled or late ends in time, with its process or connection."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from concurrent.futures import Future, wait

from aqaa_eval.conformance.exam import Exam, in_time, spoken
from aqaa_eval.conformance.findings import Finding, Verdict
from aqaa_eval.core.attempt import Response
from aqaa_eval.core.errors import AqaaError, ModelTimeout

SHORTEST_LIMIT_S = 0.02
_NOTICED_S = 1.0
"""How long after its limit an answer may still come: a limit is looked at now and then."""


def cancellation(exam: Exam) -> Iterator[Finding]:
    """`close` in the middle of an answer ends it with its process; the next question starts it again."""
    rule = "cancellation"
    close = getattr(exam.model, "close", None)
    if not callable(close):
        other = "its time-out ends it" if exam.settings.make_late else "--python runs it in a process that can be ended"
        yield Finding(rule=rule, verdict=Verdict.NOT_TRIED, reason=f"it has no close(); {other}")
        return
    pid = getattr(exam.model, "pid", None)
    pending = exam.start(exam.query("validate/cancelled#0", spoken(exam.materials.long_speech)))
    wait([pending], timeout=min(0.5, max(0.02, _usual_s(exam) / 2)))
    was_busy = not pending.done()
    problem = _stopped(close, pending, exam, pid)
    if problem:
        yield exam.failed(rule, problem)
        return
    again = exam.ask(exam.first_query(exam.materials.talk))
    if again.value is None:
        yield exam.failed(rule, f"it ended, and does not answer any more: {again.problem}")
        return
    told = "it ended in the middle of an answer" if was_busy else "it had answered already; it ended"
    process = f" with its process {pid}" if pid is not None else ""
    yield Finding(rule=rule, verdict=Verdict.HOLDS, reason=f"{told}{process}, and answers again")


def _stopped(close: object, pending: Future[Response], exam: Exam, pid: int | None) -> str:
    """Close the model; what is wrong with how it ended, "" if nothing."""
    assert callable(close)
    closing = in_time(exam.settings.grace_s, close)
    if closing.problem:
        return f"close(): {closing.problem}"
    wait([pending], timeout=exam.settings.grace_s)
    if not pending.done():
        exam.hanging = "cancellation"
        return f"the answer did not end within {exam.settings.grace_s:g} s of close()"
    if pid is not None and _is_alive(pid):
        return f"its process {pid} still runs after close()"
    return ""


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _usual_s(exam: Exam) -> float:
    """How long the shortest answer took so far."""
    return min((reply.wall_s for _, reply in exam.replies), default=0.0)


def time_out(exam: Exam) -> Iterator[Finding]:
    """With a limit far below what it needs, an answer ends as a `ModelTimeout`, at once.

    It comes last: the model is made once more for it, after the first was closed.
    """
    rule = "time-out"
    make_late = exam.settings.make_late
    if make_late is None:
        yield Finding(rule=rule, verdict=Verdict.NOT_TRIED, reason=exam.settings.no_limit)
        return
    limit_s = max(SHORTEST_LIMIT_S, _usual_s(exam) / 4)
    exam.close()
    try:
        exam.model = make_late(limit_s)
    except AqaaError as error:
        yield exam.failed(rule, f"it cannot be made a second time: {error}")
        return
    exam.identities.append(exam.model.identity)
    yield _late(exam, rule, limit_s)


def _late(exam: Exam, rule: str, limit_s: float) -> Finding:
    begin_s = time.perf_counter()
    pending = exam.start(exam.query("validate/late#0", spoken(exam.materials.long_speech)))
    wait([pending], timeout=limit_s + exam.settings.grace_s)
    took_s = time.perf_counter() - begin_s
    if not pending.done():
        exam.hanging = rule
        return exam.failed(rule, f"still no end {exam.settings.grace_s:g} s after its limit of {limit_s:.2f} s")
    error = pending.exception()
    if isinstance(error, ModelTimeout):
        return Finding(rule=rule, verdict=Verdict.HOLDS, reason=f"after {took_s:.2f} s: {str(error)[:120]}")
    if error is not None:
        return exam.failed(rule, f"raised {type(error).__name__} in place of ModelTimeout: {error}")
    if took_s > limit_s + _NOTICED_S:
        return exam.failed(rule, f"an answer came after {took_s:.2f} s although its limit was {limit_s:.2f} s")
    return Finding(rule=rule, verdict=Verdict.NOT_TRIED, reason=f"it answers in {took_s:.3f} s: too fast to be late")
