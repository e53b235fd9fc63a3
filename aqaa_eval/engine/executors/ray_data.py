"""The stages as a Ray Data pipeline: a pool of actors for each, on as many machines as the cluster has.

Workers make their own tools, once, and write the sound themselves; records travel with the job and are committed by the
driver, which is the only one that writes to the store. A worker or a machine that is lost is made up for by Ray; the
answers that it had made are in the ledger (see there). If the driver is lost, the same command goes on from the store.

Ray is an extra (`pip install 'aqaa-eval[ray]'`) and is loaded when a run begins.
"""

from __future__ import annotations

import logging
import os
import pickle
import queue
import re
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

import numpy as np

from aqaa_eval.core.errors import AqaaError, MissingWeights, ModelError, UnknownName, UsageError
from aqaa_eval.core.protocols import Stage
from aqaa_eval.engine.executors.bench import Bench, Passed, Workshop, apply, begin
from aqaa_eval.engine.executors.ledger import Ledger
from aqaa_eval.engine.executors.resources import StageResources
from aqaa_eval.engine.store import Record
from aqaa_eval.engine.work import Work

WINDOW = 100_000
"""Jobs per pipeline: their descriptions (some kilobytes each) are in the memory of the driver's machine."""
MAX_BLOCKS = 20_000
COLLECT_S = 0.5
"""How often the driver asks the ledger for answers to commit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterSettings:
    """Where the pipeline runs.

    Attributes:
        address: of the cluster, such as "auto" or "10.0.0.1:6379"; "" starts one on this machine, or uses RAY_ADDRESS.
        stages: resources by stage name.
    """

    address: str = ""
    stages: Mapping[str, StageResources] = field(default_factory=dict)

    def of(self, stage: str) -> StageResources:
        """Resources of a stage."""
        return self.stages.get(stage, StageResources())


@contextmanager
def connected(settings: ClusterSettings) -> Iterator[None]:
    """A connection to the cluster.

    Raises:
        MissingWeights: Ray is not installed.
        UsageError: there is no cluster at the address.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing goes out that nobody asked for
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise MissingWeights("--executor ray needs Ray: pip install 'aqaa-eval[ray]', on every node") from error
    try:
        ray.init(
            address=settings.address or "local",  # without one Ray looks for a cluster that may have died
            include_dashboard=None if settings.address else False,
            log_to_driver=False,
            logging_level=logging.WARNING,
        )
    except Exception as error:  # Ray raises bare ones here
        where = f"no cluster answers at {settings.address}" if settings.address else "no cluster could be started here"
        raise UsageError(f"--executor ray: {where} ({' '.join(str(error).split())[:300]})") from error
    ray.data.DataContext.get_current().enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.WARNING)
    try:
        yield
    finally:
        ray.shutdown()


@dataclass(frozen=True, slots=True, kw_only=True)
class Identified:
    """What a worker says of the tool that it made.

    Attributes:
        likes: jobs that it takes at once.
    """

    identity: str
    versions: dict[str, str]
    likes: int


def identify(workshop: Workshop, settings: ClusterSettings, stages: Sequence[str]) -> dict[str, Identified]:
    """Have one worker of each stage make its tool, and ask what it is; the driver needs none of them then.

    Raises:
        AqaaError: what the tool raised.
    """
    import ray

    _warn_if_too_small(settings, stages)
    asked = {}
    for name in stages:
        given = settings.of(name)
        task = ray.remote(_identify).options(num_cpus=given.cpus, num_gpus=given.gpus, max_retries=2)
        asked[name] = task.remote(workshop, name)
    try:
        return {name: ray.get(reference) for name, reference in asked.items()}
    except ray.exceptions.RayError as error:
        raise _own(error) from error


def _identify(workshop: Workshop, name: str) -> Identified:
    bench = _make(workshop, name)
    return Identified(identity=bench.identity, versions=bench.versions, likes=bench.stage.batch * bench.stage.width)


