"""Rules on conversations: a question, three turns, silence, a minute of speech, Chinese."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from aqaa_eval.conformance.exam import Exam, Reply, said, spoken
from aqaa_eval.conformance.findings import Finding, Verdict
from aqaa_eval.conformance.materials import LONG_S
from aqaa_eval.core.attempt import Message, Query, Response
from aqaa_eval.core.audio import Audio

SILENCE_S = 3.0
_AUDIBLE = 1e-4


def one_turn(exam: Exam) -> Iterator[Finding]:
    """A spoken question gets a spoken answer."""
    yield _answered(exam, "one turn", exam.first_query(exam.materials.talk), must_sound=True)


def three_turns(exam: Exam) -> Iterator[Finding]:
    """Each turn of a conversation is answered, with the model's own earlier answers before it."""
    talk = exam.materials.talk
    messages: list[Message] = []
    told: list[str] = []
    for index, question in enumerate(talk.questions[:3]):
        messages.append(spoken(question))
        reply = exam.ask(exam.query(f"{talk.key}#{index}", *messages))
        if reply.value is None:
            yield exam.failed("three turns", f"turn {index + 1}: {reply.problem}")
            return
        messages.append(said(reply.value))
        told.append(_shown(reply))
    yield Finding(rule="three turns", verdict=Verdict.HOLDS, reason="; ".join(told))


def after_no_answer(exam: Exam) -> Iterator[Finding]:
    """A turn after an answer without sound and words can be asked, as runs do."""
    rule = "after an empty answer"
    first, second = exam.materials.talk.questions[:2]
    nothing = Message(role="assistant", audio=None, text=None)
    reply = exam.ask(exam.query(f"{exam.materials.talk.key}#1", spoken(first), nothing, spoken(second)))
    if reply.value is not None:
        yield Finding(rule=rule, verdict=Verdict.HOLDS, reason=_shown(reply))
    elif reply.is_hanging or exam.settings.is_stored:
        yield exam.failed(rule, reply.problem)
    else:
        reason = f"turns after an answer without sound and words will be model_error: {reply.problem}"
        yield Finding(rule=rule, verdict=Verdict.NOTED, reason=reason)


def silence(exam: Exam) -> Iterator[Finding]:
    """Silence is a question like any other: whatever the model makes of it, it does not break."""
    quiet = Audio.silence(duration_s=SILENCE_S, sample_rate_hz=16_000)
    yield _answered(exam, "silence", exam.query("validate/silence#0", spoken(quiet)))


def long_speech(exam: Exam) -> Iterator[Finding]:
    """A minute of speech in one question."""
    question = spoken(exam.materials.long_speech)
    yield _answered(exam, f"{LONG_S:.0f} s of speech", exam.query("validate/long#0", question))


def chinese(exam: Exam) -> Iterator[Finding]:
    """A question that wants Chinese words, and one in Chinese where there is a voice for it."""
    materials = exam.materials
    query = exam.first_query(materials.asks_for_chinese)
    yield _answered(exam, "asked for Chinese", query, shows_text=True)
    rule = "asked in Chinese"
    if materials.chinese is None:
        yield Finding(rule=rule, verdict=Verdict.NOT_TRIED, reason=materials.no_chinese)
    else:
        yield _answered(exam, rule, exam.query("validate/chinese#0", spoken(materials.chinese)), shows_text=True)


def _answered(exam: Exam, rule: str, query: Query, *, must_sound: bool = False, shows_text: bool = False) -> Finding:
    reply = exam.ask(query)
    if reply.value is None:
        return exam.failed(rule, reply.problem)
    if must_sound and not is_audible(reply.value.audio):
        given = "silence" if reply.value.audio is not None else "no sound"
        return exam.failed(rule, f"it gave {given}; runs count such an answer as without sound, and score it lowest")
    text = reply.value.text
    words = f", and says: {' '.join(text.split())[:60]}" if shows_text and text else ""
    return Finding(rule=rule, verdict=Verdict.HOLDS, reason=_shown(reply) + words)


def is_audible(audio: Audio | None) -> bool:
    """Whether there is anything to hear.

    >>> is_audible(Audio.silence(duration_s=1.0))
    False
    """
    return audio is not None and len(audio.samples) > 0 and float(np.abs(audio.samples).max()) > _AUDIBLE


def _shown(reply: Reply[Response]) -> str:
    assert reply.value is not None  # only answers are shown
    sound = f"{reply.value.audio.duration_s:.1f} s of sound" if reply.value.audio else "no sound"
    return f"{sound} after {reply.wall_s:.2f} s"
