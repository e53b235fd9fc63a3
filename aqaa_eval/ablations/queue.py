"""All arms over all conversations in one queue: a conversation is put to every arm before the next one is.

So whenever it stops, what is there is paired; the same command goes on, and nothing is done twice. Arms that share
their answers pass as one: the answer is made once, each ear hears it once, each judge scores what its ear heard.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace

from aqaa_eval.core.failure import Failure
from aqaa_eval.core.protocols import Executor, Stage
from aqaa_eval.engine.audio_store import AudioStore
from aqaa_eval.engine.pipeline import Pipeline
from aqaa_eval.engine.plan import Job
from aqaa_eval.engine.run import Progress, RunRequest, first_interrupt_finishes, makers_of, opened, resume_job
from aqaa_eval.engine.store import Store
from aqaa_eval.engine.work import Work


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """One conversation on its way through the arms that share its answers.

    Attributes:
        lane: number of the lane.
        works: one per arm of the lane.
    """

    lane: int
    works: tuple[Work, ...]


class Lane:
    """Arms that share their answers, over one store."""

    def __init__(self, requests: Sequence[RunRequest], jobs: Sequence[Job], store: Store) -> None:
        """Make the pipelines.

        Args:
            requests: one per arm; the first one's folder holds the answers.
            jobs: the plan, the same for all.
            store: of the first one's folder.
        """
        self.jobs, self.store = jobs, store
        self.audio = AudioStore(requests[0].folder.audio)
        self.tools = [request.tools for request in requests]
        self._pipelines = [Pipeline(spec=each.spec, tools=each.tools, audio=self.audio) for each in requests]
        self._makers = [makers_of(each.model_identity, each.asr_identity, each.judge_maker) for each in self.tools]

    def resume(self, lane: int, job: Job) -> Bundle:
        """What is stored of a conversation, for each arm."""
        return Bundle(lane=lane, works=tuple(resume_job(job, self.store, makers) for makers in self._makers))

    def generate(self, bundles: Sequence[Bundle]) -> list[Bundle]:
        """Answers, made by the first arm for all."""
        firsts = self._pipelines[0].generate([bundle.works[0] for bundle in bundles])
        return [
            replace(bundle, works=(first, *(replace(work, turns=first.turns, fresh=()) for work in bundle.works[1:])))
            for bundle, first in zip(bundles, firsts, strict=True)
        ]

    def transcribe(self, bundles: Sequence[Bundle]) -> list[Bundle]:
        """What each ear hears; arms with the same ear share it."""
        heard: dict[str, list[Work]] = {}
        columns = []
        for place, tools in enumerate(self.tools):
            works = [replace(bundle.works[place], fresh=()) for bundle in bundles]
            known = heard.get(tools.asr_identity)
            if known is not None:
                works = [replace(work, turns=one.turns) for work, one in zip(works, known, strict=True)]
            elif tools.transcriber is not None:
                works = heard[tools.asr_identity] = list(self._pipelines[place].transcribe(works))
            columns.append(works)
        return _rows(bundles, columns)

    def judge(self, bundles: Sequence[Bundle]) -> list[Bundle]:
        """Scores; arms that are measured alike in every part share them."""
        scored: set[str] = set()
        columns = []
        for place, tools in enumerate(self.tools):
            works = [replace(bundle.works[place], fresh=()) for bundle in bundles]
            if tools.judge_maker not in scored:
                scored.add(tools.judge_maker)
                works = list(self._pipelines[place].judge(works))
            columns.append(works)
        return _rows(bundles, columns)


def _rows(bundles: Sequence[Bundle], columns: Sequence[Sequence[Work]]) -> list[Bundle]:
    return [replace(bundle, works=works) for bundle, works in zip(bundles, zip(*columns, strict=True), strict=True)]


def drive(groups: Sequence[Sequence[RunRequest]], *, executor: Executor[Bundle], progress: Progress) -> bool:
    """Do what is missing of all arms, and leave every folder complete.

    Args:
        groups: arms that share their answers stand together, the owner of the folder first.
        executor: runs the stages.
        progress: is told of what is durable.

    Returns:
        Whether the user stopped it.

    Raises:
        UsageError: a folder belongs to another spec or process, or cannot be written.
        DataError: a store is damaged or the disk is full.
    """
    with ExitStack() as stack:
        lanes = [_open(group, stack) for group in groups]
        todo, n_jobs = _todo(lanes)
        progress.begin(n_jobs=n_jobs, n_stored=n_jobs - len(todo))
        with first_interrupt_finishes() as stopping:
            executor.run(
                (lanes[number].resume(number, job) for number, job in todo),
                _stages(lanes),
                done=_committer(lanes, progress),
                stopping=stopping,
                size_of=lambda bundle: bundle.works[0].n_bytes,
            )
            return stopping()


def _open(group: Sequence[RunRequest], stack: ExitStack) -> Lane:
    jobs, store = stack.enter_context(opened(group[0]))
    for request in group[1:]:
        stack.enter_context(opened(request))
    return Lane(group, jobs, store)


def _todo(lanes: Sequence[Lane]) -> tuple[list[tuple[int, Job]], int]:
    """What is left, conversation by conversation, and how many there are in all."""
    rows: dict[str, list[tuple[int, Job]]] = {}
    for number, lane in enumerate(lanes):
        for job in lane.jobs:
            rows.setdefault(job.key, []).append((number, job))
    every = [item for row in rows.values() for item in row]
    left = [item for item in every if not all(work.is_judged for work in lanes[item[0]].resume(*item).works)]
    return left, len(every)


def _stages(lanes: Sequence[Lane]) -> list[Stage[Bundle]]:
    tools = [each for lane in lanes for each in lane.tools]
    # One model may take one conversation at a time, and a thread does not choose whose conversation it gets.
    width, batch = min(each.model_width for each in tools), max(each.model_batch for each in tools)
    judge_width = max(each.judge_width for each in tools)
    return [
        Stage(name="generate", work=_by_lane(lanes, Lane.generate), width=width, batch=batch),
        Stage(name="transcribe", work=_by_lane(lanes, Lane.transcribe), batch=max(each.asr_batch for each in tools)),
        Stage(name="judge", work=_by_lane(lanes, Lane.judge), width=judge_width),
    ]


_Step = Callable[[Lane, Sequence[Bundle]], list[Bundle]]


def _by_lane(lanes: Sequence[Lane], step: _Step) -> Callable[[Sequence[Bundle]], list[Bundle]]:
    """A stage over bundles of any lanes, which keeps their order."""

    def work(bundles: Sequence[Bundle]) -> list[Bundle]:
        made: dict[int, Iterator[Bundle]] = {}
        for number in dict.fromkeys(bundle.lane for bundle in bundles):
            made[number] = iter(step(lanes[number], [bundle for bundle in bundles if bundle.lane == number]))
        return [next(made[bundle.lane]) for bundle in bundles]

    return work


def _committer(lanes: Sequence[Lane], progress: Progress) -> Callable[[Sequence[tuple[int, Bundle]]], None]:
    names = ("generate", "transcribe", "judge")

    def commit(outcomes: Sequence[tuple[int, Bundle]]) -> None:
        fresh: dict[int, list[Bundle]] = {}
        for _, bundle in outcomes:
            fresh.setdefault(bundle.lane, []).append(bundle)
        for number, bundles in fresh.items():
            lanes[number].audio.sync()
            lanes[number].store.commit(record for bundle in bundles for work in bundle.works for record in work.fresh)
        for number, bundle in outcomes:
            progress.advance(names[number], _failures(bundle) if names[number] == "judge" else [])

    return commit


def _failures(bundle: Bundle) -> list[Failure]:
    first = bundle.works[0]
    return [
        *(turn.failure for turn in first.turns if turn.failure),
        *(kind for work in bundle.works for kind in work.lost),
    ]


def grouped(requests: Mapping[str, RunRequest], owners: Mapping[str, str]) -> list[list[RunRequest]]:
    """Requests by the arm that owns their answers.

    Args:
        requests: by arm.
        owners: by arm; an owner stands before those who share with it.
    """
    groups: dict[str, list[RunRequest]] = {}
    for arm, request in requests.items():
        groups.setdefault(owners[arm], []).append(request)
    return list(groups.values())
