"""What happened: the query that a model saw, its response, what ASR heard, and the scores of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from aqaa_eval.core.audio import Audio
from aqaa_eval.core.failure import Failure

if TYPE_CHECKING:  # a model that runs in its own environment has no need of what samples are parsed with
    from aqaa_eval.core.sample import Sample


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One utterance of the conversation so far.

    Attributes:
        role: "user" or "assistant".
        audio: the sound; None for a text-only utterance.
        text: the words, where the speaker gave them as text: a model's own, or a written question. Of a spoken question
            there are none.
    """

    role: str
    audio: Audio | None
    text: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """All that a model under test gets to see. References, rubrics and checks have no field here, on purpose.

    Attributes:
        key: name of the turn, "suite/sample#turn", for logs and for replaying; it tells nothing of the answer.
        messages: the conversation so far with the model's own earlier answers; the last is the spoken question.
        seed: for whatever the model draws.
    """

    key: str
    messages: tuple[Message, ...]
    seed: int

    @property
    def question(self) -> Message:
        """The utterance to be answered."""
        return self.messages[-1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """When the answer came, counted from the end of the query.

    Attributes:
        first_audio_s: seconds to the first audible sample; None if nothing was said or the model does not stream.
        total_s: seconds to the last one.
    """

    first_audio_s: float | None
    total_s: float


class Finish(StrEnum):
    """Why the model stopped."""

    STOP = "stop"
    LENGTH = "length"


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """What the model said: sound, and its own text where it gives one."""

    audio: Audio | None
    text: str | None
    timing: Timing
    finish: Finish = Finish.STOP


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """One word that ASR heard, with its place in seconds and the recogniser's confidence in [0, 1]."""

    text: str
    start_s: float
    end_s: float
    confidence: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """A stretch of a transcript that a second recogniser heard differently.

    Attributes:
        start: index of its first character in the transcript's text.
        end: index after its last one; equal to `start` where only the second recogniser heard something.
        instead: what the second one heard; "" for nothing.
    """

    start: int
    end: int
    instead: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondHearing:
    """What another recogniser heard in the same answer, and where the two disagree.

    Attributes:
        asr: identity of the second recogniser.
        text: its words; "" if it heard none.
        doubts: in the order of the first one's text; empty if they agree.
    """

    asr: str
    text: str
    doubts: tuple[Doubt, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Transcript:
    """What ASR heard in one answer.

    Attributes:
        text: the words; "" if none.
        language: detected or forced language tag; "" if there was no speech to tell it from.
        confidence: mean word probability in [0, 1]; None where the recogniser gives none.
        asr: identity of the recogniser.
        words: with times; may be empty.
        failure: SILENT, ASR_EMPTY, ASR_HALLUCINATED or LOOPED where that was found.
        note: a sentence on what was found.
        language_probability: of the detected language, in [0, 1]; None where it was forced or is not given.
        second: what a second recogniser heard; None if there was none, or if it does not know the language.
    """

    text: str
    language: str
    confidence: float | None
    asr: str
    words: tuple[Word, ...] = ()
    failure: Failure | None = None
    note: str = ""
    language_probability: float | None = None
    second: SecondHearing | None = None

    @property
    def uncertain_words(self) -> tuple[str, ...]:
        """What a judge should not build on: the stretches of the text on which two recognisers disagree, in order.

        Empty without a second recogniser. What only the second one heard has no words here; see `second.doubts`.

        >>> doubt = Doubt(start=8, end=15, instead="thirty")
        >>> heard = SecondHearing(asr="b", text="I want thirty", doubts=(doubt,))
        >>> Transcript(text="I want, thirsty", language="en", confidence=None, asr="a", second=heard).uncertain_words
        ('thirsty',)
        """
        doubts = self.second.doubts if self.second else ()
        return tuple(self.text[doubt.start : doubt.end] for doubt in doubts if doubt.end > doubt.start)


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnAttempt:
    """One turn answered once.

    Attributes:
        index: place of the turn in the sample, from 0.
        response: None if the model gave none.
        transcript: None until it is transcribed, or if it could not be.
        failure: what went wrong with it, if anything did.
        detail: a sentence on it; "" if nothing did.
    """

    index: int
    response: Response | None
    transcript: Transcript | None = None
    failure: Failure | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One sample answered once, all turns."""

    sample: Sample
    repeat: int
    turns: tuple[TurnAttempt, ...]


class Status(StrEnum):
    """Whether a score has a value."""

    SCORED = "scored"
    UNSCORED = "unscored"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One thing that was looked at for a score: a check with what was measured.

    Attributes:
        turn: index of the turn.
        name: name of the check, with its arguments as a reader wants them.
        passed: whether it holds.
        measured: what was measured, with the demand: "4.1 syllables/s against 5.9 before: 30 % slower, 15 % asked".
        part: "content" or "delivery".
    """

    turn: int
    name: str
    passed: bool
    measured: str
    part: str = "content"


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """One value, or the reason why there is none; never both missing, never NaN.

    Attributes:
        metric: "mos", "content", "delivery", "speech", "speech_wer", ...; see `aqaa_eval.judges`.
        value: in the metric's unit; None unless scored.
        status: scored, unscored (no verdict is possible), failed (the system broke).
        reason: one sentence; for a scored value what it rests on.
        judge: identity of what gave it.
        turn: index of the turn; None for the whole conversation.
        failure: the kind, where one lies behind the value or its absence.
        weight: how much stands behind a ratio (reference words of an error rate); 1 otherwise.
        evidence: what was looked at.
    """

    metric: str
    value: float | None
    reason: str
    judge: str
    status: Status = Status.SCORED
    turn: int | None = None
    failure: Failure | None = None
    weight: float = 1.0
    evidence: tuple[Evidence, ...] = field(default=())

    def __post_init__(self) -> None:
        if (self.value is None) is (self.status is Status.SCORED):
            raise ValueError(
                f"{self.metric}: a score has a value exactly when it is scored, got {self.value} and {self.status}"
            )
        if self.value is not None and self.value != self.value:
            raise ValueError(f"{self.metric}: the value is NaN; say why there is none instead")


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """An aggregate with its uncertainty.

    Attributes:
        value: the mean; None if nothing was scored.
        low: lower end of the 95 % interval; None if it cannot be had (fewer than two conversations).
        high: upper end.
        n: scores behind the value.
        n_clusters: conversations behind the value (the unit of resampling).
        unscored: scores without a possible verdict.
        failed: scores that the system lost.
    """

    value: float | None
    low: float | None
    high: float | None
    n: int
    n_clusters: int
    unscored: int
    failed: int
