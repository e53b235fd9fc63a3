"""The three stages of one conversation: generate, transcribe, judge. No bad sample raises here: it gets a failure.

Each stage first looks at what is stored under its own maker and only does what is missing, so a run resumes at any
step, and a stored run is judged again without its model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from aqaa_eval.core.answers import MAX_ANSWER_S, checked_response, cut_to_limit, is_too_long
from aqaa_eval.core.attempt import Attempt, Message, Query, Response, Score, Status, TurnAttempt
from aqaa_eval.core.audio import Audio
from aqaa_eval.core.errors import AudioError, ModelTimeout
from aqaa_eval.core.failure import Failure
from aqaa_eval.core.protocols import Judge, SpeechModel, Transcriber
from aqaa_eval.core.runlog import QuestionLog
from aqaa_eval.core.runspec import RunSpec
from aqaa_eval.core.sample import Turn
from aqaa_eval.engine.audio_store import AudioStore
from aqaa_eval.engine.hearing import Listener
from aqaa_eval.engine.plan import Job
from aqaa_eval.engine.records import SCORES, Answer, Heard, encode
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
    def judge_width(self) -> int:
        """Conversations that the judge takes at once: more than one if it waits for servers."""
        return int(getattr(self.judge, "concurrency", 1))

    @property
    def judge_maker(self) -> str:
        """Maker of scores: a verdict rests on the transcript too."""
        return f"{self.judge.identity} on {self.asr_identity}"


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
        """True if every turn has a stored answer."""
        return all(("generate", index) in self.stored for index in range(len(self.job.sample.turns)))

    @property
    def is_judged(self) -> bool:
        """True if nothing is left to do."""
        return self.is_answered and ("judge", WHOLE) in self.stored

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


class Pipeline:
    """The stages, over one run folder's audio."""

    def __init__(self, *, spec: RunSpec, tools: Tools, audio: AudioStore) -> None:
        self._spec = spec
        self._tools = tools
        self._audio = audio

    def generate(self, work: Work) -> Work:
        """Put the turns to the model one by one, with its own earlier answers in the history."""
        fresh: list[Record] = []
        turns: list[TurnAttempt] = []
        messages: list[Message] = []
        if work.is_answered:  # questions need not be read again
            restored = (self._restore(i, work.stored["generate", i]) for i in range(len(work.job.sample.turns)))
            return replace(work, turns=tuple(restored), fresh=())
        for index, turn in enumerate(work.job.sample.turns):
            question, problem, asked = self._question(turn)
            fresh.append(work.record("ask", index, "", asked, QuestionLog))
            answer = work.stored.get(("generate", index))
            if answer is not None:
                attempt = self._restore(index, answer)
            else:
                attempt, made = self._first_answer(work, index, messages, question, problem, turns)
                fresh.append(work.record("generate", index, self._tools.model_identity, made, Answer))
            turns.append(attempt)
            said = attempt.response
            messages += [
                question,
                Message(role="assistant", audio=said.audio if said else None, text=said.text if said else None),
            ]
        return replace(work, turns=tuple(turns), fresh=tuple(fresh))

    def _question(self, turn: Turn) -> tuple[Message, str, QuestionLog]:
        """The question as the model gets it, what is wrong with it if anything is, and its entry in the log."""
        name, audio, problem = None, None, ""
        try:
            if turn.audio is not None:
                encoded = turn.audio.read_bytes()
                audio = turn.audio.decode(encoded)
                name = self._audio.put_question(turn.audio, encoded)
        except AudioError as error:
            problem = str(error)
        asked = QuestionLog(
            audio=name,
            text=turn.text,
            language=turn.language,
            answer_language=turn.answer_language,
            reference=turn.reference,
            rubric=turn.rubric,
            voice=turn.voice,
        )
        # The words of a spoken question stay here: the model hears it, or reads a written one.
        return Message(role="user", audio=audio, text=turn.text if turn.audio is None else None), problem, asked

    def _first_answer(
        self,
        work: Work,
        index: int,
        messages: list[Message],
        question: Message,
        problem: str,
        earlier: list[TurnAttempt],
    ) -> tuple[TurnAttempt, Answer]:
        broken = next((turn for turn in earlier if turn.failure in BREAKS), None)
        if problem:
            return _broken(index, Failure.BAD_INPUT, problem)
        if broken is not None and broken.failure is not None:
            return _broken(index, broken.failure, f"not asked: turn {broken.index + 1} of the conversation broke")
        assert self._tools.model is not None  # `score` plans only jobs whose answers are stored
        sample = work.job.sample
        query = Query(
            key=f"{work.job.key}#{index}",
            messages=(*messages, question),
            seed=self._spec.seed_of(sample.suite, sample.id, work.job.repeat, index),
        )
        try:
            response = checked_response(self._tools.model.answer(query))
        except ModelTimeout as error:
            return _broken(index, Failure.TIMEOUT, str(error))
        except Exception as error:  # a model may raise anything: it is one failed answer, told with its reason
            return _broken(index, Failure.MODEL_ERROR, f"{type(error).__name__}: {error}")
        return self._accept(index, response, is_written=question.audio is None)

    def _accept(self, index: int, response: Response, *, is_written: bool) -> tuple[TurnAttempt, Answer]:
        failure, detail, name = None, "", None
        was_cut, response = is_too_long(response), cut_to_limit(response)
        if response.audio is None or not len(response.audio.samples):
            if not (is_written and response.text):  # a written question may have a written answer
                failure, detail = Failure.NO_AUDIO, "the model gave no sound"
            response = replace(response, audio=None)
        else:
            response = replace(response, audio=response.audio.as_stored())
            assert response.audio is not None
            failure = self._tools.guard(response.audio)
            detail = f"the answer's sound is {failure}" if failure else ""
            if was_cut and failure is None:
                failure, detail = Failure.TRUNCATED, f"longer than {MAX_ANSWER_S:.0f} s: only that much of it was kept"
            name = self._audio.put(response.audio)
        made = Answer(
            audio=name,
            duration_s=response.audio.duration_s if response.audio else None,
            text=response.text,
            timing=response.timing,
            finish=response.finish,
            failure=failure,
            detail=detail,
        )
        return TurnAttempt(index=index, response=response, failure=failure, detail=detail), made

    def _restore(self, index: int, answer: Answer) -> TurnAttempt:
        response = None
        if answer.timing is not None and answer.finish is not None:
            audio = self._audio.get(answer.audio) if answer.audio else None
            response = Response(audio=audio, text=answer.text, timing=answer.timing, finish=answer.finish)
        return TurnAttempt(index=index, response=response, failure=answer.failure, detail=answer.detail)

    def transcribe(self, work: Work) -> Work:
        """Let ASR hear every answer that has sound."""
        fresh: list[Record] = []
        turns: list[TurnAttempt] = []
        missing = [turn for turn in work.turns if _has_sound(turn) and ("transcribe", turn.index) not in work.stored]
        new: dict[int, Heard] = {}
        if missing and self._tools.transcriber is not None:
            listener = Listener(transcriber=self._tools.transcriber, languages=self._tools.languages)
            new = listener.hear(work.job.sample, missing)
        for attempt in work.turns:
            heard = work.stored.get(("transcribe", attempt.index)) or new.get(attempt.index)
            if attempt.index in new:
                fresh.append(work.record("transcribe", attempt.index, self._tools.asr_identity, heard, Heard))
            if heard is not None:
                attempt = replace(
                    attempt,
                    transcript=heard.transcript,
                    failure=attempt.failure or heard.failure,
                    detail=attempt.detail or heard.detail,
                )
            turns.append(attempt)
        return replace(work, turns=tuple(turns), fresh=tuple(fresh))

    def judge(self, work: Work) -> Work:
        """Score the conversation."""
        if ("judge", WHOLE) in work.stored:
            return replace(work, fresh=())
        attempt = Attempt(sample=work.job.sample, repeat=work.job.repeat, turns=work.turns)
        try:
            scores = self._tools.judge.judge(attempt)
        except Exception as error:  # a judge that breaks loses its verdict, not the run
            reason = f"the judge broke: {type(error).__name__}: {error}"
            scores = (
                Score(metric="mos", value=None, status=Status.FAILED, reason=reason, judge=self._tools.judge.identity),
            )
        record = work.record("judge", WHOLE, self._tools.judge_maker, scores, SCORES)
        lost = (Failure.JUDGE_UNREACHABLE,) if lacks_verdict(scores) else ()
        return replace(work, fresh=(record,), lost=lost)


def lacks_verdict(scores: Sequence[Score]) -> bool:
    """True if a judge could not be reached, or its budget was spent: the same command asks it again."""
    return any(score.status is Status.FAILED and score.failure is Failure.JUDGE_UNREACHABLE for score in scores)


def _broken(index: int, failure: Failure, detail: str) -> tuple[TurnAttempt, Answer]:
    made = Answer(audio=None, duration_s=None, text=None, timing=None, finish=None, failure=failure, detail=detail)
    return TurnAttempt(index=index, response=None, failure=failure, detail=detail), made


def _has_sound(attempt: TurnAttempt) -> bool:
    return (
        attempt.response is not None
        and attempt.response.audio is not None
        and not (attempt.failure is not None and attempt.failure.is_no_answer)
    )
