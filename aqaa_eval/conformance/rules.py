"""The rules in their order. Stopping comes last: it ends the model, and makes it once more."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from aqaa_eval.conformance import enduring, repeating, stopping, talking, telling
from aqaa_eval.conformance.exam import Exam, ExamSettings
from aqaa_eval.conformance.findings import Finding, Verdict
from aqaa_eval.conformance.materials import Materials
from aqaa_eval.core.protocols import SpeechModel

Rule = Callable[[Exam], Iterator[Finding]]

ASKING: Mapping[str, Rule] = {
    "one turn": talking.one_turn,
    "three turns": talking.three_turns,
    "after an empty answer": talking.after_no_answer,
    "silence": talking.silence,
    "60 s of speech": talking.long_speech,
    "Chinese": talking.chinese,
    "repeated seed": repeating.repeated_seed,
    "in pieces": repeating.in_pieces,
    "batch": repeating.batch,
    "several at once": repeating.at_once,
    "wrong file": enduring.wrong_file,
    "NaN samples": enduring.broken_samples,
    "cancellation": stopping.cancellation,
    "time-out": stopping.time_out,
}
"""Rules that ask the model something."""

LOOKING: tuple[Rule, ...] = (enduring.questions_left_alone, telling.sound, telling.times, telling.identity)
"""Rules on what was seen meanwhile."""


def examine(model: SpeechModel, materials: Materials, settings: ExamSettings) -> Iterator[Finding]:
    """Put a model to the test, rule by rule.

    Args:
        model: closed at the end if it can be.
        materials: what it is asked.
        settings: limits, and how it is made once more.
    """
    exam = Exam(model=model, materials=materials, settings=settings)
    exam.identities.append(model.identity)
    try:
        for name, rule in ASKING.items():
            if exam.hanging:
                reason = f"the model still hangs in {exam.hanging}"
                yield Finding(rule=name, verdict=Verdict.NOT_TRIED, reason=reason)
            else:
                yield from rule(exam)
        for look in LOOKING:
            yield from look(exam)
    finally:
        exam.close()