class RayExecutor:
    """Runs the stages by name on a cluster; see `connected`."""

    def __init__(self, workshop: Workshop, settings: ClusterSettings, known: Mapping[str, Identified]) -> None:
        """Make it.

        Args:
            workshop: makes the stages' tools in the workers.
            settings: resources.
            known: what `identify` found: a worker that makes another tool is refused.
        """
        self._workshop, self._settings, self._known = workshop, settings, known

    def run(
        self,
        jobs: Iterable[Work],
        stages: Sequence[Stage[Work]],
        *,
        done: Callable[[Sequence[tuple[int, Work]]], None],
        stopping: Callable[[], bool],
        size_of: Callable[[Work], int] = lambda _work: 0,
    ) -> None:
        """Put every job through the stages; of these only the names count, the workers make their own.

        Raises:
            AqaaError: a worker could not make its tool, or the pipeline broke.
        """
        source = iter(jobs)
        while not stopping() and (window := list(islice(source, WINDOW))):
            _Pass(self, [stage.name for stage in stages], window).drive(done, stopping)

    def pipeline(self, names: Sequence[str], ledger: Any, n_jobs: int) -> Any:
        """The Ray data set whose rows are the finished jobs."""
        import ray

        first = self._batch(names[0])
        rows = max(first, -(-n_jobs // MAX_BLOCKS))
        # Not `range`, whose tasks would want a core of their own.
        numbers = [{"id": number} for number in range(n_jobs)]
        data = ray.data.from_items(numbers, override_num_blocks=-(-n_jobs // rows))
        for place, name in enumerate(names):
            given = self._settings.of(name)
            data = data.map_batches(
                _Worker,
                fn_constructor_args=(
                    self._workshop,
                    name,
                    self._known[name].identity,
                    ledger if place == 0 else None,
                    place == len(names) - 1,
                ),
                batch_size=self._batch(name),
                batch_format="numpy",
                compute=ray.data.ActorPoolStrategy(
                    min_size=given.min_workers, max_size=given.max_workers, max_tasks_in_flight_per_actor=2
                ),
                num_cpus=given.cpus,
                num_gpus=given.gpus or None,
            )
        return data

    def _batch(self, name: str) -> int:
        return self._settings.of(name).batch or self._known[name].likes


class _Worker:
    """An actor of one stage's pool."""

    def __init__(self, workshop: Workshop, name: str, identity: str, ledger: Any, is_last: bool) -> None:
        self._bench = _make(workshop, name)
        if self._bench.identity != identity:
            raise UsageError(
                f"{name}: one worker has {identity}, another {self._bench.identity}; "
                "all nodes need the same weights and version"
            )
        self._ledger, self._is_last = ledger, is_last

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        if self._ledger is not None:
            jobs = self._answer([int(number) for number in batch["id"]])
        else:
            jobs = apply(self._bench, [pickle.loads(body) for body in batch["body"]])
        if self._is_last:
            jobs = [job.without_sound() for job in jobs]
        # An array of bytes objects: numpy's own bytes lose their trailing zeros.
        bodies = np.empty(len(jobs), object)
        bodies[:] = [job.dump() for job in jobs]
        return {"body": bodies}

    def _answer(self, numbers: list[int]) -> list[Passed]:
        """The first stage: take the jobs from the ledger, and leave the answers there."""
        import ray

        taken = ray.get(self._ledger.take.remote(numbers))
        begun = [begin(number, one) for number, one in zip(numbers, taken, strict=True) if one is not None]
        # Answers that a lost worker left are read back; they carry their records already.
        jobs = apply(self._bench, [job for job, _ in begun])
        jobs = [replace(job, records=old.records) if has else job for job, (old, has) in zip(jobs, begun, strict=True)]
        kept = ray.get(self._ledger.keep.remote([(job.number, job.records) for job in jobs]))
        if all(job.records == records for job, records in zip(jobs, kept, strict=True)):
            return jobs
        return self._answer(numbers)  # another worker was faster with one of them: its answer is the one that counts


class _Pass:
    """One window of jobs on its way: what the driver knows of it."""

    def __init__(self, executor: RayExecutor, names: Sequence[str], window: Sequence[Work]) -> None:
        self._executor, self._names, self._window = executor, names, window
        self._answered: set[int] = set()
        self._finished: queue.SimpleQueue[list[Passed] | BaseException | None] = queue.SimpleQueue()

    def drive(self, done: Callable[[Sequence[tuple[int, Work]]], None], stopping: Callable[[], bool]) -> None:
        ledger = _start_ledger(self._window)
        reader = threading.Thread(target=self._read, args=(ledger,), daemon=True)
        reader.start()
        is_open, is_stopped, next_s = True, False, time.monotonic() + COLLECT_S
        while is_open:
            try:
                found = self._finished.get(timeout=max(0.0, next_s - time.monotonic()))
            except queue.Empty:
                found = []
            if isinstance(found, BaseException):
                self._commit_answers(ledger, done)
                raise _own(found) from found
            is_open = found is not None
            if found:
                done([outcome for job in found for outcome in self._outcomes(job)])
                ledger.forget.remote([job.number for job in found])
            if time.monotonic() >= next_s:
                self._commit_answers(ledger, done)
                next_s = time.monotonic() + COLLECT_S
            if stopping() and not is_stopped:
                ledger.stop.remote()
                is_stopped = True
        self._commit_answers(ledger, done)

    def _read(self, ledger: Any) -> None:
        """In a thread of its own: the pipeline blocks until the next job is through."""
        try:
            data = self._executor.pipeline(self._names, ledger, len(self._window))
            for batch in data.iter_batches(batch_size=None, batch_format="numpy", prefetch_batches=0):
                self._finished.put([pickle.loads(body) for body in batch.get("body", ())])
            self._finished.put(None)
        except BaseException as error:
            self._finished.put(error)

    def _commit_answers(self, ledger: Any, done: Callable[[Sequence[tuple[int, Work]]], None]) -> None:
        """Commit answers of jobs that are still on their way."""
        import ray

        answers: list[tuple[int, tuple[Record, ...]]] = ray.get(ledger.collect.remote())
        new = [(number, records) for number, records in answers if number not in self._answered]
        self._answered.update(number for number, _ in new)
        if new:
            done([(0, replace(self._window[number], fresh=records)) for number, records in new])

    def _outcomes(self, job: Passed) -> list[tuple[int, Work]]:
        """The stages of a finished job that were not told yet; all its records go with the last one."""
        first = 1 if job.number in self._answered else 0
        self._answered.add(job.number)
        bare = replace(self._window[job.number], fresh=())
        last = len(self._names) - 1
        return [*((number, bare) for number in range(first, last)), (last, replace(job.work, fresh=job.records))]


def _start_ledger(window: Sequence[Work]) -> Any:
    """The ledger, on the driver's machine: if that one is lost, so is the driver."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    # Softly is not enough: Ray then puts it on other machines, too, and their loss would end the run.
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    ledger = ray.remote(Ledger).options(num_cpus=0, scheduling_strategy=here).remote()
    ray.get(ledger.load.remote([pickle.dumps(work, protocol=pickle.HIGHEST_PROTOCOL) for work in window]))
    return ledger


def _warn_if_too_small(settings: ClusterSettings, stages: Sequence[str]) -> None:
    """Say on stderr what would otherwise only look like waiting."""
    import ray

    there = ray.cluster_resources()
    for resource, kind in (("CPU", "cpus"), ("GPU", "gpus")):
        needed = sum(settings.of(name).min_workers * getattr(settings.of(name), kind) for name in stages)
        if needed > there.get(resource, 0.0) + 1e-9:
            print(
                f"warning: the stages need {needed:g} {kind} at the least and the cluster has "
                f"{there.get(resource, 0.0):g}: it waits until nodes join; or give fewer workers, or {kind}=0.5",
                file=sys.stderr,
            )


def _make(workshop: Workshop, name: str) -> Bench:
    try:
        return workshop(name)
    except UnknownName as error:  # takes three arguments, so it cannot travel
        raise UsageError(str(error)) from None


def _own(error: BaseException) -> BaseException:
    """Our own error where one lies behind Ray's."""
    found: BaseException | None = error
    while found is not None:
        inner = getattr(found, "cause", None)
        if inner is None and isinstance(found, AqaaError):
            return found
        found = inner or found.__cause__
    if not type(error).__module__.startswith("ray"):
        return error
    told = re.sub(r"^aqaa_eval[.\w]*: ", "", str(error).strip().splitlines()[-1])
    return ModelError(f"the pipeline on Ray stopped: {told[:500]}")
