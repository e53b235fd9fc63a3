"""A worker's place on a cluster: it makes the tools of one stage once, then passes batches of jobs through it.

Nothing here knows the cluster: the pipeline that calls it does.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from aqaa_eval.core.protocols import Stage
from aqaa_eval.engine.executors.ledger import Taken
from aqaa_eval.engine.records import KINDS, decode
from aqaa_eval.engine.store import Record
from aqaa_eval.engine.work import Work


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """One stage, ready to work in this process.

    Attributes:
        identity: of the tool: model, transcriber or judge.
        stage: its work, with how much it takes at once.
        sync: makes durable the sound that the stage stored.
        versions: of packages, where the tool runs in another interpreter.
    """

    identity: str
    stage: Stage[Work]
    sync: Callable[[], None]
    versions: dict[str, str]


Workshop = Callable[[str], Bench]
"""Makes the bench of a stage by its name; it has to be picklable, since the workers call it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Passed:
    """A job between two stages, or after the last one.

    Attributes:
        number: of the job in the ledger.
        work: with the answers' sound until the last stage is passed.
        records: all that the stages made so far.
    """

    number: int
    work: Work
    records: tuple[Record, ...]

    def dump(self) -> bytes:
        """As bytes for the next worker."""
        return pickle.dumps(self, protocol=pickle.HIGHEST_PROTOCOL)

    def without_sound(self) -> Passed:
        """What the driver needs of it."""
        turns = tuple(replace(turn, response=None, transcript=None) for turn in self.work.turns)
        return replace(self, work=replace(self.work, turns=turns, stored={}, fresh=()))


def begin(number: int, taken: Taken) -> tuple[Passed, bool]:
    """A job from the ledger, with the answers that a lost worker left; True if there are some."""
    work: Work = pickle.loads(taken.body)
    left = {(record.step, record.turn): decode(record.body, KINDS[record.step]) for record in taken.answers}
    work = replace(work, stored={**work.stored, **left})
    return Passed(number=number, work=work, records=taken.answers), bool(left)


def apply(bench: Bench, jobs: Sequence[Passed]) -> list[Passed]:
    """Pass jobs through the bench's stage, in its batches and as many at once as it takes; then make them durable."""
    size = bench.stage.batch
    parts = [jobs[start : start + size] for start in range(0, len(jobs), size)]
    with ThreadPoolExecutor(max(1, min(bench.stage.width, len(parts)))) as pool:
        done = list(pool.map(lambda part: bench.stage.work([job.work for job in part]), parts))
    bench.sync()
    works = [work for part in done for work in part]
    return [
        replace(job, work=replace(work, fresh=()), records=(*job.records, *work.fresh))
        for job, work in zip(jobs, works, strict=True)
    ]
