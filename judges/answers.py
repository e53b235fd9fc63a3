"""What state one turn is in, told once for all judges: it answered, it gave no answer, or the system broke."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from aqaa_eval.core.attempt import Attempt, Status, TurnAttempt
from aqaa_eval.core.audio import Audio
from aqaa_eval.core.failure import Failure
from aqaa_eval.judges.guards import answer_failure, describe_failure

BREAKS = frozenset({Failure.MODEL_ERROR, Failure.TIMEOUT, Failure.BAD_INPUT, Failure.ASR_FAILED})
"""The system broke before there was anything to judge: counted as failed, never scored."""


class State(StrEnum):
    """Of one turn."""

    ANSWERED = "answered"
    NO_ANSWER = "no_answer"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One turn as a judge finds it.

    Attributes:
        turn: index of the turn.
        state: whether there is an answer.
        failure: the kind behind a missing answer or a break.
        reason: one clause on it; "" for an answer.
        audio: its sound; None if there is none.
    """

    turn: int
    state: State
    failure: Failure | None
    reason: str
    audio: Audio | None

    @property
    def status(self) -> Status:
        """Of a score that this turn cannot have: a break is failed, a missing answer is unscored."""
        return Status.FAILED if self.state is State.BROKEN else Status.UNSCORED


def find_answers(attempt: Attempt) -> tuple[Answer, ...]:
    """The state of every turn of the sample; turns that were never put to the model are broken."""
    by_index = {turn.index: turn for turn in attempt.turns}
    return tuple(
        find_answer(by_index[index], is_written=asked.audio is None) if index in by_index else _not_asked(index)
        for index, asked in enumerate(attempt.sample.turns)
    )


def find_answer(turn: TurnAttempt, *, is_written: bool = False) -> Answer:
    """The state of one turn. A break of the system outweighs what else is known of the turn.

    Args:
        turn: the turn.
        is_written: whether the question was, so that a written answer is one.
    """
    audio = turn.response.audio if turn.response else None
    state, failure, reason = State.ANSWERED, None, ""
    has_words = is_written and turn.response is not None and bool((turn.response.text or "").strip())
    missing = None if has_words else _missing_answer(turn, audio)
    if turn.failure in BREAKS:
        state, failure, reason = State.BROKEN, turn.failure, turn.detail or "no details"
    elif missing is not None:
        state, failure = State.NO_ANSWER, missing
        reason = _detail(turn) or describe_failure(missing, audio)
    return Answer(turn=turn.index, state=state, failure=failure, reason=reason, audio=audio)


def _missing_answer(turn: TurnAttempt, audio: Audio | None) -> Failure | None:
    """The kind of missing answer: what was recorded, else what the level says."""
    heard = turn.transcript.failure if turn.transcript else None
    for failure in (turn.failure, heard, answer_failure(audio)):
        if failure is not None and failure.is_no_answer:
            return failure
    return None


def _detail(turn: TurnAttempt) -> str:
    return turn.transcript.note if turn.transcript and turn.transcript.note else turn.detail


def _not_asked(index: int) -> Answer:
    reason = "it was never put to the model"
    return Answer(turn=index, state=State.BROKEN, failure=Failure.MODEL_ERROR, reason=reason, audio=None)
