"""One run: plan, resume, drive the stages, commit. The only place where records are written."""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from types import FrameType
from typing import Any, Protocol

from aqaa_eval.core.failure import Failure
from aqaa_eval.core.protocols import Executor, Stage, Suite
from aqaa_eval.core.runlog import Manifest
from aqaa_eval.core.runspec import RunSpec
from aqaa_eval.engine.folder import RunFolder
from aqaa_eval.engine.pipeline import Pipeline, lacks_verdict
from aqaa_eval.engine.plan import Job, count_plan, find_not_run, make_plan
from aqaa_eval.engine.records import KINDS, decode
from aqaa_eval.engine.remote_audio import open_audio
from aqaa_eval.engine.store import WHOLE, Store
from aqaa_eval.engine.work import BREAKS, Tools, Work


class Progress(Protocol):
    """Watches a run; told only of what is already durable."""

    def begin(self, *, n_jobs: int, n_stored: int) -> None:
        """The plan is made."""
        ...

    def advance(self, stage: str, failures: Sequence[Failure]) -> None:
        """One conversation has passed a stage."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a run.

    Attributes:
        n_planned: conversations times repeats.
        n_stored: of them, those that were complete before.
        n_finished: complete now.
        failures: turns by kind of failure, of this call; a judge that could not be reached counts per conversation.
        interrupted: True if the user stopped it.
        n_damaged: stored records that the disk had changed; they were made anew.
    """

    n_planned: int
    n_stored: int
    n_finished: int
    failures: Mapping[Failure, int]
    interrupted: bool
    n_damaged: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """All that a run needs."""

    spec: RunSpec
    suites: Sequence[Suite]
    tools: Tools
    manifest: Manifest
    folder: RunFolder
    only_stored: bool = False


def run(request: RunRequest, *, executor: Executor[Work], progress: Progress) -> Outcome:
    """Do what is missing of a run, and leave the folder complete.

    Raises:
        UsageError: the folder belongs to another spec or process, or cannot be written.
        DataError: the store is damaged or the disk is full; all that was reported done is kept.
    """
    with opened(request) as (jobs, store):
        return _drive(request, jobs, store, executor, progress)


@contextmanager
def opened(request: RunRequest) -> Iterator[tuple[list[Job], Store]]:
    """The run's folder, held against others and with its head written: the plan and the store.

    Raises:
        UsageError, DataError: as `run`.
    """
    folder = request.folder
    folder.create()
    with folder.held():
        folder.refuse_other_spec(request.spec)
        if not request.only_stored:
            folder.refuse_other_data(request.manifest.suites)
        shard = request.manifest.shard
        folder.refuse_other_shard(shard)
        folder.refuse_other_audio_store(request.manifest.audio_store)
        jobs = make_plan(request.spec, request.suites, shard)
        if shard is not None:
            shard = replace(shard, n_whole=count_plan(request.spec, request.suites))
        folder.write_head(
            spec=request.spec,
            manifest=replace(request.manifest, shard=shard),
            cards={suite.card.id: suite.card for suite in request.suites},
            n_planned=len(jobs),
            not_run=find_not_run(request.spec, request.suites, shard),
        )
        store = Store(folder.database)
        try:
            store.mend()
            yield jobs, store
        finally:
            store.close()


