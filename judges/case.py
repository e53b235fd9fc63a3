"""What a language-model judge gets to know of one attempt: questions, answers in words, and the sound as measurements.

A text judge that is given cheap measurements of the sound agrees with people better than one with the transcript alone
and better than a model that listens itself (TRACE, arXiv 2601.13742), so the measurements are written out as text.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from aqaa_eval.core.attempt import Attempt, Transcript, TurnAttempt
from aqaa_eval.core.failure import Failure
from aqaa_eval.core.sample import Turn
from aqaa_eval.judges.answers import Answer, State, find_answers
from aqaa_eval.metrics.acoustics import Delivery, measure_delivery, pauses

Channel = Literal["audio", "text"]
UNCERTAIN_BELOW = 0.5
MAX_UNCERTAIN_WORDS = 20
LONG_PAUSE_S = 0.5


class NothingToRead(Exception):
    """The channel that is judged holds no text; says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseTurn:
    """One question and what came of it.

    Attributes:
        asked: the question, with its notes.
        answer: the words on the channel that is judged; "" if there is no answer.
        missing: why there is no answer; "" if there is one.
        measured: the sound in one line of plain words; "" without sound.
        uncertain: words that the recogniser doubts, or that two recognisers hear differently.
        flags: findings on the answer, such as "truncated".
    """

    asked: Turn
    answer: str
    missing: str
    measured: str
    uncertain: tuple[str, ...]
    flags: tuple[str, ...]
    failure: Failure | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One conversation as the judge gets it."""

    suite: str
    turns: tuple[CaseTurn, ...]

    @property
    def is_empty(self) -> bool:
        """True if no turn was answered."""
        return all(turn.missing for turn in self.turns)

    @property
    def has_sound(self) -> bool:
        """True if there is something measured to grade the voice by."""
        return any(turn.measured for turn in self.turns)

    @property
    def checklist(self) -> tuple[tuple[int, str], ...]:
        """All questions to be ticked, each with its turn."""
        return tuple((index, question) for index, turn in enumerate(self.turns) for question in turn.asked.checklist)


def make_case(attempt: Attempt, *, channel: Channel, measures_sound: bool) -> Case:
    """Collect what is known; no turn of the attempt may be broken.

    Raises:
        NothingToRead: an answer has no words on that channel, or a question has none and no reference either.
    """
    turns = {turn.index: turn for turn in attempt.turns}
    answers = find_answers(attempt)
    found: list[CaseTurn] = []
    before: Delivery | None = None
    for answer, asked in zip(answers, attempt.sample.turns, strict=True):
        turn = turns[answer.turn]
        if not asked.text.strip() and not asked.reference:
            raise NothingToRead(f"turn {turn.index + 1}: the question's words are not known, and it has no reference")
        missing = "" if _is_answered(answer, turn, channel) else _why_missing(answer)
        words = "" if missing else _words(turn, channel)
        measured, before = _measure(answer, turn, asked, before) if measures_sound else ("", None)
        found.append(
            CaseTurn(
                asked=asked,
                answer=words,
                missing=missing,
                measured=measured,
                uncertain=uncertain_words(turn.transcript) if channel == "audio" and not missing else (),
                flags=(str(answer_flag).replace("_", " "),) if (answer_flag := _flag(turn)) and not missing else (),
                failure=answer.failure if missing else None,
            )
        )
    return Case(suite=attempt.sample.suite, turns=tuple(found))


def uncertain_words(transcript: Transcript | None) -> tuple[str, ...]:
    """What a second recogniser heard differently, then words that the first one doubts itself, each once."""
    if transcript is None:
        return ()
    doubts = transcript.second.doubts if transcript.second else ()
    told = [
        f"{transcript.text[doubt.start : doubt.end] or '(nothing)'} (or: {doubt.instead or 'nothing'})"
        for doubt in doubts
    ]
    told += [word.text.strip() for word in transcript.words if word.confidence < UNCERTAIN_BELOW]
    return tuple(dict.fromkeys(word for word in told if word))[:MAX_UNCERTAIN_WORDS]


def _is_answered(answer: Answer, turn: TurnAttempt, channel: Channel) -> bool:
    """Whether there are words to judge. What a model wrote stands on the text channel, even if it did not say it."""
    if answer.state is not State.NO_ANSWER:
        return True
    return channel == "text" and turn.response is not None and bool((turn.response.text or "").strip())


def _why_missing(answer: Answer) -> str:
    return f"{str(answer.failure or 'no answer').replace('_', ' ')}: {answer.reason}"


def _words(turn: TurnAttempt, channel: Channel) -> str:
    if channel == "text":
        if turn.response is None or turn.response.text is None:
            raise NothingToRead(f"turn {turn.index + 1}: the model gives no text; judge the channel audio")
        return turn.response.text
    if turn.transcript is None:
        raise NothingToRead(f"turn {turn.index + 1} was not transcribed; run with --asr, or judge the channel text")
    return turn.transcript.text


def _flag(turn: TurnAttempt) -> Failure | None:
    for failure in (turn.failure, turn.transcript.failure if turn.transcript else None):
        if failure is not None and not failure.is_no_answer:
            return failure
    return None


def _measure(answer: Answer, turn: TurnAttempt, asked: Turn, before: Delivery | None) -> tuple[str, Delivery | None]:
    if answer.state is not State.ANSWERED or answer.audio is None:
        return "", None
    spoken = turn.transcript
    text = spoken.text if spoken else (turn.response.text if turn.response else None) or ""
    language = (spoken.language if spoken else "") or asked.answer_language
    measured = measure_delivery(answer.audio, text=text, language=language)
    gaps = [pause.duration_s for pause in pauses(answer.audio)]
    return describe_delivery(measured, before=before, pauses_s=gaps), measured


def describe_delivery(measured: Delivery, *, before: Delivery | None = None, pauses_s: Sequence[float] = ()) -> str:
    """Measurements as a line that a language model understands, with the change from the turn before.

    >>> slow = Delivery(span_s=4.0, syllables_per_s=3.0, level_dbfs=-30.0, pitch_hz=110.0,
    ...                 pitch_range_semitones=5.0, longest_pause_s=0.6)
    >>> fast = Delivery(span_s=2.0, syllables_per_s=6.0, level_dbfs=-24.0, pitch_hz=220.0,
    ...                 pitch_range_semitones=5.0, longest_pause_s=0.1)
    >>> describe_delivery(slow)
    '4.0 s of speech; 3.0 syllables/s; level -30 dBFS; pitch 110 Hz, range 5.0 semitones; longest pause 0.6 s'
    >>> describe_delivery(slow, pauses_s=[0.6]).split("; ")[-1]
    'pauses over 0.5 s: 1'
    >>> describe_delivery(fast, before=slow).split("before: ")[1]
    '100 % faster, 6.0 dB louder, 12.0 semitones higher'
    """
    if not measured.span_s:
        return "sound without speech in it"
    parts = [f"{measured.span_s:.1f} s of speech"]
    if measured.syllables_per_s is not None:
        parts.append(f"{measured.syllables_per_s:.1f} syllables/s")
    if measured.level_dbfs is not None:
        parts.append(f"level {measured.level_dbfs:.0f} dBFS")
    if measured.pitch_hz is not None and measured.pitch_range_semitones is not None:
        parts.append(f"pitch {measured.pitch_hz:.0f} Hz, range {measured.pitch_range_semitones:.1f} semitones")
    else:
        parts.append("no pitch (a whisper, or hardly any voice)")
    parts.append(f"longest pause {measured.longest_pause_s:.1f} s")
    n_long = sum(pause_s >= LONG_PAUSE_S for pause_s in pauses_s)
    if n_long:
        parts.append(f"pauses over {LONG_PAUSE_S} s: {n_long}")
    changes = _changes(measured, before) if before is not None else []
    if changes:
        parts.append(f"against the turn before: {', '.join(changes)}")
    return "; ".join(parts)


def _changes(measured: Delivery, before: Delivery) -> list[str]:
    changes = []
    if measured.syllables_per_s and before.syllables_per_s:
        percent = 100 * (measured.syllables_per_s / before.syllables_per_s - 1)
        changes.append(f"{abs(percent):.0f} % {'faster' if percent >= 0 else 'slower'}")
    if measured.level_dbfs is not None and before.level_dbfs is not None:
        gain_db = measured.level_dbfs - before.level_dbfs
        changes.append(f"{abs(gain_db):.1f} dB {'louder' if gain_db >= 0 else 'softer'}")
    if measured.pitch_hz and before.pitch_hz:
        semitones = 12 * math.log2(measured.pitch_hz / before.pitch_hz)
        changes.append(f"{abs(semitones):.1f} semitones {'higher' if semitones >= 0 else 'lower'}")
    return changes
