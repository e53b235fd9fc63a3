"""The three stages of a conversation: generate, transcribe, judge. No bad sample raises here: it gets a failure.

Each stage first looks at what is stored under its own maker and only does what is missing, so a run resumes at any
step, and a stored run is judged again without its model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from aqaa_eval.core.answers import MAX_ANSWER_S, cut_to_limit, is_too_long
from aqaa_eval.core.attempt import Attempt, Message, Query, Response, Score, Status, TurnAttempt
from aqaa_eval.core.errors import AudioError
from aqaa_eval.core.failure import Failure
from aqaa_eval.core.runlog import QuestionLog
from aqaa_eval.core.runspec import RunSpec
from aqaa_eval.core.sample import Turn
from aqaa_eval.engine.asking import NoAnswer, ask
from aqaa_eval.engine.audio_store import AudioStore
from aqaa_eval.engine.hearing import Listener, Spoken
from aqaa_eval.engine.records import SCORES, Answer, Heard
from aqaa_eval.engine.store import WHOLE
from aqaa_eval.engine.work import Talk, Tools, Work


class Pipeline:
    """The stages, over one run folder's audio."""

    def __init__(self, *, spec: RunSpec, tools: Tools, audio: AudioStore) -> None:
        self._spec = spec
        self._tools = tools
        self._audio = audio

    def generate(self, works: Sequence[Work]) -> list[Work]:
        """Put the turns to the model one by one, with its own earlier answers in the history.

        Several conversations go turn by turn together.
        """
        complete = [self._complete(work) for work in works]
        talks = [Talk(work=work) for work, whole in zip(works, complete, strict=True) if whole is None]
        for index in range(max((talk.n_turns for talk in talks), default=0)):
            self._take_turn([talk for talk in talks if index < talk.n_turns], index)
        spoken = iter(talks)
        return [whole if whole is not None else next(spoken).outcome() for whole in complete]

    def _complete(self, work: Work) -> Work | None:
        """The work with its stored answers if it has them all: then its questions need not be read again."""
        if not work.is_answered:
            return None
        try:
            turns = [self._restore(i, work.stored["generate", i]) for i in range(len(work.job.sample.turns))]
        except AudioError:
            if self._tools.model is None:
                raise
            return None
        return replace(work, turns=tuple(turns), fresh=())

    def _take_turn(self, talks: Sequence[Talk], index: int) -> None:
        """One turn of several conversations: what is stored is taken, the rest is asked, at once where it can be."""
        waiting: list[tuple[Talk, Query]] = []
        for talk in talks:
            work = talk.work
            question, problem, asked = self._question(work.job.sample.turns[index])
            talk.messages.append(question)
            talk.fresh.append(work.record("ask", index, "", asked, QuestionLog))
            stored = self._stored(talk, index)
            broken = talk.broken
            if stored is not None:
                talk.add(stored)
            elif problem:
                self._add(talk, *_broken(index, NoAnswer(failure=Failure.BAD_INPUT, detail=problem)))
            elif broken is not None and broken.failure is not None:
                told = f"not asked: turn {broken.index + 1} of the conversation broke"
                self._add(talk, *_broken(index, NoAnswer(failure=broken.failure, detail=told)))
            else:
                waiting.append((talk, self._query(talk, index)))
        if not waiting:
            return
        assert self._tools.model is not None  # `score` plans only jobs whose answers are stored
        answers = ask(self._tools.model, [query for _, query in waiting])
        for (talk, query), answer in zip(waiting, answers, strict=True):
            if isinstance(answer, NoAnswer):
                self._add(talk, *_broken(index, answer))
            else:
                self._add(talk, *self._accept(index, answer, is_written=query.question.audio is None))

    def _query(self, talk: Talk, index: int) -> Query:
        job = talk.work.job
        return Query(
            key=f"{job.key}#{index}",
            messages=tuple(talk.messages),
            seed=self._spec.seed_of(job.sample.suite, job.sample.id, job.repeat, index),
        )

    def _add(self, talk: Talk, attempt: TurnAttempt, made: Answer) -> None:
        talk.fresh.append(talk.work.record("generate", attempt.index, self._tools.model_identity, made, Answer))
        talk.add(attempt)

    def _stored(self, talk: Talk, index: int) -> TurnAttempt | None:
        """The stored answer. If its sound is lost or damaged, it and all that rests on it are asked again."""
        answer = talk.work.stored.get(("generate", index))
        if answer is None:
            return None
        try:
            return self._restore(index, answer)
        except AudioError:
            if self._tools.model is None:
                raise
            if answer.audio:
                self._audio.discard(answer.audio)
            talk.work = talk.work.without_answers_from(index)
            return None

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

    def transcribe(self, works: Sequence[Work]) -> list[Work]:
        """Let ASR hear every answer that has sound, those of several conversations at once."""
        missing = [
            (place, Spoken(sample=work.job.sample, attempt=turn))
            for place, work in enumerate(works)
            for turn in work.turns
            if _has_sound(turn) and ("transcribe", turn.index) not in work.stored
        ]
        new: list[dict[int, Heard]] = [{} for _ in works]
        if missing and self._tools.transcriber is not None:
            listener = Listener(transcriber=self._tools.transcriber, languages=self._tools.languages)
            found = listener.hear([spoken for _, spoken in missing])
            for (place, spoken), heard in zip(missing, found, strict=True):
                new[place][spoken.attempt.index] = heard
        return [self._with_transcripts(work, heard) for work, heard in zip(works, new, strict=True)]

    def _with_transcripts(self, work: Work, new: Mapping[int, Heard]) -> Work:
        fresh = [
            work.record("transcribe", index, self._tools.asr_identity, heard, Heard) for index, heard in new.items()
        ]
        turns: list[TurnAttempt] = []
        for attempt in work.turns:
            heard = work.stored.get(("transcribe", attempt.index)) or new.get(attempt.index)
            if heard is not None:
                attempt = replace(
                    attempt,
                    transcript=heard.transcript,
                    failure=attempt.failure or heard.failure,
                    detail=attempt.detail or heard.detail,
                )
            turns.append(attempt)
        return replace(work, turns=tuple(turns), fresh=tuple(fresh))

    def judge(self, works: Sequence[Work]) -> list[Work]:
        """Score the conversations."""
        return [self._judged(work) for work in works]

    def _judged(self, work: Work) -> Work:
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


def _broken(index: int, why: NoAnswer) -> tuple[TurnAttempt, Answer]:
    made = Answer(
        audio=None, duration_s=None, text=None, timing=None, finish=None, failure=why.failure, detail=why.detail
    )
    return TurnAttempt(index=index, response=None, failure=why.failure, detail=why.detail), made


def _has_sound(attempt: TurnAttempt) -> bool:
    return (
        attempt.response is not None
        and attempt.response.audio is not None
        and not (attempt.failure is not None and attempt.failure.is_no_answer)
    )
