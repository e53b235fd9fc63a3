"""Rules on more than one question: a repeated seed, the same in pieces, a batch, several at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np

from aqaa_eval.conformance.exam import Exam, Reply
from aqaa_eval.conformance.findings import Finding, Verdict
from aqaa_eval.core.answers import checked_response
from aqaa_eval.core.attempt import Query, Response
from aqaa_eval.core.pieces import joined
from aqaa_eval.core.protocols import StreamingSpeechModel

_N_AT_ONCE = 8


def repeated_seed(exam: Exam) -> Iterator[Finding]:
    """The same question with the same seed gets the same answer; another one is worth a note."""
    rule = "repeated seed"
    query = exam.first_query(exam.materials.talk)
    replies = [exam.ask(query) for _ in range(2)]
    lost = next((reply for reply in replies if reply.value is None), None)
    if lost is not None:
        yield exam.failed(rule, lost.problem)
        return
    difference = _difference(replies[0].value, replies[1].value)
    if difference:
        reason = f"the {difference} differs: the seed of a turn does not decide the answer, so runs cannot be repeated"
        yield Finding(rule=rule, verdict=Verdict.NOTED, reason=reason)
    else:
        yield Finding(rule=rule, verdict=Verdict.HOLDS, reason="equal words and equal samples")


def in_pieces(exam: Exam) -> Iterator[Finding]:
    """`stream` gives in pieces what `answer` gives; a server lets them out as they come."""
    rule = "in pieces"
    model = exam.model
    if not isinstance(model, StreamingSpeechModel):
        yield Finding(rule=rule, verdict=Verdict.NOT_TRIED, reason="it has no `stream`: its answers come whole")
        return
    query = exam.first_query(exam.materials.talk)
    whole = exam.ask(query)
    reply = exam.call(rule, lambda: checked_response(joined(model.stream(query))))
    if whole.value is None or reply.value is None:
        yield exam.failed(rule, whole.problem or reply.problem)
        return
    difference = _difference(_trimmed(whole.value), _trimmed(reply.value))
    if difference:
        yield Finding(rule=rule, verdict=Verdict.NOTED, reason=f"the {difference} differs from that of `answer`")
    else:
        yield Finding(rule=rule, verdict=Verdict.HOLDS, reason="joined, equal to the whole answer")


def _trimmed(response: Response) -> Response:
    return replace(response, text=(response.text or "").strip())


def batch(exam: Exam) -> Iterator[Finding]:
    """`answer_many` gives one answer per conversation, in order; a run calls it if `batch` is above 1."""
    rule = "batch"
    width = int(getattr(exam.model, "batch", 1))
    answer_many: Callable[[list[Query]], Any] | None = getattr(exam.model, "answer_many", None)
    if width < 2 or answer_many is None:
        yield Finding(
            rule=rule, verdict=Verdict.NOT_TRIED, reason="it declares no batch above 1: it takes one at a time"
        )
        return
    queries = _several(exam)[:width]
    reply = exam.call(rule, lambda: _checked_batch(answer_many(queries), len(queries)))
    if reply.value is None:
        yield exam.failed(rule, reply.problem)
        return
    yield _against_singles(exam, rule, queries, reply.value, told=f"{len(queries)} answers in {reply.wall_s:.2f} s")


def at_once(exam: Exam) -> Iterator[Finding]:
    """As many conversations at once as the model says that it takes."""
    rule = "several at once"
    width = int(getattr(exam.model, "concurrency", 1))
    if width < 2:
        yield Finding(rule=rule, verdict=Verdict.NOT_TRIED, reason="it declares no concurrency above 1")
        return
    queries = (_several(exam) * _N_AT_ONCE)[: min(width, _N_AT_ONCE)]
    reply = exam.call(rule, lambda: _all_at_once(exam, queries))
    if reply.value is None:
        yield exam.failed(rule, reply.problem)
        return
    yield _against_singles(exam, rule, queries, reply.value, told=f"{len(queries)} at once in {reply.wall_s:.2f} s")


def _several(exam: Exam) -> list[Query]:
    """Questions of unequal length."""
    return [exam.first_query(conversation) for conversation in (exam.materials.talk, *exam.materials.others)]


def _all_at_once(exam: Exam, queries: list[Query]) -> list[Response]:
    with ThreadPoolExecutor(max_workers=len(queries)) as pool:
        return [checked_response(answer) for answer in pool.map(exam.model.answer, queries)]


def _checked_batch(answers: Any, n_queries: int) -> list[Response]:
    checked = [checked_response(answer) for answer in answers]
    if len(checked) != n_queries:
        raise ValueError(f"{len(checked)} answers to {n_queries} conversations")
    return checked


def _against_singles(exam: Exam, rule: str, queries: list[Query], together: list[Response], *, told: str) -> Finding:
    """Answers that were given together, beside those that the same questions get alone."""
    alone = {query.key: exam.ask(query) for query in queries}
    lost = next((reply for reply in alone.values() if reply.value is None), None)
    if lost is not None:
        return exam.failed(rule, f"the same questions one by one: {lost.problem}")
    singles = [alone[query.key].value for query in queries]
    if _is_mixed_up(singles, together):
        return exam.failed(rule, "the answers come in another order than the questions")
    pairs = zip(singles, together, strict=True)
    different = sorted({name for one, other in pairs if (name := _difference(one, other))})
    if different:
        reason = f"{told}; {' and '.join(different)} differ from those of the same questions one by one"
        return Finding(rule=rule, verdict=Verdict.NOTED, reason=reason)
    return Finding(rule=rule, verdict=Verdict.HOLDS, reason=f"{told}, equal to those one by one")


def _is_mixed_up(singles: list[Response | None], together: list[Response]) -> bool:
    """Whether an answer equals that to another question, and not that to its own."""
    for index, answer in enumerate(together):
        if not _difference(singles[index], answer):
            continue
        if any(not _difference(single, answer) for single in singles):
            return True
    return False


def _difference(first: Response | None, second: Response | None) -> str:
    """What differs between two answers: "text", "sound", or "" for nothing."""
    assert first is not None  # callers have seen to it
    assert second is not None
    if first.text != second.text:
        return "text"
    if (first.audio is None) != (second.audio is None):
        return "sound"
    if first.audio is None or second.audio is None:
        return ""
    is_equal = first.audio.sample_rate_hz == second.audio.sample_rate_hz and np.array_equal(
        first.audio.samples, second.audio.samples
    )
    return "" if is_equal else "sound"


def same_answer(first: Reply[Response], second: Reply[Response]) -> bool:
    """Whether two replies hold equal answers.

    >>> same_answer(Reply(wall_s=1.0), Reply(wall_s=1.0))
    False
    """
    return first.value is not None and second.value is not None and not _difference(first.value, second.value)
