"""Rules on what is no question: files that are no recordings, samples that are no numbers."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

from aqaa_eval.conformance.exam import Exam, Reply, spoken
from aqaa_eval.conformance.findings import Finding, Verdict
from aqaa_eval.conformance.materials import with_broken_samples, wrong_files
from aqaa_eval.core.attempt import Query, Response
from aqaa_eval.core.audio import read_audio
from aqaa_eval.core.errors import AudioError


def wrong_file(exam: Exam) -> Iterator[Finding]:
    """A file that is no recording is refused before there is a question; the model never hears of it."""
    rule = "wrong file"
    refused: list[str] = []
    files = wrong_files(exam.materials.talk.questions[0])
    for name, encoded in files.items():
        try:
            audio = read_audio(encoded, name=name)
        except AudioError:
            refused.append(name)
            continue
        reply = exam.ask(exam.query("validate/wrong-file#0", spoken(audio)))
        yield exam.failed(rule, f"{name} was taken for a recording: {reply.problem or 'and answered'}")
        return
    yield Finding(rule=rule, verdict=Verdict.HOLDS, reason=f"{', '.join(refused)}: bad_input, the model is not asked")


def broken_samples(exam: Exam) -> Iterator[Finding]:
    """NaN and infinity in a question cost that answer at most: no crash, no hang, and the next one is answered."""
    rule = "NaN samples"
    question = exam.materials.talk.questions[0]
    pid = getattr(exam.model, "pid", None)
    reply = _ask_quietly(exam, exam.query("validate/nan#0", spoken(with_broken_samples(question))))
    if reply.is_hanging:
        yield exam.failed(rule, reply.problem)
        return
    if getattr(exam.model, "pid", None) != pid:
        yield exam.failed(rule, f"its process ended: {reply.problem}")
        return
    after = exam.ask(exam.first_query(exam.materials.talk))
    if after.value is None:
        yield exam.failed(rule, f"the question after it is not answered any more: {after.problem}")
        return
    told = f"refused ({reply.problem[:100]})" if reply.problem else "answered all the same"
    yield Finding(rule=rule, verdict=Verdict.HOLDS, reason=f"{told}; the next question is answered")


def _ask_quietly(exam: Exam, query: Query) -> Reply[Response]:
    """Casting NaN to integers warns, which nobody needs to read: it is meant."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return exam.ask(query)


def questions_left_alone(exam: Exam) -> Iterator[Finding]:
    """The samples of a question are the harness's: the next turn and the report use them again."""
    rule = "questions stay as they are"
    if exam.broken_questions:
        names = ", ".join(dict.fromkeys(exam.broken_questions))
        yield exam.failed(rule, f"it changed the samples of {names}; it has to work on a copy")
    elif exam.replies:
        yield Finding(rule=rule, verdict=Verdict.HOLDS, reason=f"seen on {len(exam.replies)} answers")
    else:
        yield Finding(rule=rule, verdict=Verdict.NOT_TRIED, reason="nothing was answered")