def _drive(
    request: RunRequest, jobs: Sequence[Job], store: Store, executor: Executor[Work], progress: Progress
) -> Outcome:
    audio = open_audio(request.folder.audio, request.manifest.audio_store)
    pipeline = Pipeline(spec=request.spec, tools=request.tools, audio=audio)
    makers = makers_of(request.tools.model_identity, request.tools.asr_identity, request.tools.judge_maker)
    stages = stages_of(pipeline, request.tools)
    todo: list[Job] = []
    for job in jobs:
        work = resume_job(job, store, makers)
        if not work.is_judged and (work.is_answered or not request.only_stored):
            todo.append(job)
    n_stored = len(jobs) - len(todo)
    progress.begin(n_jobs=len(jobs), n_stored=n_stored)
    failures: Counter[Failure] = Counter()
    n_finished = 0

    def commit(outcomes: Sequence[tuple[int, Work]]) -> None:
        nonlocal n_finished
        audio.sync()
        store.commit(record for _, work in outcomes for record in work.fresh)
        for number, work in outcomes:
            is_last = number == len(stages) - 1
            kinds = [*(turn.failure for turn in work.turns if turn.failure), *work.lost] if is_last else []
            failures.update(kinds)
            n_finished += is_last
            progress.advance(stages[number].name, kinds)

    with first_interrupt_finishes() as stopping:
        works = (resume_job(job, store, makers) for job in todo)
        executor.run(works, stages, done=commit, stopping=stopping, size_of=lambda work: work.n_bytes)
        interrupted = stopping()
    return Outcome(
        n_planned=len(jobs),
        n_stored=n_stored,
        n_finished=n_stored + n_finished,
        failures=failures,
        interrupted=interrupted,
        n_damaged=store.n_mended,
    )


def stages_of(pipeline: Pipeline, tools: Tools) -> list[Stage[Work]]:
    """The stages with what their tools take at once."""
    generate = Stage(name="generate", work=pipeline.generate, width=tools.model_width, batch=tools.model_batch)
    transcribe = Stage(name="transcribe", work=pipeline.transcribe, batch=tools.asr_batch)
    judge = Stage(name="judge", work=pipeline.judge, width=tools.judge_width)
    # A thread that only hands on costs more than the rest of the engine.
    return [generate, transcribe, judge] if tools.transcriber is not None else [generate, judge]


def makers_of(model: str, asr: str, judge: str) -> dict[str, str]:
    """Whose records count, by step."""
    return {"ask": "", "generate": model, "transcribe": asr, "judge": judge}


def resume_job(job: Job, store: Store, makers: Mapping[str, str]) -> Work:
    """What is stored of a job. A turn that broke is asked again, and with it all that rests on it."""
    records = store.of_job(job.sample.suite, job.sample.id, job.repeat)
    if not records:
        return Work(job=job, stored={})
    stored = {(r.step, r.turn): decode(r.body, KINDS[r.step]) for r in records if r.maker == makers[r.step]}
    return Work(job=job, stored=_without_breaks(stored))


def _without_breaks(stored: dict[tuple[str, int], Any]) -> dict[tuple[str, int], Any]:
    asks_again = {turn for (step, turn), value in stored.items() if step == "generate" and value.failure in BREAKS}
    hears_again = {
        turn for (step, turn), value in stored.items() if step == "transcribe" and value.failure is Failure.ASR_FAILED
    }
    if not asks_again and not hears_again:
        return _without_lost_verdict(stored)
    return {
        (step, turn): value
        for (step, turn), value in stored.items()
        if step == "ask"
        or (step != "judge" and turn not in (asks_again | hears_again if step == "transcribe" else asks_again))
    }


def _without_lost_verdict(stored: dict[tuple[str, int], Any]) -> dict[tuple[str, int], Any]:
    if lacks_verdict(stored.get(("judge", WHOLE), ())):
        del stored["judge", WHOLE]
    return stored


@contextmanager
def first_interrupt_finishes() -> Iterator[Callable[[], bool]]:
    """The first Ctrl-C lets what is in flight finish; the second one leaves at once."""
    stopped = False

    def handle(_number: int, _frame: FrameType | None) -> None:
        nonlocal stopped
        if stopped:
            raise KeyboardInterrupt
        stopped = True

    try:
        before = signal.signal(signal.SIGINT, handle)
    except ValueError:  # not in the main thread: the caller owns the signals
        yield lambda: False
        return
    try:
        yield lambda: stopped
    finally:
        signal.signal(signal.SIGINT, before)
