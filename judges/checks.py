"""The default judge: the items' own verifiable checks, no network, no language model.

The mean opinion score of a conversation is 1 + 4 x the share of its checks that hold, content and delivery apart. An
answer that is not there fails all of its checks, those that ask for something *not* to be said too: silence is never
the safe answer. Only a melody can be held without words: whoever hums it fails the words and not the melody. A
conversation in which the system broke has no score and is counted as failed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from aqaa_eval.core.attempt import Attempt, Evidence, Score, Status, TurnAttempt
from aqaa_eval.core.audio import Audio
from aqaa_eval.core.checking import CheckFunction, CheckOutcome, Heard
from aqaa_eval.core.failure import Failure
from aqaa_eval.core.sample import CheckSpec
from aqaa_eval.judges.answers import Answer, State, find_answers
from aqaa_eval.metrics.normaliser import NORMALISER_VERSION

PARTS = ("content", "delivery")
_WORDLESS_SOUND = frozenset({Failure.ASR_EMPTY, Failure.ASR_HALLUCINATED})
_NO_SOUND = Audio.silence(duration_s=0.0)


class CheckBroke(Exception):
    """A check could not be carried out: a mistake of ours or of the item, never the model's."""


class _NothingToRead(Exception):
    """The channel that is judged holds no text; says why."""


