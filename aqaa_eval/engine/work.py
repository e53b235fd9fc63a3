"""What goes through the stages: the tools they work with, one job on its way, and a conversation while it is had."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from aqaa_eval.core.attempt import Message, TurnAttempt
from aqaa_eval.core.audio import Audio
from aqaa_eval.core.failure import Failure
from aqaa_eval.core.protocols import Judge, SpeechModel, Transcriber
from aqaa_eval.engine.plan import Job
from aqaa_eval.engine.records import encode
from aqaa_eval.engine.store import WHOLE, Record

BREAKS = frozenset({Failure.MODEL_ERROR, Failure.TIMEOUT, Failure.BAD_INPUT})
"""Failures that are no answer of the model's: asked again when the command is given again."""
REDONE = BREAKS | {Failure.ASR_FAILED, Failure.JUDGE_UNREACHABLE}
"""All that the same command does again: a run that holds one of these is incomplete."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """What the stages work with.

    Attributes:
        model: the model under test; None when only stored answers are scored.
        transcriber: None leaves answers untranscribed.
        judge: the scoring chain.
        guard: finds an answer without sound in it (silent, no samples); None if there is sound.
        languages: of the suites' cards, by suite id.
    """

    model: SpeechModel | None
    model_identity: str
    transcriber: Transcriber | None
    judge: Judge
    guard: Callable[[Audio], Failure | None]
    languages: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def asr_identity(self) -> str:
        """Maker of transcripts."""
        return self.transcriber.identity if self.transcriber else "none"

    @property
    def model_width(self) -> int:
        """Conversations that the model takes at once: more than one if it says that it may be asked so."""
        return max(1, int(getattr(self.model, "concurrency", 1)))

    @property
    def model_batch(self) -> int:
        """Conversations that the model answers together."""
        return _batch(self.model) if hasattr(self.model, "answer_many") else 1

    @property
    def asr_batch(self) -> int:
        """Conversations whose answers the transcriber hears together."""
        return _batch(self.transcriber)

    @property
    def judge_width(self) -> int:
        """Conversations that the judge takes at once: more than one if it waits for servers."""
        return int(getattr(self.judge, "concurrency", 1))

    @property
    def judge_maker(self) -> str:
        """Maker of scores: a verdict rests on the transcript too."""
        return f"{self.judge.identity} on {self.asr_identity}"


def _batch(tool: object) -> int:
    return max(1, int(getattr(tool, "batch", 1)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """One job on its way through the stages.

    Attributes:
        stored: records of earlier runs, by (step, turn), of the current makers only.
        turns: answers so far.
        fresh: records that the last stage made and that are not committed yet.
        lost: what the judge could not be asked for.
    """

    job: Job
    stored: Mapping[tuple[str, int], Any]
    turns: tuple[TurnAttempt, ...] = ()
    fresh: tuple[Record, ...] = field(default=())
    lost: tuple[Failure, ...] = ()

    @property
    def is_answered(self) -> bool:
        """True if every turn has a stored question and answer."""
        turns = range(len(self.job.sample.turns))
        return all((step, index) in self.stored for step in ("ask", "generate") for index in turns)

    @property
    def is_judged(self) -> bool:
        """True if nothing is left to do."""
        return self.is_answered and ("judge", WHOLE) in self.stored

    @property
    def n_bytes(self) -> int:
        """What its sound takes in memory: the samples, and the 16-bit form that is stored and hashed."""
        sounds = (turn.response.audio for turn in self.turns if turn.response)
        return sum(sound.samples.nbytes * 3 // 2 for sound in sounds if sound)

    def without_answers_from(self, turn: int) -> Work:
        """The work as if that turn and all after it had never been answered."""
        kept = {
            (step, index): value
            for (step, index), value in self.stored.items()
            if step == "ask" or (step != "judge" and index < turn)
        }
        return replace(self, stored=kept)

    def record(self, step: str, turn: int, maker: str, value: object, kind: Any) -> Record:
        """A record of this job."""
        sample = self.job.sample
        return Record(
            suite=sample.suite,
            sample=sample.id,
            repeat=self.job.repeat,
            turn=turn,
            step=step,
            maker=maker,
            body=encode(value, kind),
        )


@dataclass(slots=True)
class Talk:
    """A conversation while it is being had."""

    work: Work
    turns: list[TurnAttempt] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    fresh: list[Record] = field(default_factory=list)

    @property
    def n_turns(self) -> int:
        """Questions that it has."""
        return len(self.work.job.sample.turns)

    @property
    def broken(self) -> TurnAttempt | None:
        """The first turn that broke, if one did."""
        return next((turn for turn in self.turns if turn.failure in BREAKS), None)

    def add(self, attempt: TurnAttempt) -> None:
        """Take the answer to the last question."""
        said = attempt.response
        self.turns.append(attempt)
        self.messages.append(
            Message(role="assistant", audio=said.audio if said else None, text=said.text if said else None)
        )

    def outcome(self) -> Work:
        """The work with all answers, and the records of those that are new."""
        return replace(self.work, turns=tuple(self.turns), fresh=tuple(self.fresh))