class ChecksJudge:
    """Carries out the checks of a sample on the transcripts, or on the model's own text."""

    def __init__(
        self,
        evaluate: CheckFunction,
        *,
        channel: Literal["audio", "text"] = "audio",
        version: str = "1",
        wordless: frozenset[str] = frozenset(),
    ) -> None:
        """Make the judge.

        Args:
            evaluate: carries out one check; see `aqaa_eval.core.checking`.
            channel: which text is read: the transcript of the speech, or what the model wrote. Delivery is always
                measured on the sound.
            version: of the checks; part of the identity.
            wordless: names of checks that are put to a sound without words too.
        """
        self._evaluate = evaluate
        self._channel = channel
        self._version = version
        self._wordless = wordless

    @property
    def identity(self) -> str:
        """Such as "checks@3/audio/normaliser-1": version of the checks, what they read, version of the normaliser."""
        return f"checks@{self._version}/{self._channel}/normaliser-{NORMALISER_VERSION}"

    @property
    def metrics(self) -> tuple[str, ...]:
        """What it scores."""
        return PARTS

    def judge(self, attempt: Attempt) -> tuple[Score, ...]:
        """One score for the content and one for the delivery, each only if the sample has checks for it."""
        specs = [spec for turn in attempt.sample.turns for spec in turn.checks]
        parts = [part for part in PARTS if any(spec.part == part for spec in specs)]
        if not parts:
            return (self._missing("content", Status.UNSCORED, "the sample has no checks; use a judge with a rubric"),)
        answers = find_answers(attempt)
        broken = next((answer for answer in answers if answer.state is State.BROKEN), None)
        if broken is not None:
            reason = f"turn {broken.turn + 1}: {_name(broken.failure)}: {broken.reason}"
            return tuple(self._missing(part, Status.FAILED, reason, broken.failure) for part in parts)
        return tuple(self._part(part, attempt, answers) for part in parts)

    def _part(self, part: str, attempt: Attempt, answers: Sequence[Answer]) -> Score:
        try:
            evidence = self._evidence(part, attempt, answers)
        except _NothingToRead as error:
            return self._missing(part, Status.UNSCORED, str(error))
        except CheckBroke as error:
            return self._missing(part, Status.FAILED, str(error), Failure.JUDGE_INVALID)
        n_passed = sum(item.passed for item in evidence)
        silent = [answer for answer in answers if self._is_missing(part, answer, attempt)]
        reason = f"{n_passed} of {len(evidence)} {part} checks hold"
        reason += "".join(f"; turn {a.turn + 1}: {_name(a.failure)}: {a.reason}" for a in silent)
        return Score(
            metric=part,
            value=1.0 + 4.0 * n_passed / len(evidence),
            reason=reason,
            judge=self.identity,
            failure=silent[0].failure if len(silent) == len(answers) else None,
            evidence=tuple(evidence),
        )

    def _evidence(self, part: str, attempt: Attempt, answers: Sequence[Answer]) -> list[Evidence]:
        evidence: list[Evidence] = []
        turns = {turn.index: turn for turn in attempt.turns}
        previous: Heard | None = None
        for answer, asked in zip(answers, attempt.sample.turns, strict=True):
            specs = [spec for spec in asked.checks if spec.part == part]
            if self._is_missing(part, answer, attempt):
                evidence += [_evidence_of(answer.turn, spec, self._without_words(spec, answer)) for spec in specs]
                previous = None
                continue
            if not specs and not any(later.checks for later in attempt.sample.turns[answer.turn + 1 :]):
                break  # nothing more to check, so nothing more needs to be read
            heard = self._heard(turns[answer.turn], previous)
            evidence += [_evidence_of(answer.turn, spec, self._carry_out(spec, heard, answer.turn)) for spec in specs]
            previous = heard
        return evidence

    def _without_words(self, spec: CheckSpec, answer: Answer) -> CheckOutcome:
        """A check of an answer that is none; of sound without words a melody can still be told."""
        if spec.name in self._wordless and answer.failure in _WORDLESS_SOUND and answer.audio is not None:
            return self._carry_out(spec, Heard(text="", language="", audio=answer.audio), answer.turn)
        return CheckOutcome(passed=False, measured=f"{_name(answer.failure)}: {answer.reason}")

    def _is_missing(self, part: str, answer: Answer, attempt: Attempt) -> bool:
        """No answer on the channel that is judged. What the model wrote stands, even if it then did not say it."""
        if answer.state is not State.NO_ANSWER:
            return False
        if self._channel == "audio" or part == "delivery":
            return True
        response = next(turn.response for turn in attempt.turns if turn.index == answer.turn)
        return response is None or not (response.text or "").strip()

    def _heard(self, turn: TurnAttempt, previous: Heard | None) -> Heard:
        assert turn.response is not None  # else it would be a missing answer
        audio, transcript = turn.response.audio or _NO_SOUND, turn.transcript
        if self._channel == "text":
            if turn.response.text is None:
                raise _NothingToRead(f"turn {turn.index + 1}: the model gives no text; judge the channel audio")
            text = turn.response.text
        elif transcript is None:
            raise _NothingToRead(
                f"turn {turn.index + 1} was not transcribed; run with --asr, or judge the channel text"
            )
        else:
            text = transcript.text
        return Heard(
            text=text,
            language=transcript.language if transcript else "",
            audio=audio,
            words=transcript.words if transcript else (),
            previous=previous,
        )

    def _carry_out(self, spec: CheckSpec, heard: Heard, turn: int) -> CheckOutcome:
        try:
            return self._evaluate(spec, heard)
        except Exception as error:  # whatever it is, this check gave no verdict, and the score says so
            raise CheckBroke(
                f"turn {turn + 1}: the check {describe_check(spec)} broke: {type(error).__name__}: {error}"
            ) from error

    def _missing(self, part: str, status: Status, reason: str, failure: Failure | None = None) -> Score:
        return Score(metric=part, value=None, status=status, reason=reason, judge=self.identity, failure=failure)


def describe_check(spec: CheckSpec) -> str:
    """A check as a reader wants it.

    >>> describe_check(CheckSpec(name="says_any", params={"words": ("red", "blue")}))
    'says_any(words=red|blue)'
    """
    shown = (
        f"{key}={'|'.join(map(str, value)) if isinstance(value, tuple) else value}"
        for key, value in spec.params.items()
    )
    return f"{spec.name}({', '.join(shown)})"


def _evidence_of(turn: int, spec: CheckSpec, outcome: CheckOutcome) -> Evidence:
    return Evidence(
        turn=turn, name=describe_check(spec), passed=outcome.passed, measured=outcome.measured, part=spec.part
    )


def _name(failure: Failure | None) -> str:
    return str(failure).replace("_", " ") if failure else "no answer"
